package load

import (
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/dynobench/dyno/bench/load/loadtest"
	"github.com/dynobench/dyno/bench/load/plan"
	"github.com/dynobench/dyno/bench/load/record"
	"github.com/dynobench/dyno/results"
)

const ms = int64(1e6)

// judged is a recorder of 10000 answers in a window of a second.
func judged() *record.Recorder {
	r := record.NewRecorder(record.WindowOf(0, 1000*ms), 1, 64)
	r.Total, r.Within = 10000, 10000
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
		model   plan.Model
		change  func(l *results.Load, r *record.Recorder)
		code    string
		invalid bool
	}{
		{"clean", plan.Closed, func(l *results.Load, r *record.Recorder) {}, "", false},
		{"busy, closed", plan.Closed, func(l *results.Load, r *record.Recorder) { l.GeneratorCPUUtilisation = 0.98 }, results.CodeGeneratorBound, true},
		{"busy, but a closed loop is", plan.Closed, func(l *results.Load, r *record.Recorder) { l.GeneratorCPUUtilisation = 0.93 }, "", false},
		{"busy, open", plan.Open, func(l *results.Load, r *record.Recorder) { l.GeneratorCPUUtilisation = 0.93 }, results.CodeGeneratorBound, true},
		{"late", plan.Open, func(l *results.Load, r *record.Recorder) { l.GeneratorLagUS.P99 = 1100 }, results.CodeSendLag, true},
		{"as late as hosts are", plan.Open, func(l *results.Load, r *record.Recorder) { l.GeneratorLagUS.P99 = 950 }, results.CodeSendLag, false},
		{"waiting for connections", plan.Open, func(l *results.Load, r *record.Recorder) { l.SendLagUS.P99 = 9000 }, "", false},
		{"sent after the end", plan.Open, func(l *results.Load, r *record.Recorder) { r.Late = 101 }, results.CodeRateMissed, true},
		{"beyond the server's limit", plan.Open, func(l *results.Load, r *record.Recorder) { l.Errors.Unsent = 2000 }, results.CodeSaturated, false},
		{"Little", plan.Closed, func(l *results.Load, r *record.Recorder) { r.Busy = r.Busy * 94 / 100 }, results.CodeLittle, true},
		{"few failures", plan.Closed, func(l *results.Load, r *record.Recorder) { l.Errors.Read = 10 }, "", false},
		{"failures", plan.Closed, func(l *results.Load, r *record.Recorder) { l.Errors.Read = 11 }, results.CodeErrors, true},
		{"no ports", plan.Closed, func(l *results.Load, r *record.Recorder) { l.Errors.Connect, r.Cause = 11, syscall.EADDRNOTAVAIL }, results.CodeErrors, true},
		{"one wrong body", plan.Closed, func(l *results.Load, r *record.Recorder) { l.Errors.Body = 1 }, results.CodeWrongBytes, true},
		{"stray bytes", plan.Closed, func(l *results.Load, r *record.Recorder) { r.Stray = 1 }, results.CodeWrongBytes, true},
		{"starved", plan.Closed, func(l *results.Load, r *record.Recorder) { l.Connection.Starved = 1 }, results.CodeStarvation, true},
		{"most starved", plan.Closed, func(l *results.Load, r *record.Recorder) { l.Connection = results.Fairness{Max: 150, Starved: 48} }, results.CodeStarvation, true},
		{"resent", plan.Closed, func(l *results.Load, r *record.Recorder) { l.Threads, r.Resent = 1, 19 }, results.CodeErrors, true},
		{"found out to close", plan.Closed, func(l *results.Load, r *record.Recorder) { l.Threads, r.Resent = 1, 18 }, "", false},
		{"late for a slow server as well", plan.Open, func(l *results.Load, r *record.Recorder) { l.GeneratorLagUS.P99, l.LatencyUS.P99 = 1100, 50000 }, results.CodeSendLag, true},
		{"hardly used", plan.Closed, func(l *results.Load, r *record.Recorder) { l.Connection = results.Fairness{P50: 5, Starved: 3} }, "", false},
		{"level", plan.Closed, func(l *results.Load, r *record.Recorder) { l.Series = steps(300, 330) }, "", false},
		{"rising", plan.Closed, func(l *results.Load, r *record.Recorder) { l.Series = steps(200, 400) }, results.CodeNotStationary, false},
		{"few", plan.Closed, func(l *results.Load, r *record.Recorder) { l.Requests = 999 }, results.CodeTooFew, false},
		{"no answers", plan.Closed, func(l *results.Load, r *record.Recorder) { l.Requests, r.Within = 0, 0 }, results.CodeNoAnswers, true},
		{"answers after the window only", plan.Closed, func(l *results.Load, r *record.Recorder) { l.Requests = 0 }, results.CodeNoAnswers, true},
		{"none was due", plan.Open, func(l *results.Load, r *record.Recorder) { l.Requests, r.Within, r.Total = 0, 0, 0 }, results.CodeNoAnswers, true},
		{"stood still", plan.Closed, func(l *results.Load, r *record.Recorder) {
			r.Quiet.Stretches, r.Quiet.Last = []record.Quiet{{From: 100 * ms, To: 201 * ms, Busy: 100 * ms}}, 1000*ms
		}, results.CodeStalled, true},
		{"stood still, open", plan.Open, func(l *results.Load, r *record.Recorder) {
			r.Quiet.Stretches, r.Quiet.Last = []record.Quiet{{From: 100 * ms, To: 201 * ms, Busy: 100 * ms}}, 1000*ms
		}, results.CodeStalled, true},
		{"stood still for less", plan.Closed, func(l *results.Load, r *record.Recorder) {
			r.Quiet.Stretches, r.Quiet.Last = []record.Quiet{{From: 100 * ms, To: 199 * ms, Busy: 100 * ms}}, 1000*ms
		}, "", false},
		{"nothing was under way", plan.Open, func(l *results.Load, r *record.Recorder) {
			r.Quiet.Stretches, r.Quiet.Last = []record.Quiet{{From: 100 * ms, To: 900 * ms, Busy: 850 * ms}}, 1000*ms
		}, "", false},
		{"the generator did not run", plan.Closed, func(l *results.Load, r *record.Recorder) {
			r.Quiet.Stretches, r.Quiet.Last = []record.Quiet{{From: 100 * ms, To: 300 * ms, Busy: 100 * ms, Away: 110 * ms}}, 1000*ms
		}, "", false},
		{"hangs", plan.Closed, func(l *results.Load, r *record.Recorder) {
			r.Quiet.Stretches, r.Quiet.Last = []record.Quiet{{From: 850 * ms, To: 1000 * ms, Busy: 850 * ms}}, 850*ms
		}, results.CodeNoAnswers, true},
		{"stood still for all of it", plan.Closed, func(l *results.Load, r *record.Recorder) {
			r.Quiet.Stretches, r.Quiet.Last = []record.Quiet{{From: 0, To: 1000 * ms, Busy: 0}}, 1200*ms
		}, results.CodeNoAnswers, true},
		{"slow, and slow again", plan.Closed, func(l *results.Load, r *record.Recorder) {
			for range 100 {
				r.Classes[0].Service.Add(20 * ms)
			}
			r.Quiet.Stretches, r.Quiet.Last = []record.Quiet{{From: 100 * ms, To: 400 * ms, Busy: 100 * ms}}, 1000*ms
		}, "", false},
		{"long answers", plan.Closed, func(l *results.Load, r *record.Recorder) { results.RecordNS(r.Service, 150*ms) }, results.CodeEdges, false},
		{"cut short", plan.Closed, func(l *results.Load, r *record.Recorder) { l.Interrupted = true }, results.CodeInterrupted, true},
	} {
		l, r := closed(), judged()
		r.Busy = int64(64 * l.DurationS * 1e9)
		test.change(l, r)
		judge(l, &plan.Config{Model: test.model, Connections: 64, Pipeline: 1, Generator: "native", Duration: 2 * time.Second}, new(record.Reading), r)
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
	r.Total, r.Cause = 10100, syscall.EADDRNOTAVAIL
	judge(l, &plan.Config{Model: plan.Closed, Connections: 64, Pipeline: 1}, new(record.Reading), r)
	if w := l.Warnings[0]; w.Code != results.CodeErrors || !strings.Contains(w.Message, "cannot assign requested address") || !strings.Contains(w.Hint, "ip_local_port_range") {
		t.Errorf("%+v", w)
	}
}

