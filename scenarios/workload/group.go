package workload

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/dynobench/dyno/internal/suggest"
)

// GroupKind says what the connections of a Group do.
type GroupKind string

const (
	Idle     GroupKind = "idle"      // stand, and send a request now and then where Every says so
	SlowSend GroupKind = "slow-send" // send requests a few bytes at a time
	SlowRead GroupKind = "slow-read" // read answers a few bytes at a time
	Storm    GroupKind = "storm"     // are opened and at once closed
)

// Group is a number of connections beside the busy ones: what they cost the
// server, and what they do to the others, is seen in the figures of the busy
// ones. Each group has a record of its own (results.Group), and its requests
// are in no other figure. Groups need the native generator.
//
// A group keeps its size: an idle or slow connection that the server closes is
// counted, with how long it was held, and opened again after 100 ms (twice as
// long after each failure in a row, 5 s at most), a thousand a second in all.
//
// Zero values mean the defaults. A kind takes no field that is not its own.
type Group struct {
	Name string // of its record; default: the kind, with -2, -3 … where it is taken
	Kind GroupKind
	// Connections is how many are held; of a Storm, how many are opened at a
	// time. Default: 100 idle, 10 slow, 50 of a storm (1 where Rate is given).
	Connections int
	Path        string // what is requested with GET (POST by the body of SlowSend); default: that of the first request

	// Every is, on each connection, the time from one request to the next
	// (Idle; default: no requests) or between two pieces (SlowSend, SlowRead;
	// default 100 ms, or what one byte takes); of a Storm the time between
	// bursts (default 1 s, unless there is a Rate).
	Every time.Duration
	Rate  float64 // bytes per second of each slow connection, default 10 sent, 100 read; or a Storm's connections per second

	Part string // SlowSend: what goes slowly, "head" (default) or "body"
	Size int    // SlowSend: bytes of the body (default 1000), or of the head at least

	Request bool // Storm: each connection sends a request and reads the answer
	Abort   bool // Storm: connections are closed by a reset
	Limit   int  // Storm: so many open at a time at most, the rest is counted as unopened; default: what is due in 10 s, 4096 or a burst at most
}

// Bounds of groups.
const (
	maxGroups = 64
	// of all groups: it keeps a slip of the finger from taking the host
	maxGroupConnections = 1 << 20
	maxSlowRate         = 1e6 // bytes per second; faster is not slow
	maxStormRate        = 1e6 // connections per second
	minGroupRate        = 0.01
	minEvery            = time.Millisecond
	maxEvery            = 24 * time.Hour
	maxPiece            = 64 << 10
	maxSize             = 1 << 20
	stormLimit          = 4096
)

// groupKinds are the kinds and the keys of each beyond name and kind.
var groupKinds = map[GroupKind][]string{
	Idle:     {"connections", "path", "every"},
	SlowSend: {"connections", "path", "every", "rate", "part", "size"},
	SlowRead: {"connections", "path", "every", "rate"},
	Storm:    {"connections", "path", "every", "rate", "request", "abort", "limit"},
}

// GroupError is a fault in a list of groups.
type GroupError struct {
	Index int    // of the group, from 0; -1: the fault is in the list
	Key   string // of the group, as in the text form
	Msg   string
}

func (e *GroupError) Error() string { return e.Msg }

// CompleteGroups returns the groups with their defaults filled in and named apart.
// path is what they request unless they say it. The error is a *GroupError.
func CompleteGroups(groups []Group, path string) ([]Group, error) {
	if len(groups) > maxGroups {
		return nil, &GroupError{-1, "", fmt.Sprintf("%d groups: at most %d are possible", len(groups), maxGroups)}
	}
	all := slices.Clone(groups)
	taken := map[string]bool{}
	for i := range all {
		name := all[i].Name
		if name != "" && taken[name] {
			return nil, &GroupError{i, "name", fmt.Sprintf("two groups are named %s: give each its own name", name)}
		}
		taken[name] = true
	}
	total := 0
	for i := range all {
		g := &all[i]
		if key, msg := g.complete(path); msg != "" {
			return nil, &GroupError{i, key, msg}
		}
		if g.Name == "" {
			g.Name = string(g.Kind)
			for n := 2; taken[g.Name]; n++ {
				g.Name = fmt.Sprintf("%s-%d", g.Kind, n)
			}
			taken[g.Name] = true
		}
		if total += g.Places(); total > maxGroupConnections {
			return nil, &GroupError{-1, "", fmt.Sprintf("the groups have more than %d connections", maxGroupConnections)}
		}
	}
	return all, nil
}

