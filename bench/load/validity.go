package load

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/dynobench/dyno/bench/load/plan"
	"github.com/dynobench/dyno/bench/load/record"
	"github.com/dynobench/dyno/results"
)

// Bounds of the gates. Those of a closed loop's generator and of the medians
// are dyno's own choice; for the others see the chapter on validity.
const (
	maxBusyOpen     = 0.90  // of the busiest thread
	maxBusyClosed   = 0.97  // a closed loop on a fast server may well use most of a core
	maxLagShare     = 0.10  // of the generator's own lag in the latency, at p99
	hostLagUS       = 1e3   // waking a thread up on a shared host takes some of this: below, the lag only warns,
	usualLagUS      = 500.0 // and below this it is what quiet hosts have
	maxRateMissed   = 0.01  // of what was due
	maxLittleOff    = 0.05  // of the connections
	maxErrors       = 0.001 // of all requests
	maxMedianChange = 0.20  // from the first third of the window to the last
	manyAnswers     = 100   // of the median connection: none on another is starvation
	fewAnswers      = 1000  // below, p99 is not stated

	maxClockStep = 10 * time.Millisecond // of the wall clock within the window
)

// say adds a warning, whose Measure is still to be given.
type say func(code, hint, format string, a ...any) *results.Warning

// judge fills Valid and Warnings in, of the reading m and of r, the record of all
// its threads.
func judge(l *results.Load, c *plan.Config, m *record.Reading, r *record.Recorder) {
	l.Valid = true
	judgeRequests(l, c, r)
	judgeClock(l, time.Duration(m.Stepped))
	judgeSettled(l, m.Short)
	judgeGroups(l, c, m)
	if c.Journal != nil {
		judgeJournal(l, c.Journal.Lost())
	}
}

// judgeJournal says that some requests are not in the record of single ones.
func judgeJournal(l *results.Load, lost int64) {
	if lost == 0 {
		return
	}
	l.Warn(results.Warning{
		Code: results.CodeJournalFull, Hint: "use a shorter duration or a lower rate; the histograms hold every request",
		Measure: results.Above(float64(lost), 0, "requests"),
		Message: fmt.Sprintf("the record of single requests is full: %d requests are missing", lost),
	})
}

// judgeRequests judges the busy connections.
func judgeRequests(l *results.Load, c *plan.Config, r *record.Recorder) {
	invalid := func(code, hint, format string, a ...any) *results.Warning {
		return l.Warn(results.Warning{Code: code, Message: fmt.Sprintf(format, a...), Hint: hint, Invalid: true})
	}
	warn := func(code, hint, format string, a ...any) *results.Warning {
		return l.Warn(results.Warning{Code: code, Message: fmt.Sprintf(format, a...), Hint: hint})
	}

	if l.Interrupted {
		invalid(results.CodeInterrupted, "", "stopped after %.1f s of %v", l.DurationS, c.Duration).Measure = results.Below(l.DurationS, c.Duration.Seconds(), "s")
	}
	judgeErrors(l, r, invalid)
	if !judgeAnswers(l, c, r, invalid, warn) {
		return
	}

	limit := maxBusyClosed
	if c.Model == plan.Open {
		limit = maxBusyOpen
	}
	if l.GeneratorCPUUtilisation >= limit {
		hint := "give the generator more threads and CPUs of their own"
		if c.Generator == "vegeta" {
			hint = "use the native generator, or a lower rate"
		}
		invalid(results.CodeGeneratorBound, hint, "the generator was busy for %.0f %% of the time (limit %.0f %%): it was the bottleneck, not the server",
			100*l.GeneratorCPUUtilisation, 100*limit).Measure = results.Above(100*l.GeneratorCPUUtilisation, 100*limit, "%")
	}
	if c.Model == plan.Open {
		judgePace(l, c, r, invalid, warn)
	} else {
		judgeLittle(l, c, r, invalid)
	}
	// Where some requests take a good part of the window, one may take all of it.
	if f := l.Connection; f.Starved > 0 && f.Max >= manyAnswers && float64(r.Service.Max())*tailFactor < l.DurationS*1e9 {
		invalid(results.CodeStarvation, "the server serves its connections unevenly: use fewer connections or more workers",
			"%d of %d connections got no response while another one got %d", f.Starved, l.Connections, f.Max).Measure = results.Above(float64(f.Starved), 0, "connections")
	}
	judgeStationary(l, c, warn)
	if n := l.Requests; n < fewAnswers {
		warn(results.CodeTooFew, "a longer duration", "only %d responses: p99 needs %d, p99.9 ten times as many", n, fewAnswers).Measure = results.Below(float64(n), fewAnswers, "answers")
	}
}

