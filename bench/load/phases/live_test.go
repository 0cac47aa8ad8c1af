package phases

import (
	"testing"
	"time"

	"github.com/dynobench/dyno/bench/load/plan"
	"github.com/dynobench/dyno/bench/load/record"
)

const ms = int64(1e6)

// What a line of progress tells comes from all threads, is of the last second,
// and counts what is due and has found no connection.
func TestProgressTellsOfAllThreads(t *testing.T) {
	window := record.WindowOf(0, 60_000*ms)
	recs := []*record.Recorder{record.NewRecorder(window, 1, 1), record.NewRecorder(window, 1, 1)}
	for _, r := range recs {
		r.Live.Next = 0
	}
	// 2000 requests a second, every other one on each thread; in the second
	// second one of them has 1 ms as before, the other 5 ms.
	for i := range int64(4000) {
		latency := ms
		if i >= 2000 && i%2 == 1 {
			latency = 5 * ms
		}
		at := i * ms / 2
		o := record.Outcome{Intended: at, Sent: at, Done: at + latency, Conn: -1}
		if i == 100 {
			o.Kind = record.WrongStatus
		}
		recs[i%2].Record(&o)
	}
	p := progress{config: &plan.Config{Model: plan.Open, Arrivals: plan.Constant, Rate: 2000, Connections: 4, Requests: make([]plan.Request, 1)}, window: window}
	for _, c := range []struct {
		at      int64
		p99     float64
		backlog int64
	}{
		// Each thread writes once a millisecond, so all but its last requests are told.
		{2003 * ms, 5e3, 3},
		{2300 * ms, 5e3, 597},      // 601 more are due, 4 of them under way
		{3100 * ms, 0, 1600 + 597}, // nothing for a second
		{3100 * ms, 0, 1600 + 597}, // asked again
	} {
		var seen plan.Progress
		p.measured(&seen, c.at)
		if !seen.Measuring || seen.Errors != 1 {
			t.Errorf("at %v: %+v", time.Duration(c.at), seen)
		}
		if off := seen.P99US - c.p99; max(off, -off) > 0.01*c.p99 {
			t.Errorf("at %v: p99 %v µs, want %v", time.Duration(c.at), seen.P99US, c.p99)
		}
		if c.p99 > 0 && (seen.P50US < 900 || seen.P50US > 1100 && seen.P50US < 4900) || c.p99 == 0 && seen.P50US != 0 {
			t.Errorf("at %v: p50 %v µs", time.Duration(c.at), seen.P50US)
		}
		if off := seen.Backlog - c.backlog; max(off, -off) > 4 {
			t.Errorf("at %v: a backlog of %d, want %d", time.Duration(c.at), seen.Backlog, c.backlog)
		}
	}
}

// A recorder that nobody asks tells nothing.
func TestLiveIsQuiet(t *testing.T) {
	r := record.NewRecorder(record.WindowOf(0, 1000*ms), 1, 1)
	for i := range int64(500) {
		r.Record(&record.Outcome{Intended: i * ms, Sent: i * ms, Done: i*ms + ms, Conn: -1})
	}
	if r.Live.Ended.Load() != 0 || r.Live.Closed.Load() != nil {
		t.Error("it does")
	}
}
