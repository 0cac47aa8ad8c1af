package capacity

import (
	"fmt"
	"strings"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/dynobench/dyno/results"
)

// Judge holds l against the objective. It returns nil where the objective is
// empty, and an error only if the histogram of l cannot be read.
func (o Objective) Judge(l *results.Load) (*results.Objective, error) {
	if len(o.terms) == 0 {
		return nil, nil
	}
	h, err := results.DecodeHistogram(l.Histogram)
	if err != nil {
		return nil, err
	}
	verdict := &results.Objective{Text: o.String(), Met: true}
	for _, t := range o.terms {
		judged := results.Term{Text: t.text}
		seen, reason := t.see(l, h)
		if reason == "" && l.Requests == 0 && t.holds(seen) {
			reason = unanswered // nothing is kept by a server that answers nobody
		}
		if reason == "" {
			judged.Seen, judged.Met = &seen, t.holds(seen)
		}
		judged.Reason = reason
		verdict.Met = verdict.Met && judged.Met
		verdict.Terms = append(verdict.Terms, judged)
	}
	return verdict, nil
}

// isOpen tells whether a verdict is open: nothing that was seen breaks the
// objective, but not all of it was seen.
func isOpen(v *results.Objective) bool {
	open := false
	for _, t := range v.Terms {
		if t.Seen == nil {
			open = true
		} else if !t.Met {
			return false
		}
	}
	return open
}

func (t term) holds(seen float64) bool {
	switch {
	case t.strict && t.side() == "<":
		return seen < t.bound
	case t.strict:
		return seen > t.bound
	case t.side() == "<":
		return seen <= t.bound
	default:
		return seen >= t.bound
	}
}

// see returns the term's figure of l in its unit, or why there is none.
func (t term) see(l *results.Load, h *hdrhistogram.Histogram) (seen float64, reason string) {
	switch t.figure {
	case failures:
		if due(l) == 0 {
			return 0, nothingDue
		}
		return 100 * float64(l.Errors.Total()) / float64(due(l)), ""
	case rate:
		switch {
		case l.DurationS <= 0:
			return 0, "the window was empty"
		case !t.share:
			return l.ThroughputRPS, ""
		case l.RateRPS <= 0:
			return 0, "a closed loop has no offered rate"
		}
		// What was due, and not the rate: chance alone makes a Poisson schedule
		// offer a few per cent more or fewer in a short window.
		if due(l) == 0 {
			return 0, nothingDue
		}
		return 100 * float64(l.Requests-l.Errors.Status-l.Errors.Body) / float64(due(l)), ""
	}
	if l.Requests == 0 {
		return 0, unanswered
	}
	if seen, reason = t.seeTime(l, h); reason == "" && t.holds(seen) && t.open(l) {
		return 0, fmt.Sprintf("at least %s, but %d requests were never answered", time.Duration(seen*1e3), neverAnswered(l))
	}
	return seen, reason
}

const (
	nothingDue = "nothing was due"
	unanswered = "no request was answered"
)

// due is how many requests were due and not cut short. Wrong answers are
// answers, the other failures are not.
func due(l *results.Load) int64 { return l.Requests + neverAnswered(l) }

func neverAnswered(l *results.Load) int64 { return l.Errors.Total() - l.Errors.Status - l.Errors.Body }

// open tells whether a figure that holds may be beyond the bound in truth. What
// was never answered counts with its age, or not at all: the figure is then the
// least that it can be, where it hangs on more than so many requests.
func (t term) open(l *results.Load) bool {
	missing := float64(neverAnswered(l)) / float64(due(l))
	switch t.figure {
	case maximum:
		return missing > 0
	case percentile:
		return missing > 1-levels[strings.TrimPrefix(t.name(), "service.")]/100
	}
	return missing > maxMissing
}

// maxMissing is the share of requests whose answer a mean can do without.
const maxMissing = 0.001

func (t term) seeTime(l *results.Load, h *hdrhistogram.Histogram) (us float64, reason string) {
	if t.service {
		return t.seeService(l)
	}
	return t.seeLatency(h)
}

func (t term) seeLatency(h *hdrhistogram.Histogram) (us float64, reason string) {
	n := h.TotalCount()
	switch {
	case n == 0:
		return 0, "no request has a latency"
	case t.figure == mean:
		return h.Mean() / 1e3, ""
	case t.figure == maximum:
		return float64(h.Max()) / 1e3, ""
	}
	us, ok := results.Percentile(h, levels[t.name()])
	if !ok {
		return 0, t.tooFew(n)
	}
	return us, ""
}

// seeService takes the quantiles of l, which holds no histogram of them.
func (t term) seeService(l *results.Load) (us float64, reason string) {
	q := l.ServiceUS
	switch strings.TrimPrefix(t.name(), "service.") {
	case "p50":
		us = q.P50
	case "p90":
		us = q.P90
	case "p99":
		us = q.P99
	case "p99.9":
		us = q.P999
	case "mean":
		us = q.Mean
	case "max":
		us = q.Max
	}
	switch {
	case us > 0:
		return us, ""
	case t.figure == percentile && l.Requests > 0:
		return 0, t.tooFew(l.Requests)
	}
	return 0, "no request has a service time"
}

func (t term) tooFew(n int64) string {
	name := strings.TrimPrefix(t.name(), "service.")
	return fmt.Sprintf("%d requests are too few for %s, which needs %d", n, name, results.SamplesFor(levels[name]))
}
