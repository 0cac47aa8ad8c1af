// Package catalog lists all engines: one explicit table, no registration by
// import.
package catalog

import (
	"fmt"
	"slices"
	"strings"

	"github.com/dynobench/dyno/engines"
	"github.com/dynobench/dyno/engines/eventloop"
	"github.com/dynobench/dyno/engines/fasthttp"
	"github.com/dynobench/dyno/engines/gnet"
	"github.com/dynobench/dyno/engines/goroutine"
	"github.com/dynobench/dyno/engines/nethttp"
	"github.com/dynobench/dyno/engines/null"
	"github.com/dynobench/dyno/engines/pool"
	"github.com/dynobench/dyno/engines/supervise"
	enginesync "github.com/dynobench/dyno/engines/sync"
	"github.com/dynobench/dyno/engines/threads"
	"github.com/dynobench/dyno/internal/suggest"
)

// Kind says what an engine is for.
type Kind string

// The kinds. Only engines and yardsticks are ranked.
const (
	Engine      Kind = "engine"
	Yardstick   Kind = "yardstick"   // a server that is not ours, running the same app
	Calibration Kind = "calibration" // no server: it measures the host
)

// Entry is one engine.
type Entry struct {
	Name     string         `json:"name"`
	Summary  string         `json:"summary"`
	InFlight string         `json:"in_flight"` // how much it can have in flight, in words
	Kind     Kind           `json:"kind"`
	Knobs    []engines.Knob `json:"knobs"`
	Inner    string         `json:"inner,omitempty"` // the inner engine if none is named; "" if it cannot have one

	make func(spec engines.Spec, knobs []engines.Knob) (engines.Engine, error)
}

var table = []Entry{
	{Name: "sync", Kind: Engine, InFlight: "1",
		Summary: "one connection at a time, closed after each response",
		Knobs:   enginesync.Knobs, make: simple(enginesync.New)},
	{Name: "prefork", Kind: Engine, InFlight: "processes × inner",
		Summary: "a supervisor and worker processes, each with an inner engine",
		Knobs:   supervise.Knobs, Inner: "sync"},
	{Name: "threads", Kind: Engine, InFlight: "threads",
		Summary: "OS threads blocked in the kernel on their connections",
		Knobs:   threads.Knobs, make: simple(threads.New)},
	{Name: "pool", Kind: Engine, InFlight: "size",
		Summary: "a fixed pool of goroutines (ants), one connection each",
		Knobs:   pool.Knobs, make: simple(pool.New)},
	{Name: "goroutine", Kind: Engine, InFlight: "unbounded",
		Summary: "a goroutine for each connection, or for each request",
		Knobs:   goroutine.Knobs, make: simple(goroutine.New)},
	{Name: "eventloop", Kind: Engine, InFlight: "loops",
		Summary: "event loops (epoll or io_uring) with the app run inline",
		Knobs:   eventloop.Knobs, make: simple(eventloop.New)},
	{Name: "gnet", Kind: Engine, InFlight: "loops",
		Summary: "gnet's event loops with the app run inline",
		Knobs:   gnet.Knobs, make: simple(gnet.New)},
	{Name: "eventloop-pool", Kind: Engine, InFlight: "workers",
		Summary: "event loops (gnet) for the I/O and a pool of goroutines (ants) for the app",
		Knobs:   gnet.PoolKnobs, make: simple(gnet.NewPool)},
	{Name: "coroutine", Kind: Engine, InFlight: "unbounded",
		Summary: "event loops (epoll or io_uring) with a coroutine for each request, which waits suspend",
		Knobs:   eventloop.CoroutineKnobs, make: simple(eventloop.NewCoroutine)},
	{Name: "nethttp", Kind: Yardstick, InFlight: "unbounded",
		Summary: "the server of Go's standard library",
		Knobs:   nethttp.Knobs, make: simple(nethttp.New)},
	{Name: "fasthttp", Kind: Yardstick, InFlight: "unbounded",
		Summary: "valyala's fasthttp",
		Knobs:   fasthttp.Knobs, make: simple(fasthttp.New)},
	{Name: "null", Kind: Calibration, InFlight: "n/a",
		Summary: "a fixed answer from a raw epoll loop, no parsing: the floor of cost on this host",
		Knobs:   null.Knobs, make: simple(null.New)},
}

func init() {
	for i := range table {
		if table[i].Name == "prefork" { // here, since it looks into the table
			table[i].make = newPrefork
		}
	}
}