// Somebody sets the clock within the window: no latency moves, and the result
// says so. What happened to the clock before does not matter.
func TestClockStepped(t *testing.T) {
	var by atomic.Int64
	record.Wall = func() time.Time { return time.Now().Add(time.Duration(by.Load())) }
	defer func() { record.Wall = time.Now }()
	r := loadtest.Respond(t, "tcp", nil)
	for _, step := range []time.Duration{0, -time.Hour, 50 * time.Millisecond} {
		c := loadtest.Short(r)
		by.Store(int64(time.Minute))
		c.Phase = func(p plan.Phase) {
			if p == plan.MeasureStart {
				by.Add(int64(step))
			}
		}
		l := mustRun(t, c)
		i := slices.IndexFunc(l.Warnings, func(w results.Warning) bool { return w.Code == results.CodeClockStepped })
		if stepped := i >= 0; stepped != (step != 0) || stepped && (l.Valid || !l.Warnings[i].Invalid) {
			t.Errorf("set by %v: %+v", step, l.Warnings)
		}
		if l.LatencyUS.Max > 60e6 || l.DurationS != c.Duration.Seconds() {
			t.Errorf("set by %v: a latency of %v µs in a window of %v s", step, l.LatencyUS.Max, l.DurationS)
		}
	}
}

// What a journal lost, and a warm-up that was too short, are said, and spoil nothing.
func TestJudgeWarns(t *testing.T) {
	for _, test := range []struct {
		code  string
		value float64
		judge func(l *results.Load, over float64)
	}{
		{results.CodeJournalFull, 7, func(l *results.Load, over float64) { judgeJournal(l, int64(over)) }},
		{results.CodeUnsettled, 2, func(l *results.Load, over float64) { judgeSettled(l, over*1e9) }},
	} {
		l := &results.Load{Valid: true}
		test.judge(l, 0)
		if len(l.Warnings) > 0 {
			t.Errorf("%s without a cause: %+v", test.code, l.Warnings)
		}
		test.judge(l, test.value)
		if len(l.Warnings) != 1 || l.Warnings[0].Code != test.code || l.Warnings[0].Measure.Value != test.value || !l.Valid {
			t.Errorf("%s: %+v", test.code, l.Warnings)
		}
	}
}
