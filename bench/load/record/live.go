package record

import (
	"sync/atomic"
	"time"
)

// live is what a recorder tells while its thread is at work. The thread writes
// it now and then, by its own clock, and nobody waits for anybody.
type live struct {
	Next   int64 // when to write again; never, where nobody reads
	Ended  atomic.Int64
	Errors atomic.Int64
	Closed atomic.Pointer[closedSteps]
}

// closedSteps are the steps of a series that do not change any more. What is
// appended to the series later lies behind them.
type closedSteps struct {
	steps []step
	slab  []bucket
}

// publishEvery bounds what the writing costs.
const publishEvery = int64(time.Millisecond)

func (l *live) publish(r *Recorder, at int64) {
	l.Next = at + publishEvery
	l.Ended.Store(r.Total)
	l.Errors.Store(r.Total - r.Kinds[Answered])
	s := &r.Series
	if told := l.Closed.Load(); len(s.steps) > 0 && (told == nil || len(told.steps) < s.open) {
		l.Closed.Store(&closedSteps{steps: s.steps[:s.open:s.open], slab: s.slab[:len(s.slab):len(s.slab)]})
	}
}

// A RecentLatency is asked again and again for the latency of what was answered
// in the ten newest steps, on all threads of a window.
type RecentLatency struct{ fine []uint32 }

// Percentiles are p50 and p99 in µs at t ns into the window w, 0 where too few tell.
func (p *RecentLatency) Percentiles(w *Window, t int64) (p50, p99 float64) {
	answers, buckets := p.merged(w, t)
	return percentile(buckets, answers, 50), percentile(buckets, answers, 99)
}

func (p *RecentLatency) merged(w *Window, t int64) (answers int64, merged []bucket) {
	const steps = 10
	newest := 0
	for _, r := range w.Recorders {
		if c := r.Live.Closed.Load(); c != nil {
			newest = max(newest, len(c.steps))
		}
	}
	if newest == 0 || t/SeriesStep-int64(newest) > steps {
		return 0, nil // nothing has been answered for a while
	}
	if p.fine == nil {
		p.fine = make([]uint32, coarseBuckets)
	}
	clear(p.fine)
	for _, r := range w.Recorders {
		c := r.Live.Closed.Load()
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
