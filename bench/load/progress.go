package load

import (
	"slices"
	"time"
)

// progress calls Config.Progress a few times a second.
type progress struct {
	config  *Config
	window  *window
	answers func() int64
	began   int64
	at      int64 // of the last call
	seen    int64
	plan    *schedule // of the window: how many are due
	due     int64
	fine    []uint32
}

func (p *progress) show() {
	const every = int64(250 * time.Millisecond)
	t := now()
	since := t - max(p.at, p.began)
	if p.config.Progress == nil || since < every {
		return
	}
	n := p.answers()
	seen := Progress{
		Elapsed: time.Duration(t - p.began), Total: p.config.Warmup + p.config.Duration,
		RPS: float64(n-p.seen) / (float64(since) / 1e9),
	}
	p.at, p.seen = t, n
	if start := p.window.start.Load(); t >= start {
		p.measured(&seen, t-start)
	}
	p.config.Progress(seen)
}

// measured fills in what is known of a window that began t ns ago.
func (p *progress) measured(seen *Progress, t int64) {
	seen.Measuring = true
	ended := int64(0)
	for _, r := range p.window.recorders {
		ended += r.live.ended.Load()
		seen.Errors += r.live.errors.Load()
	}
	if p.config.Model == Open {
		seen.Backlog = p.backlog(t, ended)
	}
	if !p.config.oneClass() { // fast and slow requests together have no latency that anybody waits for
		return
	}
	answers, buckets := p.recent(t)
	seen.P50US, seen.P99US = percentile(buckets, answers, 50), percentile(buckets, answers, 99)
}

// oneClass tells whether all requests are of one class.
func (c *Config) oneClass() bool {
	return !slices.ContainsFunc(c.Requests, func(r Request) bool { return r.Class != c.Requests[0].Class })
}

// backlog counts what is due by the schedule. While anything waits, every
// connection has all the requests under way that it may have; what then is due and neither ended nor
// under way is waiting.
func (p *progress) backlog(t, ended int64) int64 {
	if p.plan == nil {
		p.plan = newSchedule(p.config, 0, 0, 1)
	}
	for due, _ := p.plan.due(); due <= t; due, _ = p.plan.due() {
		p.plan.next()
		p.due++
	}
	return max(0, p.due-ended-int64(p.config.Connections)*int64(max(1, p.config.Pipeline)))
}

// recent is what was answered in the ten newest steps, on all threads.
func (p *progress) recent(t int64) (answers int64, merged []bucket) {
	const steps = 10
	newest := 0
	for _, r := range p.window.recorders {
		if c := r.live.closed.Load(); c != nil {
			newest = max(newest, len(c.steps))
		}
	}
	if newest == 0 || t/seriesStep-int64(newest) > steps {
		return 0, nil // nothing has been answered for a while
	}
	if p.fine == nil {
		p.fine = make([]uint32, coarseBuckets)
	}
	clear(p.fine)
	for _, r := range p.window.recorders {
		c := r.live.closed.Load()
		if c == nil {
			continue
		}
		for _, st := range c.steps[min(max(0, newest-steps), len(c.steps)):] {
			answers += st.answers
			for _, b := range c.slab[st.first : st.first+st.n] {
				p.fine[b.index] += b.count
			}
		}
	}
	for i, n := range p.fine {
		if n > 0 {
			merged = append(merged, bucket{uint16(i), n})
		}
	}
	return answers, merged
}
