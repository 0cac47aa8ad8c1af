package report

import (
	"bytes"
	"math"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dynobench/dyno/internal/format"
	"github.com/dynobench/dyno/internal/testkit"
	"github.com/dynobench/dyno/results"
)

// sample is a result with all that a summary can show.
func sample(t *testing.T, answers int) *results.Load {
	t.Helper()
	rng := rand.New(rand.NewPCG(7, 8))
	latency, service := results.NewHistogram(), results.NewHistogram()
	for range answers {
		ns := 300e3 * math.Exp(0.4*rng.NormFloat64())
		results.RecordNS(service, int64(ns))
		if rng.Float64() < 0.004 {
			ns += 80e6 * rng.Float64()
		}
		results.RecordNS(latency, int64(ns))
	}
	encoded, err := results.EncodeHistogram(latency)
	if err != nil {
		t.Fatal(err)
	}
	n := int64(answers)
	return &results.Load{
		URL: "http://127.0.0.1:8000/hello", Generator: "native", Transport: "epoll", Model: "open", Arrivals: "poisson",
		Connections: 64, Threads: 2, RateRPS: 10000, WarmupS: 0.94, DurationS: 10, Requests: n, BytesRead: 157 * n,
		ThroughputRPS: float64(n-17) / 10, Errors: results.Errors{Timeout: 4, Status: 17, Unsent: 1203},
		LatencyUS: results.QuantilesOf(latency), ServiceUS: results.QuantilesOf(service), SendLagUS: results.Quantiles{P50: 1.5, P90: 3, P95: 6, P99: 44, P999: 79e3, Max: 81e3},
		GeneratorCPUUSPerRequest: 7.12, GeneratorCPUUtilisation: 0.41, Histogram: encoded,
		Classes: []results.ClassStats{
			{Class: "fast", LatencyUS: results.QuantilesOf(service)},
			{Class: "a-class-whose-name-is-much-too-long-for-any-table", LatencyUS: results.QuantilesOf(latency)},
		},
		Series:     []results.Point{{TS: 0, Backlog: 3}, {TS: 0.1, Backlog: 1530}, {TS: 0.2, Backlog: 1203}},
		Connection: results.Fairness{Min: 0, P50: 1560, Max: 1602, Starved: 2, Jain: 0.9688}, Reconnects: 1204, Resent: 1, Cut: 12,
		WholeRun: results.WholeRun{Sent: 110020, Answered: 110000, Again: 1, Failed: 4, Cut: 15},
		Groups: []results.Group{
			{Name: "idle", Kind: "idle", Connections: 1000, Opened: 1000, Closed: 12},
			{Name: "slowloris", Kind: "slow-send", Connections: 50, Opened: 61, Refused: 3, Requests: 412, Errors: 9, LatencyUS: results.Quantiles{P50: 1.2e6, P99: 4e6}},
		},
		Objective: &results.Objective{Text: "p99<10ms,errors<0.1%,rate>9000,p99.9<1s", Terms: []results.Term{
			{Text: "p99<10ms", Seen: ref(1234.0), Met: true}, {Text: "errors<0.1%", Seen: ref(1.23)},
			{Text: "rate>9000", Seen: ref(9987.0), Met: true}, {Text: "p99.9<1s", Reason: "too few samples tell"},
		}},
		Warnings: []results.Warning{
			{Code: "errors", Message: "1224 of 100000 requests failed (timeout 4, status 17, the last one 503)", Hint: "request that path by hand and look at the response: is it an error, a redirect?", Invalid: true},
			{Code: "stalled", Message: "nobody was answered for 1.21 s, from 3.40 s into the window on, where a request usually takes 300µs: the latencies of the requests due in that time include it", Hint: "see what the server waits for, or use a quieter host", Invalid: true},
			{Code: "saturated", Message: "1.2 % of the requests due were never sent, since all 64 connections were busy", Hint: "the server is past its limit; to measure its latency below the limit, use a lower rate or more connections"},
		},
	}
}

func ref(v float64) *float64 { return &v }

// The summary at both ends of what terminals have, and for one that knows
// nothing but ASCII.
func TestLoadTextGolden(t *testing.T) {
	for _, c := range []struct {
		name    string
		answers int
		width   int
		plain   bool
	}{
		{"load-80", 100000, 80, false}, {"load-200", 100000, 200, false}, {"load-80-ascii", 100000, 80, true},
	} {
		var b bytes.Buffer
		if err := Load(&b, sample(t, c.answers), c.width, c.plain); err != nil {
			t.Fatal(err)
		}
		testkit.Golden(t, filepath.Join("testdata", c.name+".txt"), b.Bytes())
		for line := range strings.Lines(b.String()) {
			if format.Width(strings.TrimRight(line, "\n")) > c.width {
				t.Errorf("%s: wider than the terminal: %s", c.name, line)
			}
			if i := strings.IndexFunc(line, func(r rune) bool { return r > 126 }); c.plain && i >= 0 {
				t.Errorf("%s: not ASCII: %s", c.name, line)
			}
		}
	}
}