func judgeErrors(l *results.Load, r *record.Recorder, invalid say) {
	e := l.Errors
	if e.Body > 0 || r.Stray > 0 {
		invalid(results.CodeWrongBytes, "request that path by hand and look at the response",
			"%d responses had the wrong body, %d connections sent bytes that nobody had requested", e.Body, r.Stray).Measure = results.Above(float64(e.Body+r.Stray), 0, "answers")
	}
	// A server that always closes is found out within a few requests.
	if resent := r.Resent - int64(plan.ManyClosed*l.Threads); float64(resent) > maxErrors*float64(r.Total) {
		invalid(results.CodeErrors, "see why the server closes connections that are in use; a server that closes after each response should send Connection: close",
			"%d of %d requests had to be sent again because the server closed their connection", r.Resent, r.Total).Measure = results.Above(100*float64(r.Resent)/float64(r.Total), 100*maxErrors, "%")
	}
	if failed := e.Total() - e.Unsent; float64(failed) > maxErrors*float64(r.Total) {
		invalid(results.CodeErrors, failureHint(e, r), "%d of %d requests failed (%s)", failed, r.Total, failures(e, r)).Measure = results.Above(100*float64(failed)/float64(r.Total), 100*maxErrors, "%")
	}
}

// failures lists the kinds of what failed, and what is known of the last one:
// "read 48; at last: connection reset by peer".
func failures(e results.Errors, r *record.Recorder) string {
	var b strings.Builder
	e.Unsent = 0
	for i, f := range e.Kinds() {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%s %d", f.Kind, f.N)
		if f.Kind == "status" && r.Status != 0 {
			fmt.Fprintf(&b, ", the last one %d", r.Status)
		}
	}
	if r.Cause != nil {
		fmt.Fprintf(&b, "; at last: %v", r.Cause)
	}
	return b.String()
}

// failureHint is about what failed most.
func failureHint(e results.Errors, r *record.Recorder) string {
	half := (e.Total() - e.Unsent + 1) / 2
	switch {
	case e.Connect >= half:
		return refusalHint(r.Cause)
	case e.Status >= half:
		return "request that path by hand and look at the response: is it an error, a redirect?"
	case e.Timeout >= half:
		return "see what the server waits for; with a longer timeout slow responses count"
	}
	return "see the server's log"
}

// judgeClock is told by how much the wall clock has moved against the monotonic
// one within the window. No latency is of the wall clock; but what the server
// does may be, and the times at which things are said to have been are.
func judgeClock(l *results.Load, step time.Duration) {
	if step.Abs() > maxClockStep {
		l.Warn(results.Warning{Code: results.CodeClockStepped, Invalid: true, Hint: "run again; slew the clock instead of setting it",
			Measure: results.Above(step.Abs().Seconds(), maxClockStep.Seconds(), "s"),
			Message: fmt.Sprintf("the wall clock was set by %+.3g s within the window: the server's timers may depend on it, and recorded times do", step.Seconds())})
	}
}

