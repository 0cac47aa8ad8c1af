package load

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/dynobench/dyno/internal/number"
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
// are read strictly and held against the bounds that Run has.
func ParseGroup(spec string) (Group, error) {
	fail := func(format string, a ...any) (Group, error) {
		return Group{}, fmt.Errorf("group %q: %s; the form is kind[,key=value…]", spec, fmt.Sprintf(format, a...))
	}
	kind, rest, more := strings.Cut(spec, ",")
	g := Group{Kind: GroupKind(kind)}
	keys, ok := groupKinds[g.Kind]
	if !ok {
		return fail("%v", suggest.Unknown("kind of group", kind, kindNames()))
	}
	known := append([]string{"name"}, keys...)
	seen := map[string]bool{}
	for more {
		var item string
		item, rest, more = strings.Cut(rest, ",")
		key, value, ok := strings.Cut(item, "=")
		switch {
		case !ok:
			return fail("%q is not key=value", item)
		case !slices.Contains(known, key):
			return fail("%v", suggest.Unknown("key", key, known))
		case seen[key]:
			return fail("%s is set twice", key)
		}
		seen[key] = true
		for _, k := range groupKeys {
			if k.name == key {
				if what := k.set(&g, value); what != "" {
					return fail("%s=%s: expected %s", key, value, what)
				}
			}
		}
	}
	whole := g // the defaults belong to Run: only the faults are wanted
	if err := whole.complete("Groups", "/"); err != nil {
		return fail("%v", err)
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

// A groupKey is a field of a Group in the grammar. set says what was expected
// where a value is not; a zero cannot be set, as it would mean the default.
type groupKey struct {
	name string
	set  func(g *Group, value string) (expected string)
	get  func(g *Group) string // "" for the default
}

// field is the key's name in Group.
func (k groupKey) field() string { return strings.ToUpper(k.name[:1]) + k.name[1:] }

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

var groupNamePattern = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)

func isGroupName(s string) bool { return groupNamePattern.MatchString(s) }

func kindNames() []string {
	return []string{string(Idle), string(SlowRead), string(SlowSend), string(Storm)}
}