// A short run has no figures where the samples run out, and no plot.
func TestLoadTextOfLittle(t *testing.T) {
	l := &results.Load{URL: "unix:/run/s.sock", Model: "closed", Connections: 1, Threads: 1, DurationS: 1, Requests: 2, LatencyUS: results.Quantiles{Max: 12}}
	h := results.NewHistogram()
	results.RecordNS(h, 12000)
	l.Histogram, _ = results.EncodeHistogram(h)
	var b bytes.Buffer
	if err := Load(&b, l, 80, false); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"closed loop, 1 connection, 1 thread", "no errors", "p99.9", "–"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("%q is missing in\n%s", want, b.String())
		}
	}
	for _, not := range []string{"by percentile", "fairness", "backlog", "objective", "p99.99", "send lag", "NaN"} {
		if strings.Contains(b.String(), not) {
			t.Errorf("%q is in\n%s", not, b.String())
		}
	}
}

// What a closed loop's percentiles lack is said once.
func TestLoadTextCaveat(t *testing.T) {
	for model, want := range map[string]int{"closed": 1, "open": 0} {
		l := sample(t, 5000)
		l.Model = model
		var b bytes.Buffer
		if err := Load(&b, l, 80, false); err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(b.String(), "a stall counts once"); n != want {
			t.Errorf("%s loop: the caveat stands %d times, want %d, in\n%s", model, n, want, b.String())
		}
	}
}

// Where nothing was answered there are no figures to lay out.
func TestLoadTextOfNothing(t *testing.T) {
	l := &results.Load{URL: "https://127.0.0.1/", Model: "closed", Connections: 2, Threads: 1, DurationS: 1, Errors: results.Errors{Read: 7}, GeneratorCPUUtilisation: 0.41}
	l.Histogram, _ = results.EncodeHistogram(results.NewHistogram())
	var b bytes.Buffer
	if err := Load(&b, l, 80, false); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(b.String(), "errors: read 7") || !strings.Contains(b.String(), "generator    busiest thread 41 % busy") {
		t.Error(b.String())
	}
	for _, not := range []string{"latency", "p50", "per request", "NaN"} {
		if strings.Contains(b.String(), not) {
			t.Errorf("%q is in\n%s", not, b.String())
		}
	}
}

// The plot keeps its size, whatever the distribution.
func TestPercentilePlot(t *testing.T) {
	for name, value := range map[string]func(i int) int64{
		"even":   func(i int) int64 { return int64(i+1) * 1000 },
		"one":    func(int) int64 { return 250e3 },
		"steps":  func(i int) int64 { return []int64{1e3, 1e6, 1e9}[i%3] },
		"widest": func(i int) int64 { return int64(1) << (i % 41) },
	} {
		for _, n := range []int{100, 5000, 2000000} {
			h := results.NewHistogram()
			for i := range min(n, 5000) {
				results.RecordManyNS(h, value(i), int64(max(1, n/5000)))
			}
			for _, width := range []int{80, 100} {
				for _, plain := range []bool{false, true} {
					plot := percentilePlot(h, width, plain)
					if lines := strings.Count(plot, "\n"); lines != plotRows+2 {
						t.Fatalf("%s, %d answers: %d lines\n%s", name, n, lines, plot)
					}
					for line := range strings.Lines(plot) {
						if format.Width(strings.TrimRight(line, "\n")) > width {
							t.Errorf("%s, %d answers: wider than %d\n%s", name, n, width, plot)
						}
					}
					if !strings.Contains(plot, "p90") {
						t.Errorf("%s, %d answers\n%s", name, n, plot)
					}
				}
			}
		}
	}
}

func TestLatencyTicksHoldTheRange(t *testing.T) {
	for lo := 0.001; lo < 1e7; lo *= 3.7 {
		for _, ratio := range []float64{1, 1.5, 4, 30, 1e3, 1e6} {
			ticks := latencyTicks(lo, lo*ratio)
			if len(ticks) < 2 || ticks[0] > lo*(1+1e-9) || ticks[len(ticks)-1] < lo*ratio*(1-1e-9) || len(ticks) > 9 {
				t.Errorf("%v to %v: %v", lo, lo*ratio, ticks)
			}
		}
	}
}
