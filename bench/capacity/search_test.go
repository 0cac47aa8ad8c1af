package capacity

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dynobench/dyno/results"
)

// A host is a simulated server with its generator and its clock: probes take
// the time that they say.
type host struct {
	*rand.Rand
	clock     time.Time
	latency   func(r *rand.Rand, rate float64) (ns []int64) // of the answers of a window of a second
	closed    float64                                       // requests/s of the closed loop
	generator float64                                       // requests/s from which the generator is the limit; 0 is never
	spoil     func(*rand.Rand) bool                         // by the host
	asked     []Ask
	stop      func()
	stopAfter int
}

func newHost(seed uint64) *host {
	return &host{Rand: rand.New(rand.NewPCG(seed, 1)), clock: time.Unix(0, 0), closed: 1000, latency: func(*rand.Rand, float64) []int64 { return nil }}
}

func (h *host) now() time.Time { return h.clock }

func (h *host) probe(_ context.Context, a Ask) (*results.Load, error) {
	h.asked = append(h.asked, a)
	h.clock = h.clock.Add(a.Warmup + a.Window + 20*time.Millisecond)
	l := &results.Load{
		URL: "http://simulated/", Generator: "native", Arrivals: "poisson", Connections: 64, Threads: 1,
		RateRPS: a.Rate, WarmupS: a.Warmup.Seconds(), DurationS: a.Window.Seconds(), Valid: true,
		Interrupted: h.stopAfter > 0 && len(h.asked) > h.stopAfter,
	}
	if l.Interrupted {
		h.stop()
	}
	hist := results.NewHistogram()
	rate := a.Rate
	if rate == 0 {
		rate = h.closed
		l.Requests = int64(rate * l.DurationS)
	} else {
		for left := l.DurationS; left > 0; left-- {
			all := h.latency(h.Rand, rate)
			for _, ns := range all[:int(float64(len(all))*min(left, 1))] {
				results.RecordNS(hist, ns)
				l.Requests++
			}
		}
	}
	l.ThroughputRPS = float64(l.Requests) / l.DurationS
	l.LatencyUS = results.QuantilesOf(hist)
	if h.generator > 0 && rate > h.generator {
		l.GeneratorCPUUtilisation = 1
		l.ThroughputRPS = h.generator
		l.Warn(results.Warning{Code: results.CodeGeneratorBound, Invalid: true})
	}
	if h.spoil != nil && h.spoil(h.Rand) {
		l.Warn(results.Warning{Code: results.CodeSendLag, Invalid: true})
	}
	var err error
	l.Histogram, err = results.EncodeHistogram(hist)
	return l, err
}

// step answers within 1 ms below the limit, and within 100 ms from there on.
func step(limit float64) func(*rand.Rand, float64) []int64 {
	return func(_ *rand.Rand, rate float64) []int64 {
		ns := make([]int64, int(rate))
		for i := range ns {
			ns[i] = 1e6
			if rate >= limit {
				ns[i] = 100e6
			}
		}
		return ns
	}
}

// md1 answers like a queue that goes on for a second from being empty.
func md1(service float64) func(*rand.Rand, float64) []int64 {
	return func(r *rand.Rand, rate float64) []int64 {
		var ns []int64
		at, free := -0.2, -1.0
		for at < 1 {
			at += r.ExpFloat64() / rate
			free = max(at, free) + service
			if at >= 0 {
				ns = append(ns, int64((free-at)*1e9))
			}
		}
		return ns
	}
}

