package load

import (
	"fmt"
	"math"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/dynobench/dyno/bench/load/plan"
	"github.com/dynobench/dyno/bench/load/record"
	"github.com/dynobench/dyno/results"
)

// Bounds of what is told about stretches without an answer. alarms_test.go
// has the rates of false alarms.
const (
	maxStall   = 20.0 // times the median service time of the slowest class
	tailFactor = 8.0  // a stall is at least this far beyond what the tail of the service times explains
	maxByTail  = 0.2  // stretches that the tail may be expected to bring
	maxEdge    = 0.10 // of the window that a request takes on average
)

// judgeAnswers asks whether there was anybody to answer. It tells whether there
// are figures to be judged at all.
func judgeAnswers(l *results.Load, c *plan.Config, r *record.Recorder, invalid, warn say) bool {
	if l.Requests == 0 { // those of before that lie across the window's edges are no figures of it
		if !l.Interrupted && !unreached(l, r) {
			what := fmt.Sprintf("%d requests were sent in the whole run", r.Run.Sent)
			hint := "check by hand that the server works (curl -m 5); if its responses take longer, use a longer duration and timeout"
			if c.Model == plan.Open && r.Total == 0 {
				what, hint = "none was due in it", "a longer duration, or a higher rate"
			}
			invalid(results.CodeNoAnswers, hint, "no request was answered in the window of %.3g s: %s", l.DurationS, what).Measure = results.Below(0, 1, "answers")
		}
		return false
	}
	if !unreached(l, r) {
		judgeQuiet(l, c, r, invalid, warn)
	}
	if mean := meanTime(r); mean > maxEdge*l.DurationS*1e9 {
		warn(results.CodeEdges, "use a longer duration, at least ten times the duration of a request",
			"a request takes %.3g s on average, %.0f %% of the window: throughput counts requests across its edges in part, and percentiles rest on few samples",
			mean/1e9, 100*mean/(l.DurationS*1e9)).Measure = results.Above(100*mean/(l.DurationS*1e9), 100*maxEdge, "%")
	}
	return true
}

// unreached tells whether connections failed, more of them than timed out, which
// says more than that nothing was answered.
func unreached(l *results.Load, r *record.Recorder) bool {
	lost := l.Errors.Connect + l.Errors.Read + l.Errors.Write
	return float64(lost) > maxErrors*float64(r.Total) && lost > l.Errors.Timeout
}

// meanTime is what a request takes from sent to done, in ns; where none was
// due in the window, what those from before took.
func meanTime(r *record.Recorder) float64 {
	if r.Service.TotalCount() > 0 {
		return r.Service.Mean()
	}
	if r.Latency.TotalCount() > 0 {
		return r.Latency.Mean()
	}
	return 0
}

// judgeQuiet finds a server that stood still. In the closed loop nothing else
// does: each connection has one slow request, which is in no percentile.
func judgeQuiet(l *results.Load, c *plan.Config, r *record.Recorder, invalid, warn say) {
	q := r.Quiet.Longest()
	ns := q.Length()
	slowest := 0.0 // a server that does one thing at a time answers nobody while a slow request runs
	for i := range r.Classes {
		slowest = max(slowest, r.Classes[i].Service.Median())
	}
	bound := max(float64(record.MinStall), maxStall*slowest)
	start, end := r.Window.Start.Load(), r.Window.End.Load()
	if float64(ns) <= bound || byTail(l, c, r, q) {
		return
	}
	seconds, from := float64(ns)/1e9, float64(max(q.Busy, start)-start)/1e9
	measure := results.Above(seconds*1e3, bound/1e6, "ms")
	if q.To >= end && r.Quiet.Last < end && !l.Interrupted { // and never again
		invalid(results.CodeNoAnswers, "the server hangs or has ended: see its log",
			"no request was answered after %.2f s of the window, although some were in flight for up to %.2f s", from, seconds).Measure = measure
		return
	}
	if q.From <= start && q.To >= end && !l.Interrupted { // answered after it, at best
		invalid(results.CodeNoAnswers, "see what the server waits for; if its responses take longer, use a longer duration",
			"no request was answered in the window of %.3g s, although some were in flight for up to %.2f s of it", l.DurationS, seconds).Measure = measure
		return
	}
	say := invalid
	hint := "see what the server waits for, or use a quieter host"
	if len(c.Groups) > 0 {
		say, hint = warn, "the other connections may have caused it"
	}
	say(results.CodeStalled, hint, "no request was answered for %.2f s, starting %.2f s into the window; a request usually takes %s: %s",
		seconds, from, time.Duration(slowest).Round(time.Microsecond), hidden(c)).Measure = measure
}

// hidden says what a standstill does to the figures.
func hidden(c *plan.Config) string {
	if c.Model == plan.Open {
		return "the latencies of the requests due in that time include it"
	}
	return "a closed loop sends nothing meanwhile, so percentiles hardly show it"
}

// byTail tells whether single slow requests explain a stretch without an answer:
// whether the service times, but for those of the stretch itself, are such that
// at least an eighth of it was to be expected. What else was under way has to be
// in the middle of a slow request at the same time, or in the open loop nothing
// else may have been due.
func byTail(l *results.Load, c *plan.Config, r *record.Recorder, q record.Quiet) bool {
	g, held := float64(q.Length())/tailFactor, max(q.Held, 1)
	beyond, excess, all := tail(r.Service, g, int64(held))
	if beyond == 0 || all == 0 {
		return false
	}
	alone := math.Pow(excess/all, float64(held-1))
	if c.Model == plan.Open && l.DurationS > 0 {
		alone = max(alone, math.Exp(-g*r.Within/(l.DurationS*1e9)))
	}
	return beyond*alone >= maxByTail
}

// tail returns, of the values of h without its highest few, how many are beyond
// x, by how much in all, and the sum of all.
func tail(h *hdrhistogram.Histogram, x float64, without int64) (beyond, excess, all float64) {
	bars := h.Distribution()
	for i := len(bars) - 1; i >= 0; i-- {
		b := bars[i]
		v := float64(b.From+b.To) / 2
		n := b.Count
		if v > x {
			drop := min(n, without)
			without -= drop
			n -= drop
			beyond += float64(n)
			excess += float64(n) * (v - x)
		}
		all += float64(n) * v
	}
	return beyond, excess, all
}
