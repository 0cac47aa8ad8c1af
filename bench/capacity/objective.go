package capacity

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dynobench/dyno/internal/number"
	"github.com/dynobench/dyno/internal/suggest"
	"github.com/dynobench/dyno/results"
)

// An Objective is a list of bounds on a run of the generator, such as
// "p99<10ms,errors<0.1%". It is kept if each of its terms is. What too few samples
// tell is not guessed: such a term is not met, and says why. The zero value asks
// for nothing.
type Objective struct{ terms []term }

// A term bounds one figure of a run.
type term struct {
	text    string
	figure  figure
	service bool    // counted from when a request was sent
	strict  bool    // < or >, without equality
	bound   float64 // µs, per cent or requests/s
	share   bool    // rate: the bound is in per cent of the rate offered
}

type figure int

const (
	percentile figure = iota
	mean
	maximum
	failures
	rate
)

// levels are the percentiles that an objective can name.
var levels = map[string]float64{"p50": 50, "p90": 90, "p95": 95, "p99": 99, "p99.9": 99.9, "p99.99": 99.99}

// known are the figures that a term can name, for messages.
var known = []string{
	"p50", "p90", "p95", "p99", "p99.9", "p99.99", "mean", "max", "errors", "rate",
	"service.p50", "service.p90", "service.p99", "service.p99.9", "service.mean", "service.max",
}

// objectiveForms shows what a term looks like, for usage texts.
const objectiveForms = "p99<10ms, mean<=2ms, max<1s, service.p99<5ms, errors<0.1%, rate>5000, rate>99%"

// ParseObjective reads terms separated by commas: a figure, one of < <= > >=, a bound.
// Latencies are bounded by a duration from above and count from when a request
// was due, those with "service." before them from when it was sent; errors by
// a share of all requests that were due; rate, of right answers, from below by
// requests per second or by a share of the rate that is offered.
func ParseObjective(text string) (Objective, error) {
	var o Objective
	for part := range strings.SplitSeq(text, ",") {
		part = strings.Join(strings.Fields(part), "")
		if part == "" {
			return Objective{}, fmt.Errorf("objective %q: a term is empty; terms look like %s", text, objectiveForms)
		}
		t, err := parseTerm(part)
		if err != nil {
			return Objective{}, fmt.Errorf("objective %q: %w", part, err)
		}
		for _, other := range o.terms {
			if other.name() == t.name() && other.share == t.share {
				return Objective{}, fmt.Errorf("objective %q: %s is bounded twice", text, t.name())
			}
		}
		o.terms = append(o.terms, t)
	}
	return o, nil
}

func parseTerm(text string) (term, error) {
	at := strings.IndexAny(text, "<>=")
	if at < 0 {
		return term{}, fmt.Errorf("no bound; terms look like %s", objectiveForms)
	}
	name, op := text[:at], text[at:at+1]
	value := text[at+1:]
	if strings.HasPrefix(value, "=") {
		op, value = op+"=", value[1:]
	}
	t := term{text: text, strict: len(op) == 1}
	figureName, isService := strings.CutPrefix(name, "service.")
	t.service = isService
	switch {
	case !slices.Contains(known, name):
		return term{}, suggest.Unknown("figure", name, known)
	case figureName == "mean":
		t.figure = mean
	case figureName == "max":
		t.figure = maximum
	case name == "errors":
		t.figure = failures
	case name == "rate":
		t.figure = rate
	}
	if want := t.side(); op != want && op != want+"=" {
		return term{}, fmt.Errorf("%s has to be bounded by %s or %s=, not %q", name, want, want, op)
	}
	var err error
	switch t.figure {
	case failures:
		t.bound, err = percent(value)
	case rate:
		if t.share = strings.HasSuffix(value, "%"); t.share {
			t.bound, err = percent(value)
		} else if t.bound, err = number.Decimal(value); err != nil {
			err = fmt.Errorf("%q: expected requests per second such as 5000, or a share of the rate offered such as 99%%", value)
		}
	default:
		t.bound, err = duration(value)
	}
	return t, err
}

// side is how the figure is bounded.
func (t term) side() string {
	if t.figure == rate {
		return ">"
	}
	return "<"
}

func (t term) name() string { return t.text[:strings.IndexAny(t.text, "<>=")] }

func duration(s string) (us float64, err error) {
	d, err := number.Duration(s)
	if err != nil || d == 0 {
		return 0, fmt.Errorf("%q: expected a time such as 10ms", s)
	}
	return float64(d) / 1e3, nil
}

func percent(s string) (float64, error) {
	digits, ok := strings.CutSuffix(s, "%")
	v, err := number.Decimal(digits)
	if !ok || err != nil || v > 100 {
		return 0, fmt.Errorf("%q: expected per cent, such as 0.1%%", s)
	}
	return v, nil
}

// String is the objective as ParseObjective reads it.
func (o Objective) String() string {
	texts := make([]string, len(o.terms))
	for i, t := range o.terms {
		texts[i] = t.text
	}
	return strings.Join(texts, ",")
}

// BoundsErrors tells whether the objective says how many requests may fail.
func (o Objective) BoundsErrors() bool {
	for _, t := range o.terms {
		if t.figure == failures {
			return true
		}
	}
	return false
}

// WithErrors returns the objective with a bound of 0.1 % on failed requests,
// the share from which a run is not valid. A server that refuses most requests
// may be quick about the others.
func (o Objective) WithErrors() Objective {
	t, err := parseTerm("errors<=0.1%")
	if err != nil {
		panic(err)
	}
	return Objective{append(append([]term(nil), o.terms...), t)}
}

// Samples is how many requests a run needs at least for every term to be
// judged.
func (o Objective) Samples() int64 {
	n := int64(1)
	for _, t := range o.terms {
		if t.figure == percentile {
			n = max(n, results.SamplesFor(levels[strings.TrimPrefix(t.name(), "service.")]))
		}
	}
	return n
}

// Longest returns the longest time that a term allows, 0 if there is none.
func (o Objective) Longest() time.Duration {
	us := 0.0
	for _, t := range o.terms {
		if t.figure <= maximum {
			us = max(us, t.bound)
		}
	}
	return time.Duration(us * 1e3)
}

// Bound returns the first bound on a latency from when a request was due, nil
// if there is none.
func (o Objective) Bound() *results.LatencyBound {
	for _, t := range o.terms {
		if t.figure <= maximum && !t.service {
			return &results.LatencyBound{Figure: t.name(), US: t.bound}
		}
	}
	return nil
}