func goal(t *testing.T, text string) Objective {
	t.Helper()
	o, err := ParseObjective(text)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func (h *host) config(t *testing.T, slo string) Config {
	return Config{Objective: goal(t, slo), Probe: h.probe, Budget: time.Minute, Seed: 1, Now: h.now}
}

// TestSearchMD1 runs whole searches against the queue that the figures use,
// and holds limit and curve against theory.
func TestSearchMD1(t *testing.T) {
	const service, limit = 250e-6, 5e-3
	want := MD1Rate(service, 99, limit)
	held := 0
	for seed := range uint64(8) {
		h := newHost(seed)
		h.closed, h.latency = 4000, md1(service)
		c, err := Search(t.Context(), h.config(t, "p99<5ms"))
		if err != nil {
			t.Fatal(err)
		}
		if off := math.Abs(c.CapacityRPS/want - 1); off > 0.06 {
			t.Errorf("seed %d: found %.0f/s, want %.0f/s", seed, c.CapacityRPS, want)
		}
		if c.Interval.LowRPS <= want && want <= c.Interval.HighRPS {
			held++
		}
		if c.DurationS > 60 || h.now().Sub(time.Unix(0, 0)) > time.Minute {
			t.Errorf("seed %d: took %v s of 60", seed, c.DurationS)
		}
		windows := 0
		for i, p := range c.Points {
			windows += p.Windows
			if i > 0 && p.RateRPS <= c.Points[i-1].RateRPS {
				t.Errorf("the curve goes back from %v to %v", c.Points[i-1].RateRPS, p.RateRPS)
			}
			load := p.RateRPS * service
			within := 0.1 // a window of the busier ones has the chance of few busy periods in it
			if load > 0.6 {
				within = 0.3
			}
			if mean := MD1Mean(load) * service * 1e6; load <= 0.8 && math.Abs(p.LatencyUS.Mean/mean-1) > within {
				t.Errorf("seed %d: mean of %.0f µs at %.0f %% load, want %.0f µs", seed, p.LatencyUS.Mean, 100*load, mean)
			}
		}
		if n := len(c.Points); n < 11 || c.Points[0].RateRPS > 0.12*want || c.Points[n-1].RateRPS < 1.05*want {
			t.Errorf("seed %d: %d points from %v to %v", seed, n, c.Points[0].RateRPS, c.Points[n-1].RateRPS)
		}
		if windows+closedTries != len(c.Probes) {
			t.Errorf("seed %d: %d windows in the points, but %d probes", seed, windows, len(c.Probes))
		}
		if k := c.Knee.RateRPS * service; k < 0.4 || k > 0.75 { // 0.59, and flat
			t.Errorf("seed %d: knee at a load of %.2f", seed, k)
		}
	}
	if held < 6 {
		t.Errorf("the interval of 95 %% held the limit in %d of 8 searches", held)
	}
}

func TestSearchIsSeeded(t *testing.T) {
	run := func(seed uint64) []results.Probe {
		h := newHost(1)
		h.latency = step(700)
		cfg := h.config(t, "p50<10ms")
		cfg.Seed = seed
		c, err := Search(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		return c.Probes
	}
	a, b, other := run(5), run(5), run(6)
	seeds := map[uint64]bool{}
	for i := range a {
		if a[i].Seed != b[i].Seed || a[i].RateRPS != b[i].RateRPS {
			t.Fatalf("probe %d differs between two searches of the same seed", i)
		}
		seeds[a[i].Seed] = true
	}
	if len(seeds) != len(a) || a[0].Seed == other[0].Seed {
		t.Error("two probes have the same seed")
	}
}

func TestSearchEnds(t *testing.T) {
	for _, c := range []struct {
		name string
		slo  string
		host func(*host)
		// what it finds
		low, high float64
		atLeast   bool
		code      string
	}{
		{"a plain limit", "p99<10ms", func(h *host) { h.latency = step(640) }, 630, 650, false, ""},
		{"far below the closed loop", "p90<10ms", func(h *host) { h.latency = step(60) }, 57, 63, false, ""},
		{"above the closed loop", "p99<10ms", func(h *host) { h.latency = step(1900) }, 1850, 1950, false, ""},
		{"the generator's limit", "p99<10ms", func(h *host) { h.generator, h.latency = 800, step(5000) }, 600, 800, true, results.CodeAtLeast},
		{"a closed loop beyond the generator", "p99<10ms", func(h *host) { h.generator, h.latency = 990, step(700) }, 690, 710, false, ""},
		{"never", "p99<10ms", func(h *host) { h.latency = step(0) }, 0, 0, false, results.CodeNeverKept},
		{"never, and plenty of requests", "p50<10ms", func(h *host) { h.latency = step(0) }, 0, 0, false, results.CodeNeverKept},
		{"too few for the percentile", "p99.99<10ms", func(h *host) { h.latency = step(600) }, 0, 0, false, results.CodeTooSlow},
		{"a disturbed host", "p99<10ms", func(h *host) {
			h.latency, h.spoil = step(640), func(r *rand.Rand) bool { return r.Float64() < 0.4 }
		}, 620, 660, false, results.CodeSpoiled},
		{"kept in a band", "p90<10ms", func(h *host) { // batches: slow at low load as well
			h.latency = func(r *rand.Rand, rate float64) []int64 {
				if rate < 200 {
					return step(0)(r, rate)
				}
				return step(640)(r, rate)
			}
		}, 630, 650, false, results.CodeNotMonotone},
		{"errors", "errors<1%,p99<1s", func(h *host) { h.latency = step(640) }, 1000, 4000, true, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newHost(3)
			c.host(h)
			got, err := Search(t.Context(), h.config(t, c.slo))
			if err != nil {
				t.Fatal(err)
			}
			if c.name == "errors" { // nothing limits it: the search ends at the top of its grid
				if got.CapacityRPS < c.low {
					t.Errorf("found %.0f/s where nothing fails", got.CapacityRPS)
				}
				return
			}
			if got.CapacityRPS < c.low || got.CapacityRPS > c.high || got.AtLeast != c.atLeast {
				t.Errorf("found %.1f/s (at least: %v), want %v to %v (%v); warnings %v", got.CapacityRPS, got.AtLeast, c.low, c.high, c.atLeast, got.Warnings)
			}
			if c.code != "" && !code(got, c.code) || c.code == "" && len(got.Warnings) > 0 {
				t.Errorf("warnings %v, want %q", got.Warnings, c.code)
			}
			for _, p := range got.Probes {
				if p.Verdict == results.VerdictSpoiled && p.Valid {
					t.Errorf("a probe that counts is called spoiled: %+v", p)
				}
			}
		})
	}
}

// TestSearchStops: what was measured before Ctrl-C, or a failure, is there.
func TestSearchStops(t *testing.T) {
	h := newHost(1)
	h.latency = step(640)
	ctx, cancel := context.WithCancel(t.Context())
	h.stop, h.stopAfter = cancel, 6
	c, err := Search(ctx, h.config(t, "p99<10ms"))
	if err != nil || !c.Interrupted || len(c.Probes) != 6 || len(c.Points) == 0 || c.CapacityRPS == 0 {
		t.Errorf("interrupted: %v, %+v", err, c)
	}

	h = newHost(1)
	h.latency = step(640)
	cfg := h.config(t, "p99<10ms")
	gone := errors.New("connection refused")
	cfg.Probe = func(ctx context.Context, a Ask) (*results.Load, error) {
		if len(h.asked) == 4 {
			return nil, gone
		}
		return h.probe(ctx, a)
	}
	if c, err = Search(t.Context(), cfg); err != nil || len(c.Probes) != 4 || c.CapacityRPS != 0 || !code(c, results.CodeDied) || !strings.Contains(c.Warnings[0].Message, gone.Error()) {
		t.Errorf("died: %v, %+v", err, c)
	}
	cfg.Probe = func(context.Context, Ask) (*results.Load, error) { return nil, gone }
	if c, err = Search(t.Context(), cfg); !errors.Is(err, gone) || c != nil {
		t.Errorf("failed at once: %v, %+v", err, c)
	}
	h = newHost(1)
	h.closed = 0
	if c, err = Search(t.Context(), h.config(t, "p99<10ms")); err != nil || !code(c, results.CodeNoAnswers) || len(c.Points) > 0 {
		t.Errorf("a server without answers: %v, %+v", err, c)
	}
	if _, err = Search(t.Context(), Config{Probe: h.probe, Budget: time.Second}); err == nil {
		t.Error("a search without an objective began")
	}
}

// What a survey finds of a server that gives it nothing to measure has a name
// each.
func TestNothingToMeasure(t *testing.T) {
	for name, test := range map[string]struct {
		change func(a Ask, l *results.Load)
		search string // what a search says, "" if it says nothing
		sweep  string
	}{
		"hung":           {func(_ Ask, l *results.Load) { l.Requests, l.ThroughputRPS, l.Errors.Timeout = 0, 0, 64 }, results.CodeNoAnswers, results.CodeNoAnswers},
		"answers 503":    {func(_ Ask, l *results.Load) { l.ThroughputRPS, l.Errors.Status = 0, l.Requests }, results.CodeAllErrors, results.CodeAllErrors},
		"resets":         {func(_ Ask, l *results.Load) { l.Requests, l.ThroughputRPS, l.Errors.Read = 0, 0, 64 }, results.CodeAllErrors, results.CodeAllErrors},
		"takes 3 s each": {func(_ Ask, l *results.Load) { l.LatencyUS.Min = 3e6 }, results.CodeTooSlow, ""},
		"hangs at 700": {func(a Ask, l *results.Load) {
			if a.Rate >= 700 {
				l.Requests, l.ThroughputRPS, l.Errors.Timeout = 0, 0, 700
				l.Warn(results.Warning{Code: results.CodeNoAnswers, Invalid: true})
			}
		}, "", results.CodeNoAnswers},
		"well": {func(Ask, *results.Load) {}, "", ""},
	} {
		h := newHost(1)
		h.latency = step(640)
		cfg := h.config(t, "p99<10ms")
		cfg.Probe = func(ctx context.Context, a Ask) (*results.Load, error) {
			l, err := h.probe(ctx, a)
			if err == nil {
				test.change(a, l)
			}
			return l, err
		}
		c, err := Search(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		if said := said(c); said != test.search || (test.search != "") != (c.CapacityRPS == 0) {
			t.Errorf("%s: a search says %q, wanted %q; capacity %v, %+v", name, said, test.search, c.CapacityRPS, c.Warnings)
		}
		if c, err = Sweep(t.Context(), cfg, []float64{100, 700}); err != nil || said(c) != test.sweep {
			t.Errorf("%s: a sweep says %v %q, wanted %q", name, err, said(c), test.sweep)
		}
	}
}

// said is the first code that c has about a server that gave nothing to measure.
func said(c *results.Capacity) string {
	for _, w := range c.Warnings {
		if w.Code == results.CodeTooSlow || slices.Contains(Failures, w.Code) {
			return w.Code
		}
	}
	return ""
}

func TestSweep(t *testing.T) {
	h := newHost(1)
	h.latency = step(640)
	h.spoil = func(*rand.Rand) bool { return len(h.asked)%3 == 2 } // the second try of …
	cfg := h.config(t, "p99<10ms")
	cfg.Window = 2 * time.Second
	c, err := Sweep(t.Context(), cfg, []float64{500, 700, 100})
	if err != nil {
		t.Fatal(err)
	}
	var rates []float64
	for _, p := range c.Points {
		rates = append(rates, p.RateRPS)
		if p.Windows != 1 || !p.Valid || p.DurationS != 2 {
			t.Errorf("point %+v", p)
		}
	}
	if len(rates) != 3 || rates[0] != 100 || rates[2] != 700 || c.CapacityRPS != 0 || c.Interval != nil || len(c.Probes) != 4 {
		t.Errorf("rates %v, %d probes: %+v", rates, len(c.Probes), c)
	}
	if kept := c.Points[1].Objective; kept == nil || !kept.Met {
		t.Errorf("500/s: %+v", kept)
	}
	if missed := c.Points[2].Objective; missed == nil || missed.Met {
		t.Errorf("700/s: %+v", missed)
	}
	if few := c.Points[0].Objective; few == nil || few.Met || few.Terms[0].Reason == "" {
		t.Errorf("100/s has too few for p99: %+v", few)
	}
	cfg.Objective = Objective{}
	h.spoil = nil
	if c, err = Sweep(t.Context(), cfg, []float64{500}); err != nil || c.Points[0].Objective != nil || c.Objective != "" {
		t.Errorf("without an objective: %v, %+v", err, c)
	}
}

// The knee is where power is highest, if the curve goes beyond it.
func TestKnee(t *testing.T) {
	curve := func(means ...float64) (points []results.CapacityPoint) {
		for i, mean := range means {
			rate := 100 * float64(i+1)
			points = append(points, results.CapacityPoint{RateRPS: rate, ThroughputRPS: rate, Valid: true, LatencyUS: results.Quantiles{Mean: mean}})
		}
		return points
	}
	invalid := curve(50, 60, 70, 300)
	invalid[3].Valid = false
	for name, c := range map[string]struct {
		points []results.CapacityPoint
		want   float64
	}{
		"within":             {curve(50, 60, 70, 300), 300},
		"at the beginning":   {curve(50, 150, 300), 100},
		"beyond":             {curve(50, 60, 70, 80), 0},
		"beyond what counts": {invalid, 0},
		"too few":            {curve(50, 150), 0},
		"none":               {nil, 0},
	} {
		got := 0.0
		if k := knee(c.points); k != nil {
			got = k.RateRPS
		}
		if got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}
