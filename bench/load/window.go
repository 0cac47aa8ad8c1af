package load

import (
	"math"
	"slices"
	"sync/atomic"
	"time"
)

// All times within a run are nanoseconds of the monotonic clock since clockBase.
var clockBase = time.Now()

func now() int64 { return int64(time.Since(clockBase)) }

// wall is a variable for tests.
var wall = time.Now

// skew is how far the wall clock has been moved against the monotonic one since
// clockBase, in ns. Both are slewed alike, so that it changes when somebody sets
// the clock. Between the two readings the thread may lose its CPU: the median of
// three is free of that.
func skew() int64 {
	var seen [3]int64
	for i := range seen {
		seen[i] = wall().UnixNano() - clockBase.UnixNano() - now()
	}
	slices.Sort(seen[:])
	return seen[1]
}

// never is a time that does not come.
const never = math.MaxInt64

// A window is when requests count: from start, before end. Its edges are set
// while the load is running, always a little ahead of the clock (lead), so
// that everyone knows them when they come.
type window struct {
	start, end atomic.Int64
	abort      atomic.Int64 // what is still outstanding then is given up

	recorders []*recorder // of the run; all are there before the load begins
}

func newWindow() *window {
	w := new(window)
	w.start.Store(never)
	w.end.Store(never)
	w.abort.Store(never)
	return w
}

func (w *window) holds(t int64) bool { return t >= w.start.Load() && t < w.end.Load() }

// lead is longer than a thread of a generator sleeps at a time, see tick.
const lead = 25 * time.Millisecond
