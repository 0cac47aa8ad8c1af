package workload

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/dynobench/dyno/internal/number"
	"github.com/dynobench/dyno/internal/settings"
	"github.com/dynobench/dyno/internal/suggest"
)

// ParseGroup reads a Group from the command line, as in
//
//	idle,connections=10000
//	slow-send,connections=20,rate=10,part=body
//	storm,connections=50,every=100ms,abort=true
//
// The grammar is kind[,key=value…], that of engine specs; the keys are the
// fields of Group in lower case, a value is anything without a comma. Values
// are read strictly and held against their bounds.
func ParseGroup(spec string) (Group, error) {
	fail := func(format string, a ...any) (Group, error) {
		return Group{}, fmt.Errorf("group %q: %s; the form is kind[,key=value…]", spec, fmt.Sprintf(format, a...))
	}
	kind, rest, more := strings.Cut(spec, ",")
	g := Group{Kind: GroupKind(kind)}
	keys, ok := groupKinds[g.Kind]
	if !ok {
		return fail("%v", suggest.Unknown("kind of group", kind, GroupKinds()))
	}
	known := append([]string{"name"}, keys...)
	if more {
		for setting, err := range settings.Each(rest) {
			switch {
			case err != nil:
				return fail("%v", err)
			case !slices.Contains(known, setting.Key):
				return fail("%v", suggest.Unknown("key", setting.Key, known))
			}
			for _, k := range groupKeys {
				if k.name != setting.Key {
					continue
				}
				if what := k.set(&g, setting.Value); what != "" {
					return fail("%s=%s: expected %s", setting.Key, setting.Value, what)
				}
			}
		}
	}
	whole := g // only the faults are wanted, not the defaults
	if _, msg := whole.complete("/"); msg != "" {
		return fail("%s", msg)
	}
	return g, nil
}

// String is the group in the form that ParseGroup reads.
func (g Group) String() string {
	var b strings.Builder
	b.WriteString(string(g.Kind))
	for _, k := range groupKeys {
		if v := k.get(&g); v != "" && !(k.name == "name" && v == string(g.Kind)) {
			b.WriteString("," + k.name + "=" + v)
		}
	}
	return b.String()
}

// KeyFaults returns what is wrong with the keys that were written: the group's kind
// does not have one, or its value is the zero that stands for the default. Of an
// unknown kind it knows nothing. The faults' Index is not set.
func (g Group) KeyFaults(written func(key string) bool) (faults []GroupError) {
	keys, known := groupKinds[g.Kind]
	for _, k := range groupKeys {
		switch {
		case !known || !written(k.name):
		case k.name != "name" && !slices.Contains(keys, k.name):
			faults = append(faults, GroupError{Key: k.name, Msg: g.without(k.name)})
		case k.get(&g) == "" && k.name != "request" && k.name != "abort":
			faults = append(faults, GroupError{Key: k.name, Msg: k.name + " must be positive; leave it out for the default"})
		}
	}
	return faults
}

func (g Group) without(key string) string {
	return fmt.Sprintf("a group of kind %s has no %s (known: name, %s)", g.Kind, key, strings.Join(groupKinds[g.Kind], ", "))
}

// A groupKey is a field of a Group in the grammar. set says what was expected
// where a value is not; a zero cannot be set, as it would mean the default.
type groupKey struct {
	name string
	set  func(g *Group, value string) (expected string)
	get  func(g *Group) string // "" for the default
}

// groupKeys is in the order of String.
var groupKeys = []groupKey{
	textKey("name", func(g *Group) *string { return &g.Name }),
	countKey("connections", func(g *Group) *int { return &g.Connections }),
	{
		name: "every",
		set: func(g *Group, v string) string {
			d, err := number.Duration(v)
			if g.Every = d; err != nil || d <= 0 {
				return "a duration with its unit, as 100ms"
			}
			return ""
		},
		get: func(g *Group) string {
			if g.Every == 0 {
				return ""
			}
			return g.Every.String()
		},
	},
	{
		name: "rate",
		set: func(g *Group, v string) string {
			f, err := number.Decimal(v)
			if g.Rate = f; err != nil || f <= 0 {
				return "a number above 0, as 100 or 0.5"
			}
			return ""
		},
		get: func(g *Group) string {
			if g.Rate == 0 {
				return ""
			}
			return strconv.FormatFloat(g.Rate, 'f', -1, 64)
		},
	},
	textKey("part", func(g *Group) *string { return &g.Part }),
	countKey("size", func(g *Group) *int { return &g.Size }),
	switchKey("request", func(g *Group) *bool { return &g.Request }),
	switchKey("abort", func(g *Group) *bool { return &g.Abort }),
	countKey("limit", func(g *Group) *int { return &g.Limit }),
	{
		name: "path",
		set:  textKey("path", func(g *Group) *string { return &g.Path }).set,
		get:  func(g *Group) string { return strings.ReplaceAll(g.Path, ",", "%2C") },
	},
}

func textKey(name string, at func(*Group) *string) groupKey {
	return groupKey{
		name: name,
		set: func(g *Group, v string) string {
			if *at(g) = v; v == "" {
				return "something"
			}
			return ""
		},
		get: func(g *Group) string { return *at(g) },
	}
}

func countKey(name string, at func(*Group) *int) groupKey {
	return groupKey{
		name: name,
		set: func(g *Group, v string) string {
			n, err := number.Whole(v)
			if *at(g) = int(n & math.MaxInt32); err != nil || n == 0 || n > math.MaxInt32 {
				return "a whole number from 1"
			}
			return ""
		},
		get: func(g *Group) string {
			if *at(g) == 0 {
				return ""
			}
			return strconv.Itoa(*at(g))
		},
	}
}

func switchKey(name string, at func(*Group) *bool) groupKey {
	return groupKey{
		name: name,
		set: func(g *Group, v string) string {
			if *at(g) = v == "true"; v != "true" && v != "false" {
				return "true or false"
			}
			return ""
		},
		get: func(g *Group) string {
			if !*at(g) {
				return ""
			}
			return "true"
		},
	}
}

var namePattern = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)

// IsName tells whether s may name a group, a scenario or an app.
func IsName(s string) bool { return namePattern.MatchString(s) }

// GroupKinds are the kinds, by their names.
func GroupKinds() []string {
	return []string{string(Idle), string(SlowRead), string(SlowSend), string(Storm)}
}