// simple makes a constructor of an engine without an inner one.
func simple[E engines.Engine](make func(*engines.Params) (E, error)) func(engines.Spec, []engines.Knob) (engines.Engine, error) {
	return func(spec engines.Spec, knobs []engines.Knob) (engines.Engine, error) {
		if spec.Inner != "" {
			return nil, fmt.Errorf("engine %s:%s: %s has no inner engine; prefork has", spec.Name, spec.Inner, spec.Name)
		}
		p := engines.NewParams(spec, knobs)
		e, err := make(p)
		if perr := p.Err(); perr != nil {
			err = perr
		}
		if err != nil {
			return nil, err
		}
		return e, nil
	}
}

// newPrefork checks the inner engine's Spec here, so that its faults are found
// before a process is started.
func newPrefork(spec engines.Spec, knobs []engines.Knob) (engines.Engine, error) {
	own, inner := spec.Split(knobs)
	if inner.Name == "" {
		inner.Name = "sync"
	}
	entry, err := Lookup(inner.Name)
	if err != nil {
		return nil, fmt.Errorf("engine %s: inner %w", spec, err)
	}
	if entry.Inner != "" || entry.Kind == Calibration {
		return nil, fmt.Errorf("engine %s: prefork cannot multiply %s", spec, inner.Name)
	}
	for _, p := range inner.Params {
		if all := keys(knobs, entry.Knobs); !slices.Contains(all, p.Key) {
			return nil, fmt.Errorf("engine %s: %w", spec, suggest.Unknown("key", p.Key, all))
		}
	}
	if _, err := entry.make(inner, entry.Knobs); err != nil {
		return nil, err
	}
	p := engines.NewParams(own, knobs)
	e, err := supervise.New(p, inner)
	if err != nil {
		return nil, err
	}
	return e, nil
}

// New returns the engine that spec names: see engines.Spec for the form. An
// unknown name or key is an error that lists the known ones.
func New(spec string) (engines.Engine, error) {
	s, err := engines.Parse(spec)
	if err != nil {
		return nil, err
	}
	entry, err := Lookup(s.Name)
	if err != nil {
		return nil, err
	}
	return entry.make(s, entry.Knobs)
}

// Speaks returns an error that says why the engine of spec cannot speak the
// protocol of that name, nil if it can: the yardsticks and null have parsers of
// their own, for HTTP.
func Speaks(spec, protocol string) error {
	ours, err := isOurs(spec)
	if err != nil || ours || protocol == "http" {
		return err
	}
	return fmt.Errorf("engine %s speaks http only, not %s; these speak it: %s", spec, protocol, ourNames())
}

// Unwraps is Speaks for the PROXY protocol, which goes before any other.
func Unwraps(spec string) error {
	ours, err := isOurs(spec)
	if err != nil || ours {
		return err
	}
	return fmt.Errorf("engine %s does not take the PROXY protocol; these do: %s", spec, ourNames())
}

// Times tells whether the engine of spec counts how long requests take.
func Times(spec string) bool {
	ours, err := isOurs(spec)
	return ours && err == nil
}

// isOurs tells whether what serves in the engine of spec is dyno's Session.
func isOurs(spec string) (bool, error) {
	s, err := engines.Parse(spec)
	if err != nil {
		return false, err
	}
	name := s.Name
	if name == "prefork" && s.Inner != "" {
		name = s.Inner
	}
	entry, err := Lookup(name)
	return entry.Kind == Engine, err
}

func ourNames() string {
	var names []string
	for _, e := range table {
		if e.Kind == Engine {
			names = append(names, e.Name)
		}
	}
	return strings.Join(names, ", ")
}

// List returns all engines, in the order of the documentation.
func List() []Entry { return append([]Entry(nil), table...) }

// Lookup returns the engine called name.
func Lookup(name string) (Entry, error) {
	names := make([]string, len(table))
	for i, e := range table {
		if e.Name == name {
			return e, nil
		}
		names[i] = e.Name
	}
	return Entry{}, suggest.Unknown("engine", name, names)
}

// Usage is the entry's spec with its settings, as name[:inner][,key=default…].
func (e Entry) Usage() string {
	var b strings.Builder
	b.WriteString(e.Name)
	if e.Inner != "" {
		b.WriteString("[:inner]")
	}
	for _, k := range e.Knobs {
		b.WriteString("[," + k.Key + "=" + k.Default + "]")
	}
	return b.String()
}

func keys(lists ...[]engines.Knob) []string {
	var all []string
	for _, knobs := range lists {
		for _, k := range knobs {
			all = append(all, k.Key)
		}
	}
	return all
}
