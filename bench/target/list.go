package target

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/dynobench/dyno/internal/suggest"
	"github.com/dynobench/dyno/internal/yamlfile"
)

// SyntaxError is a fault in a list of targets and where it is.
type SyntaxError = yamlfile.Error

// LoadList reads the list in the file at path: see ParseList.
func LoadList(path string) ([]Target, error) {
	data, err := yamlfile.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return ParseList(path, data)
}

// ParseList decodes a YAML sequence of targets strictly and fills in the
// defaults. Name is for the error messages: an unknown key, a wrong type or a
// value that makes no sense is a *SyntaxError with line and column. Faults are
// reported all at once (joined).
func ParseList(name string, data []byte) ([]Target, error) {
	root, err := yamlfile.Parse(name, data)
	if err != nil {
		return nil, err
	}
	if root.Kind == yamlfile.Null {
		return nil, &SyntaxError{File: name, Line: 1, Column: 1, Msg: "holds no targets"}
	}
	d := yamlfile.NewDecoder(name)
	var list []Target
	d.Each("targets", func(path string, n *yamlfile.Node) {
		t := Target{}
		decode(d, path, n, &t)
		list = append(list, t)
	})("targets", root)
	if d.Faulty() { // rules about values make sense once the values are there
		return nil, d.Err()
	}
	seen := map[string]int{}
	for i := range list {
		t, at := &list[i], fmt.Sprintf("targets[%d]", i)
		if d.Given(at+".drain") && t.Drain == 0 {
			t.Drain = 1 // killed at once; 0 is what nobody has set
		}
		t.setDefaults()
		t.problems(func(key, format string, args ...any) { d.FaultAt(at+"."+key, format, args...) })
		if first, ok := seen[t.Name]; ok {
			d.FaultAt(at+".name", "a target named %q is already in row %d", t.Name, first+1)
		} else {
			seen[t.Name] = i
		}
	}
	return list, d.Err()
}

// decode fills t, whose values at are in n.
func decode(d *yamlfile.Decoder, path string, n *yamlfile.Node, t *Target) {
	d.Object(path, n, "a target", map[string]yamlfile.Set{
		"name":     d.Text(&t.Name),
		"summary":  d.Text(&t.Summary),
		"kind":     d.Text(&t.Kind),
		"spec":     d.Text(&t.Spec),
		"command":  d.Words(&t.Command),
		"env":      d.Named(&t.Env, d.Word),
		"protocol": d.Text(&t.Protocol),
		"ready":    d.Text(&t.Ready),
		"drain":    d.Duration(&t.Drain),
		"signal":   d.Text(&t.Signal),
		"requires": d.Each("requirements", func(path string, n *yamlfile.Node) {
			var r Requirement
			d.Object(path, n, "a requirement", map[string]yamlfile.Set{
				"program": d.Text(&r.Program),
				"file":    d.Text(&r.File),
				"glob":    d.Text(&r.Glob),
				"install": d.Text(&r.Install),
			})
			t.Requires = append(t.Requires, r)
		}),
	}, "name", "kind", "command")
}

var (
	nameRE  = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]*$`)
	readyRE = regexp.MustCompile(`^/[^\x00-\x20\x7f]*$`)
)

// Protocols are those that a target can be asked in.
var Protocols = []string{"http", HTTPS, "uwsgi", "scgi", "fastcgi"}

// Validate holds t, wherever it comes from, against the rules of a row.
func (t Target) Validate() error {
	var first error
	t.problems(func(key, format string, args ...any) {
		if first == nil {
			first = fmt.Errorf("target %s: %s: "+format, append([]any{t.Name, key}, args...)...)
		}
	})
	return first
}

// problems are the rules beyond the types. add takes the key at fault.
func (t Target) problems(add func(key, format string, args ...any)) {
	switch t.Kind {
	case Engine, Yardstick:
		if t.Spec == "" {
			add("spec", "a target of kind %s needs a spec", t.Kind)
		}
	case Outside:
		if t.Spec != "" {
			add("spec", "a target of kind outside has no spec")
		}
		// The name of an engine is its spec, which has its own rules.
		if !nameRE.MatchString(t.Name) {
			add("name", "name %q: use lower-case letters, digits, '.', '_' and '-'", t.Name)
		}
	default:
		add("kind", "kind %q is none of %s, %s and %s", t.Kind, Engine, Yardstick, Outside)
	}
	if len(t.Command) == 0 || t.Command[0] == "" {
		add("command", "a target needs a command: a list that begins with the program")
	} else if !t.Takes("addr") && !t.Takes("port") {
		add("command", "the command has no {addr}: put it where the address to listen on goes")
	}
	for i, arg := range t.Command {
		at := fmt.Sprintf("command[%d]", i)
		if err := checkTemplate(arg); err != nil {
			add(at, "%v", err)
		} else if strings.Contains(arg, "\x00") {
			add(at, "a NUL byte: no program can be given one")
		}
	}
	for _, k := range slices.Sorted(maps.Keys(t.Env)) {
		switch v := t.Env[k]; {
		case k == "" || strings.ContainsAny(k, "=\x00"):
			add("env", "%q is no name for an environment variable", k)
		case strings.Contains(v, "\x00"):
			add("env."+k, "a NUL byte: no environment can hold one")
		default:
			if err := checkTemplate(v); err != nil {
				add("env."+k, "%v", err)
			}
		}
	}
	if !slices.Contains(Protocols, t.Protocol) {
		add("protocol", "%v", suggest.Unknown("protocol", t.Protocol, Protocols))
	}
	if !readyRE.MatchString(t.Ready) {
		add("ready", "ready %q is no path: it starts with '/' and has no blanks", t.Ready)
	}
	if _, ok := signals[t.Signal]; !ok {
		add("signal", "signal %q is none of TERM, INT and QUIT", t.Signal)
	}
	if strings.ContainsAny(t.Summary, "\r\n") {
		add("summary", "the summary is not one line")
	}
	for i, r := range t.Requires {
		at, set := fmt.Sprintf("requires[%d]", i), 0
		for _, s := range []string{r.Program, r.File, r.Glob} {
			if s != "" {
				set++
			}
			if err := checkTemplate(s); err != nil {
				add(at, "%v", err)
			}
		}
		if set != 1 {
			add(at, "a requirement has exactly one of program, file and glob")
		}
		if r.Install == "" {
			add(at, "say how to get it: install")
		}
	}
}
