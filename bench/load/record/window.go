package record

import (
	"math"
	"slices"
	"sync/atomic"
	"time"
)

// All times within a run are nanoseconds of the monotonic clock since clockBase.
var ClockBase = time.Now()

// Now is the time of the run: ns of the monotonic clock since ClockBase.
func Now() int64 { return int64(time.Since(ClockBase)) }

// Wall is a variable for tests.
var Wall = time.Now

// Skew is how far the wall clock has been moved against the monotonic one since
// clockBase, in ns. Both are slewed alike, so that it changes when somebody sets
// the clock. Between the two readings the thread may lose its CPU: the median of
// three is free of that.
func Skew() int64 {
	var seen [3]int64
	for i := range seen {
		seen[i] = Wall().UnixNano() - ClockBase.UnixNano() - Now()
	}
	slices.Sort(seen[:])
	return seen[1]
}

// Never is a time that does not come.
const Never = math.MaxInt64

// A Window is when requests count: from start, before end. Its edges are set
// while the load is running, always a little ahead of the clock (lead), so
// that everyone knows them when they come.
type Window struct {
	Start, End atomic.Int64
	Abort      atomic.Int64 // what is still outstanding then is given up

	Recorders []*Recorder // of the run; all are there before the load begins
}

// NewWindow makes one whose edges nobody knows yet.
func NewWindow() *Window {
	w := new(Window)
	w.Start.Store(Never)
	w.End.Store(Never)
	w.Abort.Store(Never)
	return w
}

// WindowOf is one whose edges are known beforehand.
func WindowOf(start, end int64) *Window {
	w := NewWindow()
	w.Start.Store(start)
	w.End.Store(end)
	return w
}

// Holds tells whether t is within the window.
func (w *Window) Holds(t int64) bool { return t >= w.Start.Load() && t < w.End.Load() }

// Lead is longer than a thread of a generator sleeps at a time, see tick.
const Lead = 25 * time.Millisecond