// complete fills the defaults of one group in, but for its name. Where a value is
// none, it returns its key and what is wrong with it.
func (g *Group) complete(path string) (key, msg string) {
	bad := func(key, format string, a ...any) (string, string) { return key, fmt.Sprintf(format, a...) }
	keys, ok := groupKinds[g.Kind]
	if !ok {
		return bad("kind", "%v", suggest.Unknown("kind of group", string(g.Kind), GroupKinds()))
	}
	for _, k := range groupKeys {
		if k.name != "name" && k.get(g) != "" && !slices.Contains(keys, k.name) {
			return k.name, g.without(k.name)
		}
	}
	if g.Name != "" && !IsName(g.Name) {
		return bad("name", "name %q of a group: use lower-case letters, digits and dashes between them", g.Name)
	}
	if g.Kind == Storm && g.Rate != 0 && g.Every != 0 {
		return bad("every", "a storm with both a rate and a time between bursts: give one of the two")
	}
	g.Path = cmp.Or(g.Path, path)
	if !strings.HasPrefix(g.Path, "/") || strings.ContainsFunc(g.Path, func(c rune) bool { return c <= ' ' || c == 0x7f }) {
		return bad("path", "path %q of a group: expected one that starts with /, with spaces escaped by %%", g.Path)
	}
	if _, err := Target(g.Path); err != nil {
		return bad("path", "path of a group: %v", err)
	}
	if r := g.Rate; r != 0 && !(r >= minGroupRate && r <= g.maxRate()) {
		return bad("rate", "rate %v of a group: between %v and %.0f per second are possible", r, minGroupRate, g.maxRate())
	}
	if e := g.Every; e != 0 && (e < minEvery || e > maxEvery) {
		return bad("every", "every %v: between %v and %v are possible", e, minEvery, maxEvery)
	}
	g.defaults()
	switch {
	case g.Connections < 1 || g.Connections > maxGroupConnections:
		return bad("connections", "%d connections of a group: between 1 and %d are possible", g.Connections, maxGroupConnections)
	case g.Kind == SlowSend && g.Part != "head" && g.Part != "body":
		return bad("part", "%v", suggest.Unknown("part", g.Part, []string{"head", "body"}))
	case g.Size < 0 || g.Size > maxSize:
		return bad("size", "size %d: between 1 and %d bytes are possible", g.Size, maxSize)
	case g.Kind == Storm && (g.Limit < g.Connections || g.Limit > maxGroupConnections):
		return bad("limit", "limit %d: expected %d, a burst, to %d", g.Limit, g.Connections, maxGroupConnections)
	case g.Slow() && g.Rate*g.Every.Seconds() > maxPiece:
		return bad("every", "every %v at %v bytes per second: pieces over %d bytes are not slow; use a lower rate or a shorter time", g.Every, g.Rate, maxPiece)
	}
	return "", ""
}

// defaults is the part of complete that fills in.
func (g *Group) defaults() {
	switch g.Kind {
	case Idle:
		g.Connections = cmp.Or(g.Connections, 100)
	case SlowSend:
		g.Connections = cmp.Or(g.Connections, 10)
		g.Rate = cmp.Or(g.Rate, 10)
		g.Every = cmp.Or(g.Every, defaultEvery(g.Rate))
		g.Part = cmp.Or(g.Part, "head")
		if g.Part == "body" {
			g.Size = cmp.Or(g.Size, 1000)
		}
	case SlowRead:
		g.Connections = cmp.Or(g.Connections, 10)
		g.Rate = cmp.Or(g.Rate, 100)
		g.Every = cmp.Or(g.Every, defaultEvery(g.Rate))
	case Storm:
		if g.Rate != 0 {
			g.Connections = cmp.Or(g.Connections, 1)
		} else {
			g.Connections = cmp.Or(g.Connections, 50)
			g.Every = cmp.Or(g.Every, time.Second)
		}
		due := 10e9 / float64(g.Gap()) * float64(g.Connections)
		g.Limit = cmp.Or(g.Limit, max(g.Connections, int(min(due, stormLimit))))
	}
}

// defaultEvery is the time between pieces at a rate.
func defaultEvery(rate float64) time.Duration {
	return min(100*time.Millisecond, time.Duration(maxPiece/rate*1e9)) // a fast one in pieces that are none too large
}

// Slow tells whether its connections send or read slowly.
func (g *Group) Slow() bool { return g.Kind == SlowSend || g.Kind == SlowRead }

func (g *Group) maxRate() float64 {
	if g.Kind == Storm {
		return maxStormRate
	}
	return maxSlowRate
}

// Places is how many connections it has at a time at most.
func (g *Group) Places() int {
	if g.Kind == Storm {
		return g.Limit
	}
	return g.Connections
}

// Piece is how many bytes go at a time on a slow connection.
func (g *Group) Piece() int {
	if !g.Slow() {
		return 0
	}
	return max(1, int(math.Round(g.Rate*g.Every.Seconds())))
}

// Gap is the time between two pieces, bursts or requests, in ns; 0 where there
// are none. The rate is kept exactly, Every as near as whole bytes allow.
func (g *Group) Gap() int64 {
	switch {
	case g.Slow():
		return int64(float64(g.Piece()) / g.Rate * 1e9)
	case g.Kind == Storm && g.Rate != 0:
		return int64(float64(g.Connections) / g.Rate * 1e9)
	}
	return int64(g.Every)
}
