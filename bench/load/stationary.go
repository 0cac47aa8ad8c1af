package load

import (
	"math"
	"time"

	"github.com/dynobench/dyno/bench/load/plan"
	"github.com/dynobench/dyno/bench/load/record"
	"github.com/dynobench/dyno/results"
)

// judgeStationary asks whether the end of the window is like its beginning.
// Where the offered rate itself changes, it is not answers that are compared
// but their share in what was due.
func judgeStationary(l *results.Load, c *plan.Config, warn say) {
	if c.Changes() {
		judgeFollowing(l, c, warn)
		return
	}
	first, last, chance := thirds(l.Series)
	level := max(first, last)
	if level == 0 {
		return
	}
	// A median of counts varies by chance, and is a whole number.
	allowed := maxMedianChange + (deviations*chance+1)/level
	change := (last - first) / level
	if math.Abs(change) > allowed {
		warn(results.CodeNotStationary, "a longer warm-up, or a quieter host",
			"the response rate changed by %+.0f %% from the first third of the window to the last (limit %.0f %%)", 100*change, 100*allowed).Measure = results.Above(100*math.Abs(change), 100*allowed, "%")
	}
}

// Chance is allowed for: so many standard deviations, of which that of a median
// is larger than that of a mean.
const (
	deviations      = 4.0 // successive steps are not independent
	medianDeviation = 1.2533
)

// judgeFollowing takes the sums of the thirds, not medians of steps: answers to
// a burst spill over into the step after it. A moment's delay cannot spoil a
// sum of an open loop, since its answers come right after. Three standard
// deviations of what is due by chance are allowed on top.
func judgeFollowing(l *results.Load, c *plan.Config, warn say) {
	whole := len(l.Series) - 1 // the last step may not be
	n := whole / 3
	if n < 3 {
		return
	}
	share := func(from, to int) (answered, due float64) {
		for _, p := range l.Series[from:to] {
			answered += float64(p.Done)
		}
		edge := func(i int) time.Duration { return time.Duration(int64(i) * record.SeriesStep) }
		due = c.Expected(edge(to)) - c.Expected(edge(from))
		return answered / due, due
	}
	first, dueFirst := share(0, n)
	last, dueLast := share(whole-n, whole)
	if dueFirst == 0 || dueLast == 0 || first == 0 {
		return
	}
	allowed := maxMedianChange + 3*math.Sqrt(1/dueFirst+1/dueLast)
	if change := last/first - 1; math.Abs(change) > allowed {
		warn(results.CodeNotStationary, "see in the series where the server stops following the rate, or use a quieter host",
			"%.0f %% of the requests due were answered in the last third of the window, %.0f %% in the first", 100*last, 100*first).Measure = results.Above(100*math.Abs(change), 100*allowed, "%")
	}
}

// judgeSettled warns of a window that began too early, by so many ns.
func judgeSettled(l *results.Load, short float64) {
	if short <= 0 {
		return
	}
	l.Warn(results.Warning{
		Code: results.CodeUnsettled, Hint: "a longer --warmup, or a lower rate",
		Message: "the warm-up ended before the queue had settled: the window's latencies are of a queue that still grows",
	}).Measure = results.Above(short/1e9, 0, "s")
}
