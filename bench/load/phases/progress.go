package phases

import (
	"time"

	"github.com/dynobench/dyno/bench/load/plan"
	"github.com/dynobench/dyno/bench/load/record"
)

// progress calls Config.Progress a few times a second.
type progress struct {
	config  *plan.Config
	window  *record.Window
	answers func() int64
	began   int64
	at      int64 // of the last call
	seen    int64
	plan    *plan.Timetable // of the window: how many are due
	due     int64
	recent  record.RecentLatency
}

func (p *progress) show() {
	const every = int64(250 * time.Millisecond)
	t := record.Now()
	since := t - max(p.at, p.began)
	if p.config.Progress == nil || since < every {
		return
	}
	n := p.answers()
	seen := plan.Progress{
		Elapsed: time.Duration(t - p.began), Total: p.config.Warmup + p.config.Duration,
		RPS: float64(n-p.seen) / (float64(since) / 1e9),
	}
	p.at, p.seen = t, n
	if start := p.window.Start.Load(); t >= start {
		p.measured(&seen, t-start)
	}
	p.config.Progress(seen)
}

// measured fills in what is known of a window that began t ns ago.
func (p *progress) measured(seen *plan.Progress, t int64) {
	seen.Measuring = true
	ended := int64(0)
	for _, r := range p.window.Recorders {
		ended += r.Live.Ended.Load()
		seen.Errors += r.Live.Errors.Load()
	}
	if p.config.Model == plan.Open {
		seen.Backlog = p.backlog(t, ended)
	}
	if !p.config.OneClass() { // fast and slow requests together have no latency that anybody waits for
		return
	}
	seen.P50US, seen.P99US = p.recent.Percentiles(p.window, t)
}

// backlog counts what is due by the schedule. While anything waits, every
// connection has all the requests under way that it may have; what then is due and
// neither ended nor under way is waiting.
func (p *progress) backlog(t, ended int64) int64 {
	if p.plan == nil {
		p.plan = plan.NewTimetable(p.config, 0, 0, 1)
	}
	for due, _ := p.plan.Due(); due <= t; due, _ = p.plan.Due() {
		p.plan.Next()
		p.due++
	}
	return max(0, p.due-ended-int64(p.config.Connections)*int64(max(1, p.config.Pipeline)))
}
