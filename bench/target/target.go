// Package target runs a server under measurement: a command line as a process
// tree, started fresh on its own CPUs, proven ready by a verified answer,
// drained, and certainly gone afterwards, even if dyno itself is killed.
//
// It knows nothing of what the command runs: dyno's own engines and outside
// servers are the same kind of thing. It imports nothing of dyno's; bench
// drives it and bench/meter measures what it started.
//
// A program that uses Start calls MaybeWatchdog first thing in its main.
package target

import (
	"cmp"
	"fmt"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Target is a row of scenarios/targets.yaml: a server that can be measured.
type Target struct {
	Name    string
	Summary string
	Kind    string // engine: one of dyno's; yardstick: the same app on a well-known Go server; outside: everything else
	Spec    string // engine and yardstick: what --engine takes
	// Command is the argv template. {dyno} is this binary, {addr} host:port, {port}
	// the port, {app} the app's name, {dir} the folder of the twins in other
	// languages (scenarios/apps, unpacked), {cpus} the number of CPUs that the
	// server gets, {protocol} http, or what else the run is over. A server whose
	// command or environment has {stats} tells at that host:port how full it is, as
	// uWSGI's stats server does; one with {pprof} serves Go's profiles there.
	Command  []string
	Env      map[string]string // added to dyno's own; values are templates too
	Protocol string            // default http
	Ready    string            // path of the readiness request; default /hello
	Requires []Requirement
	Drain    time.Duration // how long after Signal before it is killed; default 5s
	Signal   string        // that asks for an orderly end: TERM (default), INT or QUIT
}

// Requirement is something that must be installed. Exactly one of Program,
// File and Glob is set; each may hold the placeholders of Target.Command.
type Requirement struct {
	Program string // found on PATH, or a path with a slash
	File    string // exists
	Glob    string // matches something
	Install string // the command that gets it
}

// String names what is required, without how to get it.
func (r Requirement) String() string {
	switch {
	case r.Program != "":
		return "program " + r.Program
	case r.File != "":
		return "file " + r.File
	}
	return "files " + r.Glob
}

// The kinds of targets, as in Target.Kind.
const (
	Engine    = "engine"
	Yardstick = "yardstick"
	Outside   = "outside"
)

// Defaults of a row, and of a Command.
const (
	DefaultProtocol = "http"
	HTTPS           = "https" // spoken by none of dyno's engines
	DefaultReady    = "/hello"
	DefaultDrain    = 5 * time.Second
	DefaultSignal   = "TERM"
)

var signals = map[string]syscall.Signal{
	"TERM": syscall.SIGTERM,
	"INT":  syscall.SIGINT,
	"QUIT": syscall.SIGQUIT,
}

func (t *Target) setDefaults() {
	t.Protocol = cmp.Or(t.Protocol, DefaultProtocol)
	t.Ready = cmp.Or(t.Ready, DefaultReady)
	t.Drain = cmp.Or(t.Drain, DefaultDrain)
	t.Signal = cmp.Or(t.Signal, DefaultSignal)
}

// Over returns t speaking the protocol, which it can if its command says
// {protocol}.
func (t Target) Over(protocol string) (Target, bool) {
	ok := t.Protocol == protocol || t.Takes("protocol")
	t.Protocol = protocol
	return t, ok
}

// Vars are the values of the placeholders for one start of a target.
type Vars struct {
	Dyno string // {dyno}: path of this binary
	Addr string // {addr}: host:port; {port} is taken from it
	App  string // {app}
	Dir  string // {dir}
	CPUs []int  // the server's CPUs; {cpus} is how many, at least 1. Expand copies them into the Command

	Stats, Pprof string // {stats}, {pprof}: host:port
}

// placeholders lists the names that a template may use, in the order in which
// they are shown to people.
var placeholders = []string{"dyno", "addr", "port", "app", "dir", "cpus", "protocol", Stats, Pprof}

// The placeholders by which a server offers more than answers: see Takes.
const (
	Stats = "stats"
	Pprof = "pprof"
)

// Takes tells whether the command or the environment of t has {name} in it.
func (t Target) Takes(name string) bool {
	has := func(s string) bool { return strings.Contains(s, "{"+name+"}") }
	return slices.ContainsFunc(t.Command, has) || slices.ContainsFunc(slices.Collect(maps.Values(t.Env)), has)
}

// Needs tells whether t, or what it requires, has {name} in it.
func (t Target) Needs(name string) bool {
	return t.Takes(name) || slices.ContainsFunc(t.Requires, func(r Requirement) bool {
		return strings.Contains(r.Program+r.File+r.Glob+r.Install, "{"+name+"}")
	})
}

// placeholder matches {word}. Other braces are left alone, so that a command
// may hold JSON or a block of Ruby.
var placeholder = regexp.MustCompile(`\{([a-z_]+)\}`)

func checkTemplate(s string) error {
	for _, m := range placeholder.FindAllStringSubmatch(s, -1) {
		if !slices.Contains(placeholders, m[1]) {
			return fmt.Errorf("unknown placeholder %s (known: {%s})", m[0], strings.Join(placeholders, "} {"))
		}
	}
	return nil
}

func (v Vars) expand(s, protocol string) (string, error) {
	if err := checkTemplate(s); err != nil {
		return "", err
	}
	return placeholder.ReplaceAllStringFunc(s, func(m string) string {
		switch m {
		case "{dyno}":
			return v.Dyno
		case "{addr}":
			return v.Addr
		case "{port}":
			_, port, err := net.SplitHostPort(v.Addr)
			if err != nil {
				return "" // a unix socket has none
			}
			return port
		case "{stats}":
			return v.Stats
		case "{pprof}":
			return v.Pprof
		case "{app}":
			return v.App
		case "{dir}":
			return v.Dir
		case "{cpus}":
			return strconv.Itoa(max(1, len(v.CPUs)))
		}
		return protocol
	}), nil
}

// Expand fills the templates of t and returns what Start takes.
func (t Target) Expand(v Vars) (Command, error) {
	t.setDefaults()
	c := Command{Name: t.Name, CPUs: v.CPUs, Drain: t.Drain, Signal: signals[t.Signal]}
	if c.Signal == 0 {
		return Command{}, fmt.Errorf("target %s: signal %q is none of TERM, INT and QUIT", t.Name, t.Signal)
	}
	for _, s := range t.Command {
		arg, err := v.expand(s, t.Protocol)
		if err != nil {
			return Command{}, fmt.Errorf("target %s: command: %w", t.Name, err)
		}
		c.Argv = append(c.Argv, arg)
	}
	if len(t.Env) > 0 {
		c.Env = make(map[string]string, len(t.Env))
	}
	for _, k := range slices.Sorted(maps.Keys(t.Env)) {
		val, err := v.expand(t.Env[k], t.Protocol)
		if err != nil {
			return Command{}, fmt.Errorf("target %s: env %s: %w", t.Name, k, err)
		}
		c.Env[k] = val
	}
	return c, nil
}

// Missing returns the requirements of t that this host does not meet, their
// placeholders filled in. An error means a bad template or pattern.
func (t Target) Missing(v Vars) ([]Requirement, error) {
	var missing []Requirement
	for _, r := range t.Requires {
		for _, s := range []*string{&r.Program, &r.File, &r.Glob, &r.Install} {
			var err error
			if *s, err = v.expand(*s, t.Protocol); err != nil {
				return nil, fmt.Errorf("target %s: requires: %w", t.Name, err)
			}
		}
		met, err := r.met()
		if err != nil {
			return nil, fmt.Errorf("target %s: requires: %w", t.Name, err)
		}
		if !met {
			missing = append(missing, r)
		}
	}
	return missing, nil
}

func (r Requirement) met() (bool, error) {
	switch {
	case r.Program != "":
		_, err := exec.LookPath(r.Program)
		return err == nil, nil
	case r.File != "":
		_, err := os.Stat(r.File)
		return err == nil, nil
	}
	found, err := filepath.Glob(r.Glob)
	if err != nil {
		return false, fmt.Errorf("glob %q: %w", r.Glob, err)
	}
	return len(found) > 0, nil
}
