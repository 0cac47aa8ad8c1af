package load

import (
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/dynobench/dyno/results"
)

// judged is a recorder of 10000 answers in a window of a second.
func judged() *recorder {
	r := newRecorder(opened(0, 1000*ms), 1, 64)
	r.total, r.within = 10000, 10000
	return r
}

func TestJudge(t *testing.T) {
	closed := func() *results.Load {
		return &results.Load{Requests: 10000, DurationS: 1, LatencyUS: results.Quantiles{Mean: 6400, P99: 9000}, Connection: results.Fairness{Min: 1, P50: 150, Max: 160}}
	}
	steps := func(from, to int64) (points []results.Point) {
		for i := range int64(31) {
			points = append(points, results.Point{Done: from + (to-from)*i/30})
		}
		return points
	}
	for _, test := range []struct {
		name    string
		model   Model
		change  func(l *results.Load, r *recorder)
		code    string
		invalid bool
	}{
		{"clean", Closed, func(l *results.Load, r *recorder) {}, "", false},
		{"busy, closed", Closed, func(l *results.Load, r *recorder) { l.GeneratorCPUUtilisation = 0.98 }, CodeGeneratorBound, true},
		{"busy, but a closed loop is", Closed, func(l *results.Load, r *recorder) { l.GeneratorCPUUtilisation = 0.93 }, "", false},
		{"busy, open", Open, func(l *results.Load, r *recorder) { l.GeneratorCPUUtilisation = 0.93 }, CodeGeneratorBound, true},
		{"late", Open, func(l *results.Load, r *recorder) { l.GeneratorLagUS.P99 = 1100 }, CodeSendLag, true},
		{"as late as hosts are", Open, func(l *results.Load, r *recorder) { l.GeneratorLagUS.P99 = 950 }, CodeSendLag, false},
		{"waiting for connections", Open, func(l *results.Load, r *recorder) { l.SendLagUS.P99 = 9000 }, "", false},
		{"sent after the end", Open, func(l *results.Load, r *recorder) { r.late = 101 }, CodeRateMissed, true},
		{"beyond the server's limit", Open, func(l *results.Load, r *recorder) { l.Errors.Unsent = 2000 }, CodeSaturated, false},
		{"Little", Closed, func(l *results.Load, r *recorder) { r.busy = r.busy * 94 / 100 }, CodeLittle, true},
		{"few failures", Closed, func(l *results.Load, r *recorder) { l.Errors.Read = 10 }, "", false},
		{"failures", Closed, func(l *results.Load, r *recorder) { l.Errors.Read = 11 }, CodeErrors, true},
		{"no ports", Closed, func(l *results.Load, r *recorder) { l.Errors.Connect, r.cause = 11, syscall.EADDRNOTAVAIL }, CodeErrors, true},
		{"one wrong body", Closed, func(l *results.Load, r *recorder) { l.Errors.Body = 1 }, CodeWrongBytes, true},
		{"stray bytes", Closed, func(l *results.Load, r *recorder) { r.stray = 1 }, CodeWrongBytes, true},
		{"starved", Closed, func(l *results.Load, r *recorder) { l.Connection.Starved = 1 }, CodeStarvation, true},
		{"most starved", Closed, func(l *results.Load, r *recorder) { l.Connection = results.Fairness{Max: 150, Starved: 48} }, CodeStarvation, true},
		{"resent", Closed, func(l *results.Load, r *recorder) { l.Threads, r.resent = 1, 19 }, CodeErrors, true},
		{"found out to close", Closed, func(l *results.Load, r *recorder) { l.Threads, r.resent = 1, 18 }, "", false},
		{"late for a slow server as well", Open, func(l *results.Load, r *recorder) { l.GeneratorLagUS.P99, l.LatencyUS.P99 = 1100, 50000 }, CodeSendLag, true},
		{"hardly used", Closed, func(l *results.Load, r *recorder) { l.Connection = results.Fairness{P50: 5, Starved: 3} }, "", false},
		{"level", Closed, func(l *results.Load, r *recorder) { l.Series = steps(300, 330) }, "", false},
		{"rising", Closed, func(l *results.Load, r *recorder) { l.Series = steps(200, 400) }, CodeNotStationary, false},
		{"few", Closed, func(l *results.Load, r *recorder) { l.Requests = 999 }, CodeTooFew, false},
		{"no answers", Closed, func(l *results.Load, r *recorder) { l.Requests, r.within = 0, 0 }, CodeNoAnswers, true},
		{"answers after the window only", Closed, func(l *results.Load, r *recorder) { l.Requests = 0 }, CodeNoAnswers, true},
		{"none was due", Open, func(l *results.Load, r *recorder) { l.Requests, r.within, r.total = 0, 0, 0 }, CodeNoAnswers, true},
		{"stood still", Closed, func(l *results.Load, r *recorder) {
			r.quiet.stretches, r.quiet.last = []quiet{{from: 100 * ms, to: 201 * ms, busy: 100 * ms}}, 1000*ms
		}, CodeStalled, true},
		{"stood still, open", Open, func(l *results.Load, r *recorder) {
			r.quiet.stretches, r.quiet.last = []quiet{{from: 100 * ms, to: 201 * ms, busy: 100 * ms}}, 1000*ms
		}, CodeStalled, true},
		{"stood still for less", Closed, func(l *results.Load, r *recorder) {
			r.quiet.stretches, r.quiet.last = []quiet{{from: 100 * ms, to: 199 * ms, busy: 100 * ms}}, 1000*ms
		}, "", false},
		{"nothing was under way", Open, func(l *results.Load, r *recorder) {
			r.quiet.stretches, r.quiet.last = []quiet{{from: 100 * ms, to: 900 * ms, busy: 850 * ms}}, 1000*ms
		}, "", false},
		{"the generator did not run", Closed, func(l *results.Load, r *recorder) {
			r.quiet.stretches, r.quiet.last = []quiet{{from: 100 * ms, to: 300 * ms, busy: 100 * ms, away: 110 * ms}}, 1000*ms
		}, "", false},
		{"stands still", Closed, func(l *results.Load, r *recorder) {
			r.quiet.stretches, r.quiet.last = []quiet{{from: 850 * ms, to: 1000 * ms, busy: 850 * ms}}, 850*ms
		}, CodeNoAnswers, true},
		{"stood still for all of it", Closed, func(l *results.Load, r *recorder) {
			r.quiet.stretches, r.quiet.last = []quiet{{from: 0, to: 1000 * ms, busy: 0}}, 1200*ms
		}, CodeNoAnswers, true},
		{"slow, and slow again", Closed, func(l *results.Load, r *recorder) {
			for range 100 {
				r.classes[0].service.add(20 * ms)
			}
			r.quiet.stretches, r.quiet.last = []quiet{{from: 100 * ms, to: 400 * ms, busy: 100 * ms}}, 1000*ms
		}, "", false},
		{"long answers", Closed, func(l *results.Load, r *recorder) { results.RecordNS(r.service, 150*ms) }, CodeEdges, false},
		{"cut short", Closed, func(l *results.Load, r *recorder) { l.Interrupted = true }, CodeInterrupted, true},
	} {
		l, r := closed(), judged()
		r.busy = int64(64 * l.DurationS * 1e9)
		test.change(l, r)
		judge(l, &Config{Model: test.model, Connections: 64, Pipeline: 1, Generator: "native", Duration: 2 * time.Second}, new(reading), r)
		var codes []string
		for _, w := range l.Warnings {
			codes = append(codes, w.Code)
			if w.Measure == nil || w.Measure.Unit == "" || !w.Measure.LessIsWorse && w.Measure.Value < w.Measure.Limit || w.Measure.LessIsWorse && w.Measure.Value > w.Measure.Limit {
				t.Errorf("%s: %s is of measure %+v, which is not beyond its limit", test.name, w.Code, w.Measure)
			}
		}
		var want []string
		if test.code != "" {
			want = []string{test.code}
		}
		if !slices.Equal(codes, want) || l.Valid == test.invalid {
			t.Errorf("%s: %v, valid %v; expected %v, invalid %v", test.name, l.Warnings, l.Valid, want, test.invalid)
		}
	}
}