// judgePace asks whether the open model was kept. Waiting for a free
// connection is the server's doing and part of the result; waiting for the
// generator with a connection free is not.
func judgePace(l *results.Load, c *plan.Config, r *record.Recorder, invalid, warn say) {
	lag, latency := l.GeneratorLagUS.P99, l.LatencyUS.P99
	// The bound is the same for a server that is fast and one that is slow: a
	// share of the latency would leave the disturbed trials of the slow ones in.
	if lag > hostLagUS || lag > usualLagUS && lag > maxLagShare*latency {
		add := warn
		if lag > hostLagUS {
			add = invalid
		}
		add(results.CodeSendLag, "use a lower rate, more generator threads, or a quieter host; service_us is not affected",
			"requests left up to %.0f µs late (p99) although a connection was free: %.0f %% of the p99 latency is the generator's own", lag, 100*lag/latency).Measure = results.Above(lag, min(hostLagUS, maxLagShare*latency), "µs")
	}
	due := float64(r.Total)
	if float64(r.Late) > maxRateMissed*due {
		invalid(results.CodeRateMissed, "a lower rate, or more generator threads",
			"%d of %d requests due were sent only after the window although connections were free", r.Late, r.Total).Measure = results.Above(100*float64(r.Late)/due, 100*maxRateMissed, "%")
	}
	if unsent := float64(l.Errors.Unsent); unsent > maxRateMissed*due {
		if c.Generator == "vegeta" {
			invalid(results.CodeRateMissed, "use a lower rate, more connections, or the native generator, which shows who was late",
				"%.1f %% of the requests due were never sent", 100*unsent/due).Measure = results.Above(100*unsent/due, 100*maxRateMissed, "%")
			return
		}
		warn(results.CodeSaturated, "the server is past its limit; to measure its latency below the limit, use a lower rate or more connections",
			"%.1f %% of the requests due were never sent because all %d connections were busy", 100*unsent/due, c.Connections).Measure = results.Above(100*unsent/due, 100*maxRateMissed, "%")
	}
}

// judgeLittle holds the closed loop to Little's law: every connection has a
// request under way all the time, so that their times within the window add up
// to connections × window. What is missing was waited for where no latency saw
// it. (Throughput × mean latency is the same in the long run; in a short window
// the requests across its edges would make it a lottery.)
func judgeLittle(l *results.Load, c *plan.Config, r *record.Recorder, invalid say) {
	if failed := l.Errors.Total(); l.DurationS == 0 || float64(failed) > maxErrors*float64(r.Total) {
		return // after errors connections back off: judged by those
	}
	n, inFlight := float64(c.Connections*c.Pipeline), float64(r.Busy)/(l.DurationS*1e9)
	if off := inFlight/n - 1; off > maxLittleOff || off < -maxLittleOff {
		invalid(results.CodeLittle, "the generator has a bottleneck of its own: use more threads or fewer connections",
			"%.1f requests were in flight on average, %.0f fit: latencies miss part of the waiting", inFlight, n).Measure = results.Above(100*math.Abs(off), 100*maxLittleOff, "%")
	}
}

// thirds is the median number of answers per step in the first and the last
// third of the series, and by how much it varies by chance, given how much the
// steps of one third do. A last step that is not whole is left out.
func thirds(points []results.Point) (first, last, chance float64) {
	n := (len(points) - 1) / 3
	if n < 3 {
		return 0, 0, 0
	}
	points = points[:len(points)-1]
	a, b := points[:n], points[len(points)-n:]
	return medianDone(a), medianDone(b), medianDeviation * math.Sqrt((varianceDone(a)+varianceDone(b))/float64(n))
}

// varianceDone is at least that of a Poisson count.
func varianceDone(points []results.Point) float64 {
	n, sum, squares := float64(len(points)), 0.0, 0.0
	for _, p := range points {
		sum += float64(p.Done)
		squares += float64(p.Done) * float64(p.Done)
	}
	return max(sum/n, (squares-sum*sum/n)/(n-1))
}

func medianDone(points []results.Point) float64 {
	done := make([]int64, len(points))
	for i, p := range points {
		done[i] = p.Done
	}
	slices.Sort(done)
	return float64(done[len(done)/2])
}
