package engines

import (
	"fmt"
	"runtime"
	"strings"
	"time"

	"github.com/dynobench/dyno/internal/number"
	"github.com/dynobench/dyno/internal/suggest"
)

// Knob is one setting of an engine as the catalog shows it. It has either values
// to try or a reason why there are none.
type Knob struct {
	Key     string   `json:"key"`
	Default string   `json:"default"`
	Doc     string   `json:"doc"`             // what it sets, and what values there are
	Sweep   []string `json:"sweep,omitempty"` // what is worth trying in search of speed, in the form of Try
	Fixed   string   `json:"fixed,omitempty"` // why nothing is: what it decides instead
}

// CPUs is the value of an integer setting that stands for Processors.
const CPUs = "cpus"

// Processors is how many processors the Go runtime uses.
func Processors() int { return runtime.GOMAXPROCS(0) }

// Params gives an engine its settings. The first fault found, an unknown key
// or a value that does not fit, is kept for Err; getters then go on with
// values that fit, so that a constructor reads all and asks once.
type Params struct {
	spec  Spec
	knobs []Knob
	err   error
}

// NewParams returns the settings in spec for an engine that has these knobs.
func NewParams(spec Spec, knobs []Knob) *Params {
	p := &Params{spec: spec, knobs: knobs}
	for _, s := range spec.Params {
		if !has(knobs, s.Key) {
			p.fail(suggest.Unknown("key", s.Key, keys(knobs)))
			break
		}
	}
	return p
}

// Split divides the settings of a spec with an inner engine: own are those
// with one of the knobs given, the others make up inner.
func (s Spec) Split(knobs []Knob) (own, inner Spec) {
	own = Spec{Name: s.Name}
	head, rest, _ := strings.Cut(s.Inner, ":")
	inner = Spec{Name: head, Inner: rest}
	for _, p := range s.Params {
		if has(knobs, p.Key) {
			own.Params = append(own.Params, p)
		} else {
			inner.Params = append(inner.Params, p)
		}
	}
	return own, inner
}

// Int is the integer setting key, which must lie between least and most. CPUs
// is the number of processors that the Go runtime uses.
func (p *Params) Int(key string, least, most int) int {
	v := p.value(key)
	if v == CPUs {
		return min(max(Processors(), least), most)
	}
	n, err := number.Whole(v)
	switch {
	case err != nil:
		p.fail(fmt.Errorf("%s=%s: %w", key, v, err))
	case n < uint64(least) || n > uint64(most):
		p.fail(fmt.Errorf("%s=%s: must be between %d and %d", key, v, least, most))
	default:
		return int(n)
	}
	return least
}

// Duration is the setting key, a time such as 1ms, which must lie between
// least and most.
func (p *Params) Duration(key string, least, most time.Duration) time.Duration {
	v := p.value(key)
	d, err := number.Duration(v)
	switch {
	case err != nil:
		p.fail(fmt.Errorf("%s=%s: %w", key, v, err))
	case d < least || d > most:
		p.fail(fmt.Errorf("%s=%s: must be between %v and %v", key, v, least, most))
	default:
		return d
	}
	return least
}

// Choice is the setting key, which must be one of the choices.
func (p *Params) Choice(key string, choices ...string) string {
	v := p.value(key)
	for _, c := range choices {
		if v == c {
			return v
		}
	}
	p.fail(suggest.Unknown("value of "+key, v, choices))
	return choices[0]
}

// Err is the first fault found, nil if all is well.
func (p *Params) Err() error {
	if p.err == nil {
		return nil
	}
	return fmt.Errorf("engine %s: %w", p.spec.Name, p.err)
}

func (p *Params) fail(err error) {
	if p.err == nil {
		p.err = err
	}
}

// value is the text of a setting. To ask for one without a knob is a mistake
// of the engine's.
func (p *Params) value(key string) string {
	for _, s := range p.spec.Params {
		if s.Key == key {
			return s.Value
		}
	}
	for _, k := range p.knobs {
		if k.Key == key {
			return k.Default
		}
	}
	panic("engines: " + p.spec.Name + " asks for " + key + ", which is none of its knobs")
}

func has(knobs []Knob, key string) bool {
	for _, k := range knobs {
		if k.Key == key {
			return true
		}
	}
	return false
}

func keys(knobs []Knob) []string {
	s := make([]string, len(knobs))
	for i, k := range knobs {
		s[i] = k.Key
	}
	return s
}
