package scenarios

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dynobench/dyno/internal/suggest"
	"github.com/dynobench/dyno/internal/yamlfile"
)

// groupKeys are the keys of each kind of group beyond kind and name, as the
// generator has them; a test of internal/cli holds the two together.
var groupKeys = map[string][]string{
	"idle":      {"connections", "path", "every"},
	"slow-send": {"connections", "path", "every", "rate", "part", "size"},
	"slow-read": {"connections", "path", "every", "rate"},
	"storm":     {"connections", "path", "every", "rate", "request", "abort", "limit"},
}

// slowRates are the generator's defaults, in bytes per second.
var slowRates = map[string]float64{"slow-send": 10, "slow-read": 100}

const (
	maxGroups           = 64
	maxGroupConnections = 1 << 20
	maxGroupSize        = 1 << 20 // bytes
	minGroupRate        = 0.01
	maxGroupRate        = 1_000_000
	maxPiece            = 64 << 10 // bytes
	minEvery            = time.Millisecond
	maxEvery            = 24 * time.Hour
)

func (d decoder) groups(into *[]Group) yamlfile.Set {
	return d.Each("groups", func(path string, n *yamlfile.Node) {
		var g Group
		d.Object(path, n, "a group", map[string]yamlfile.Set{
			"kind":        d.Text(&g.Kind),
			"name":        d.Text(&g.Name),
			"connections": d.Integer(&g.Connections),
			"path":        d.Text(&g.Path),
			"every":       d.Duration(&g.Every),
			"rate":        d.Decimal(&g.Rate),
			"part":        d.Text(&g.Part),
			"size":        d.Integer(&g.Size),
			"request":     d.Bool(&g.Request),
			"abort":       d.Bool(&g.Abort),
			"limit":       d.Integer(&g.Limit),
		}, "kind")
		*into = append(*into, g)
	})
}

func (l *Offer) groupProblems(given func(path string) bool) []problem {
	var list []problem
	if len(l.Groups) > maxGroups {
		list = append(list, problem{"load.groups", fmt.Sprintf("%d groups; write at most %d", len(l.Groups), maxGroups)})
	}
	names := map[string]bool{}
	for i := range l.Groups {
		at := fmt.Sprintf("load.groups[%d]", i)
		g := &l.Groups[i]
		add := func(key, format string, args ...any) {
			list = append(list, problem{at + "." + key, fmt.Sprintf(format, args...)})
		}
		g.problems(func(key string) bool { return given(at + "." + key) }, add)
		if g.Name != "" && names[g.Name] {
			add("name", "two groups of the name %s; name them apart", g.Name)
		}
		names[g.Name] = true
	}
	return list
}

func (g *Group) problems(given func(key string) bool, add func(key, format string, args ...any)) {
	keys, ok := groupKeys[g.Kind]
	if !ok {
		add("kind", "%v", suggest.Unknown("kind of group", g.Kind, []string{"idle", "slow-read", "slow-send", "storm"}))
		return
	}
	strange := false
	for _, key := range []string{"connections", "path", "every", "rate", "part", "size", "request", "abort", "limit"} {
		if given(key) && !slices.Contains(keys, key) {
			add(key, "a group of kind %s has no %s; it has %s", g.Kind, key, strings.Join(keys, ", "))
			strange = true
		}
	}
	if strange {
		return
	}
	if given("name") && !namePattern.MatchString(g.Name) {
		add("name", "name %q; use lower-case letters, digits and dashes between them", g.Name)
	}
	if given("connections") && (g.Connections < 1 || g.Connections > maxGroupConnections) {
		add("connections", "%d connections; write 1 to %d", g.Connections, maxGroupConnections)
	}
	if given("path") && !pathPattern.MatchString(g.Path) {
		add("path", "path %q; start it with / and percent-encode blanks and control characters", g.Path)
	}
	if given("every") && (g.Every < minEvery || g.Every > maxEvery) {
		add("every", "every %v; write %v to %v", g.Every, minEvery, maxEvery)
	}
	if given("rate") && !(g.Rate >= minGroupRate && g.Rate <= maxGroupRate) {
		add("rate", "rate %v; write %v to %d per second", g.Rate, minGroupRate, maxGroupRate)
	}
	if given("size") && (g.Size < 1 || g.Size > maxGroupSize) {
		add("size", "size %d; write 1 to %d bytes", g.Size, maxGroupSize)
	}
	if parts := []string{"head", "body"}; given("part") && !slices.Contains(parts, g.Part) {
		add("part", "%v", suggest.Unknown("part", g.Part, parts))
	}
	switch {
	case g.Kind != "storm":
		rate := g.Rate
		if rate == 0 {
			rate = slowRates[g.Kind]
		}
		if rate*g.Every.Seconds() > maxPiece {
			add("every", "every %v at %v bytes per second; pieces of more than %d bytes are not slow, shorten it", g.Every, rate, maxPiece)
		}
	case given("every") && given("rate"):
		add("every", "a storm with both a rate and a time between bursts; give one of the two")
	case given("limit") && (g.Limit < g.burst() || g.Limit > maxGroupConnections):
		add("limit", "limit %d; write %d, a burst, to %d", g.Limit, g.burst(), maxGroupConnections)
	}
}

// burst is how many connections a storm opens at a time.
func (g *Group) burst() int {
	switch {
	case g.Connections > 0:
		return g.Connections
	case g.Rate > 0:
		return 1
	}
	return 50
}