// Connections that could not be made have a reason, and a remedy for it.
func TestJudgeTellsTheCause(t *testing.T) {
	l, r := &results.Load{Requests: 10000, Errors: results.Errors{Connect: 100}}, judged()
	r.total, r.cause = 10100, syscall.EADDRNOTAVAIL
	judge(l, &Config{Model: Closed, Connections: 64, Pipeline: 1}, new(reading), r)
	if w := l.Warnings[0]; w.Code != CodeErrors || !strings.Contains(w.Message, "cannot assign requested address") || !strings.Contains(w.Hint, "ip_local_port_range") {
		t.Errorf("%+v", w)
	}
}

// Somebody sets the clock within the window: no latency moves, and the result
// says so. What happened to the clock before does not matter.
func TestClockStepped(t *testing.T) {
	var by atomic.Int64
	wall = func() time.Time { return time.Now().Add(time.Duration(by.Load())) }
	defer func() { wall = time.Now }()
	r := respond(t, "tcp", nil)
	for _, step := range []time.Duration{0, -time.Hour, 50 * time.Millisecond} {
		c := short(r)
		by.Store(int64(time.Minute))
		c.Phase = func(p Phase) {
			if p == MeasureStart {
				by.Add(int64(step))
			}
		}
		l := mustRun(t, c)
		i := slices.IndexFunc(l.Warnings, func(w results.Warning) bool { return w.Code == CodeClockStepped })
		if stepped := i >= 0; stepped != (step != 0) || stepped && (l.Valid || !l.Warnings[i].Invalid) {
			t.Errorf("set by %v: %+v", step, l.Warnings)
		}
		if l.LatencyUS.Max > 60e6 || l.DurationS != c.Duration.Seconds() {
			t.Errorf("set by %v: a latency of %v µs in a window of %v s", step, l.LatencyUS.Max, l.DurationS)
		}
	}
}
