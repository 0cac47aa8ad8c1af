package engines

import (
	"fmt"
	"strings"

	"github.com/dynobench/dyno/internal/settings"
)

// Spec names an engine and its settings, as in
//
//	goroutine
//	threads,threads=64
//	prefork:goroutine,processes=4,per=request
//
// The grammar is name[:inner][,key=value…]. Names and keys are lower-case
// letters, digits and hyphens and begin with a letter; a value is anything
// without a comma. Settings of the inner engine stand in the same list: what
// the outer engine does not know is the inner one's.
type Spec struct {
	Name   string
	Inner  string // "" if there is none; may itself be name:inner
	Params []Param
}

// Param is one setting of a Spec.
type Param struct{ Key, Value string }

// Parse reads a Spec. Whether there is such an engine is for the catalog to say.
func Parse(s string) (Spec, error) {
	fail := func(format string, a ...any) (Spec, error) {
		return Spec{}, fmt.Errorf("engine %q: %s; the form is name[:inner][,key=value…]", s, fmt.Sprintf(format, a...))
	}
	head, rest, more := strings.Cut(s, ",")
	var spec Spec
	for i, name := range strings.Split(head, ":") {
		switch {
		case name == "":
			return fail("a name is missing")
		case !isName(name):
			return fail("%q is not a name (lower-case letters, digits and hyphens)", name)
		case i == 0:
			spec.Name = name
		case spec.Inner == "":
			spec.Inner = name
		default:
			spec.Inner += ":" + name
		}
	}
	if more {
		for setting, err := range settings.Each(rest) {
			switch {
			case err != nil:
				return fail("%v", err)
			case !isName(setting.Key):
				return fail("%q is not a key (lower-case letters, digits and hyphens)", setting.Key)
			}
			spec.Params = append(spec.Params, Param(setting))
		}
	}
	return spec, nil
}

// String is the Spec in the form that Parse reads.
func (s Spec) String() string {
	var b strings.Builder
	b.WriteString(s.Name)
	if s.Inner != "" {
		b.WriteString(":" + s.Inner)
	}
	for _, p := range s.Params {
		b.WriteString("," + p.Key + "=" + p.Value)
	}
	return b.String()
}

func isName(s string) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case c >= 'a' && c <= 'z':
		case i > 0 && (c >= '0' && c <= '9' || c == '-'):
		default:
			return false
		}
	}
	return s != ""
}
