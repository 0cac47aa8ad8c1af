package record

import (
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dynobench/dyno/results"
)

const ms = int64(1e6)

// Every request due in the window is in exactly one place, none due outside is
// in any.
func TestRecorderAccounts(t *testing.T) {
	r := NewRecorder(WindowOf(1000*ms, 2000*ms), 2, 3)
	for k := range kinds {
		for range int(k) + 1 {
			r.Record(&Outcome{Kind: k, Class: int(k) % 2, Conn: 1, Intended: 1500 * ms, Sent: 1501 * ms, Done: 1510 * ms, Bytes: 7})
		}
	}
	for _, intended := range []int64{0, 1000*ms - 1, 2000 * ms, 3000 * ms} {
		r.Record(&Outcome{Intended: intended, Done: 5000 * ms})
	}
	want := results.Errors{Status: 2, Body: 3, Connect: 4, Read: 5, Write: 6, Timeout: 7, Unsent: 8}
	if r.Errors() != want || r.Answers() != 6 || r.Kinds[CutShort] != 9 || r.Total != 45 || r.Bytes != 6*7 {
		t.Errorf("%+v, %d answers of %d, %d bytes", r.Errors(), r.Answers(), r.Total, r.Bytes)
	}
	// Lost connections have no latency; vain waits have.
	if n := r.Latency.TotalCount(); n != 6+7+8+9+2 { // and two had begun before the window and lasted beyond it
		t.Errorf("%d latencies", n)
	}
	if n := r.Service.TotalCount(); n != 6 {
		t.Errorf("%d service times", n)
	}
	if a, e := r.Classes[0].Answers+r.Classes[1].Answers, r.Classes[0].Errors+r.Classes[1].Errors; a != 6 || e != want.Total() {
		t.Errorf("by class %d answers and %d errors", a, e)
	}
	if want := (results.WholeRun{Answered: 6, Failed: 5 + 6 + 7, Cut: 9}); r.Run != want {
		t.Errorf("of the whole run %+v, expected %+v", r.Run, want)
	}
	if r.Conns[1] != 6 || r.Conns[0] != 0 {
		t.Errorf("by connection %v", r.Conns)
	}
}

func TestCoarseBuckets(t *testing.T) {
	last := -1
	for v := int64(0); v < 1<<62; v += 1 + v/100 {
		i := coarse(v)
		if i < last || i >= coarseBuckets {
			t.Fatalf("bucket %d of %d follows %d", i, v, last)
		}
		last = i
		if off := coarseValue(i) - v; max(off, -off)*64 > v+64 {
			t.Fatalf("%d is told as %d", v, coarseValue(i))
		}
	}
}

// Merged series are the series of all that was merged: percentiles come from
// the counts of all threads together, in whatever order things came.
func TestSeriesMerge(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var one series
	var parts [3]series
	for at := int64(0); at < 1050*ms; at += 20000 {
		latency := int64(rng.ExpFloat64() * 1e6)
		one.answer(at, latency, at%7 == 0)
		parts[rng.IntN(3)].answer(at, latency, at%7 == 0)
	}
	one.fail(1020 * ms)
	parts[0].fail(1020 * ms)
	parts[1].add(&parts[2])
	parts[0].add(&parts[1])
	want := points(t, &one, 1050*ms)
	if diff := cmp.Diff(want, points(t, &parts[0], 1050*ms)); diff != "" {
		t.Error(diff)
	}
	if len(want) != 11 || want[0].Done != 5000 || want[10].Done != 2500 || want[3].TS != 0.3 {
		t.Errorf("%+v", want)
	}
	if p := want[2]; p.P50US < 600 || p.P50US > 800 || p.P99US < 4000 || p.P99US > 5500 {
		t.Errorf("percentiles of an exponential distribution with mean 1 ms: %+v", p)
	}
}

// Steps that nothing fell into are there, and hold nothing.
func TestSeriesGap(t *testing.T) {
	var s series
	s.answer(20*ms, 5, false)
	s.answer(420*ms, 7, false)
	s.answer(390*ms, 9, false) // late by a step
	var done []int64
	for _, p := range points(t, &s, 500*ms) {
		done = append(done, p.Done)
	}
	if diff := cmp.Diff([]int64{1, 0, 0, 0, 2}, done); diff != "" {
		t.Error(diff)
	}
}

func TestSendLagIsSplit(t *testing.T) {
	r := NewRecorder(WindowOf(0, 100*ms), 1, 1)
	// Due at 10, a connection free at 30, acted on at 31, connected and sent at 40.
	r.Record(&Outcome{Intended: 10 * ms, Ready: 30 * ms, Acted: 31 * ms, Sent: 40 * ms, Done: 60 * ms})
	for name, h := range map[string][2]int64{
		"latency": {r.Latency.Max(), 50 * ms}, "service": {r.Service.Max(), 20 * ms},
		"send lag": {r.SendLag.Max(), 30 * ms}, "own lag": {r.OwnLag.Max(), 1 * ms},
	} {
		if off := h[0] - h[1]; max(off, -off) > h[1]/500 {
			t.Errorf("%s is %d, expected %d", name, h[0], h[1])
		}
	}
}
