package doctor

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/dynobench/dyno/internal/format"
	"github.com/dynobench/dyno/results"
)

// A point is one quantile of a freeze test beside what it has to be.
type point struct {
	name      string
	got, want time.Duration
	slack     time.Duration // that the bound allows
}

// compared is a freeze test held against its answer.
type compared struct {
	points []point
	worst  float64 // |got/want − 1| of the points within the freeze, at most
	missed int64   // requests that were due and are nowhere
}

// quantiles of a freeze test: with a quarter of the window frozen the first is
// of the calm requests, the rest of those that waited.
var quantiles = []struct {
	name string
	q    float64
}{{"p50", 0.5}, {"p90", 0.9}, {"p95", 0.95}, {"p99", 0.99}, {"max", 1}}

// frozen compares a freeze test with its answer. What is calm, and how noisy
// that is, comes from the run at the same rate without a freeze; what a request
// costs while the backlog is answered, from the ceiling.
func frozen(s *seen, m *measurements) compared {
	var c compared
	l := &s.Load
	h, err := results.DecodeHistogram(l.Histogram)
	if err != nil || len(m.pacing) == 0 {
		return c
	}
	quiet, err := results.DecodeHistogram(m.pacing[0].Load.Histogram)
	if err != nil || quiet.TotalCount() == 0 {
		return c
	}
	calm := func(q float64) time.Duration { return at(quiet, q) }
	f := Freeze{Rate: l.RateRPS, Window: time.Duration(l.DurationS * 1e9), Length: s.frozen}
	if ceiling := m.calibration().CeilingRPS; ceiling > 0 {
		f.Cost = time.Duration(1e9 / ceiling)
	}
	c.missed = int64(math.Round(f.Rate*f.Window.Seconds())) - l.Requests - l.Errors.Total()
	for _, q := range quantiles {
		p := point{name: q.name, got: at(h, q.q), want: f.Quantile(q.q, calm)}
		p.slack = time.Duration(freezeOff*float64(p.want)) + calm(0.99) + s.unsure
		if q.q > 1-f.Share() {
			c.worst = max(c.worst, math.Abs(float64(p.got)/float64(p.want)-1))
		}
		c.points = append(c.points, p)
	}
	return c
}

// at is a quantile of a histogram.
func at(h *hdrhistogram.Histogram, q float64) time.Duration {
	return time.Duration(h.ValueAtQuantile(100 * q))
}

// bad tells whether the answer is wrong: a quantile off by more than the bound
// and the host's noise together, or requests lost.
func (c compared) bad() bool {
	for _, p := range c.points {
		if (p.got - p.want).Abs() > p.slack {
			return true
		}
	}
	return len(c.points) == 0 || c.missed > 1 || c.missed < -1
}

// String lists what was seen and what it has to be.
func (c compared) String() string {
	var parts []string
	for _, p := range c.points {
		parts = append(parts, fmt.Sprintf("%s %s for %s", p.name, format.Duration(us(p.got)), format.Duration(us(p.want))))
	}
	text := strings.Join(parts, ", ")
	if c.missed > 1 || c.missed < -1 {
		text += fmt.Sprintf("; %d more requests were due than are accounted for", c.missed)
	}
	return text
}

// p90 is of those that waited.
func (c compared) p90() time.Duration {
	for _, p := range c.points {
		if p.name == "p90" {
			return p.got
		}
	}
	return 0
}
