package load

import (
	"sync/atomic"
	"time"
)

// live is what a recorder tells while its thread is at work. The thread writes
// it now and then, by its own clock, and nobody waits for anybody.
type live struct {
	next   int64 // when to write again; never, where nobody reads
	ended  atomic.Int64
	errors atomic.Int64
	closed atomic.Pointer[closedSteps]
}

// closedSteps are the steps of a series that do not change any more. What is
// appended to the series later lies behind them.
type closedSteps struct {
	steps []step
	slab  []bucket
}

// publishEvery bounds what the writing costs.
const publishEvery = int64(time.Millisecond)

func (l *live) publish(r *recorder, at int64) {
	l.next = at + publishEvery
	l.ended.Store(r.total)
	l.errors.Store(r.total - r.kinds[answered])
	s := &r.series
	if told := l.closed.Load(); len(s.steps) > 0 && (told == nil || len(told.steps) < s.open) {
		l.closed.Store(&closedSteps{steps: s.steps[:s.open:s.open], slab: s.slab[:len(s.slab):len(s.slab)]})
	}
}
