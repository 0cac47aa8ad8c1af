package record

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/dynobench/dyno/results"
)

// points returns the steps of a closed loop's series without histograms.
func points(t *testing.T, s *series, length int64) []results.Point {
	t.Helper()
	p, err := s.Points(length, false, false)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// column takes one figure of each step.
func column(points []results.Point, of func(results.Point) int64) []int64 {
	var c []int64
	for _, p := range points {
		c = append(c, of(p))
	}
	return c
}

func sentOf(p results.Point) int64    { return p.Sent }
func backlogOf(p results.Point) int64 { return p.Backlog }
func doneOf(p results.Point) int64    { return p.Done }

// What is known of a request only at its end is told in the steps where it
// happened, however long ago.
func TestSentAndBacklog(t *testing.T) {
	r := NewRecorder(WindowOf(1000*ms, 1500*ms), 1, 1)
	at := func(kind Kind, intended, sent, done int64) {
		r.Record(&Outcome{Kind: kind, Intended: (1000 + intended) * ms, Sent: (1000 + sent) * ms, Done: (1000 + done) * ms})
	}
	at(Answered, -50, -40, 30)         // due and sent before the window
	at(Answered, -50, 20, 40)          // due before, sent within: never a part of the backlog
	at(Answered, 10, 20, 60)           // within a step
	at(Answered, 10, 250, 300)         // waits over two steps' ends
	at(Answered, 120, 199, 390)        // sent in the step in which it is due, answered much later
	at(FailedConnect, 130, -1000, 240) // not sent, given up
	at(TimedOut, 140, -1000, 340)      // connecting until it was given up
	at(Answered, 350, 600, 700)        // sent after the window
	at(NeverSent, 360, -1000, 500)     // never
	at(TimedOut, 450, 460, 20000)      // outstanding at the end
	at(Answered, 550, 560, 570)        // due after the window
	at(WrongStatus, 499, 500-1, 500)   // due and sent at the last moment
	at(NeverSent, 499, -1000, 500)     // due at the last moment
	got, err := r.Series.Points(500*ms, true, false)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]int64{2, 1, 1, 0, 2}, column(got, sentOf)); diff != "" {
		t.Errorf("sent: %s", diff)
	}
	if diff := cmp.Diff([]int64{1, 3, 1, 2, 3}, column(got, backlogOf)); diff != "" {
		t.Errorf("backlog: %s", diff)
	}
	if diff := cmp.Diff([]int64{3, 0, 0, 2, 0}, column(got, doneOf)); diff != "" {
		t.Errorf("done: %s", diff)
	}
	for _, p := range points(t, &r.Series, 500*ms) {
		if p.Backlog != 0 {
			t.Errorf("a backlog of %d in a closed loop", p.Backlog)
		}
	}
}

// A window that was cut short ends within a step: what waits then is in the
// backlog of that step.
func TestBacklogOfAPartOfAStep(t *testing.T) {
	r := NewRecorder(WindowOf(0, 250*ms), 1, 1)
	r.Record(&Outcome{Kind: NeverSent, Intended: 210 * ms, Done: 250 * ms})
	r.Record(&Outcome{Intended: 220 * ms, Sent: 260 * ms, Done: 270 * ms})
	got, err := r.Series.Points(250*ms, true, false)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]int64{0, 0, 2}, column(got, backlogOf)); diff != "" {
		t.Error(diff)
	}
}

// Whatever the requests and however they are spread over threads, the series
// has the figures that one gets by looking at each step's requests.
func TestSeriesIsTheSumOfItsRequests(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const steps = 8
		start, length := int64(1000*ms), steps*SeriesStep
		window := WindowOf(start, start+length)
		threads := rapid.IntRange(1, 3).Draw(t, "threads")
		var recs []*Recorder
		for range threads {
			recs = append(recs, NewRecorder(window, 1, 1))
		}
		n := rapid.IntRange(0, 60).Draw(t, "requests")
		var all []Outcome
		for range n {
			o := Outcome{Kind: Kind(rapid.IntRange(0, int(kinds)-1).Draw(t, "kind"))}
			o.Intended = start + rapid.Int64Range(-2*SeriesStep, length+SeriesStep).Draw(t, "intended")
			o.Sent = o.Intended + rapid.Int64Range(0, 4*SeriesStep).Draw(t, "wait")
			o.Done = o.Sent + rapid.Int64Range(1, 4*SeriesStep).Draw(t, "service")
			all = append(all, o)
			recs[rapid.IntRange(0, threads-1).Draw(t, "thread")].Record(&o)
		}
		for _, r := range recs[1:] {
			recs[0].add(r)
		}
		got, err := recs[0].Series.Points(length, true, true)
		if err != nil {
			t.Fatal(err)
		}
		for i, p := range got {
			from, to := start+int64(i)*SeriesStep, start+int64(i+1)*SeriesStep
			var sent, backlog int64
			for _, o := range all {
				left := o.Sent
				if o.Kind == NeverSent || o.Kind == FailedConnect {
					left = o.Done
				} else if o.Sent >= from && o.Sent < to {
					sent++
				}
				if o.Intended >= start && o.Intended < to && left >= to {
					backlog++
				}
			}
			if p.Sent != sent || p.Backlog != backlog {
				t.Fatalf("step %d: sent %d, backlog %d, want %d and %d", i, p.Sent, p.Backlog, sent, backlog)
			}
			if p.Done == 0 {
				continue
			}
			h, err := results.DecodeHistogram(p.Histogram)
			if err != nil {
				t.Fatal(err)
			}
			if h.TotalCount() != p.Done {
				t.Fatalf("step %d: %d latencies of %d answers", i, h.TotalCount(), p.Done)
			}
			if off := float64(h.Max())/1e3 - p.MaxUS; math.Abs(off) > 0.02*p.MaxUS+1 {
				t.Fatalf("step %d: the highest latency is %v µs, in the histogram %v", i, p.MaxUS, float64(h.Max())/1e3)
			}
		}
	})
}

// A step's histogram has the percentiles of what was recorded, to two digits.
func TestStepHistogram(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	var s series
	whole := results.NewHistogram()
	for at := int64(0); at < 100*ms; at += 10000 {
		latency := int64(rng.ExpFloat64() * 1e6)
		s.answer(at, latency, false)
		results.RecordNS(whole, latency)
	}
	got, err := s.Points(100*ms, false, true)
	if err != nil {
		t.Fatal(err)
	}
	h, err := results.DecodeHistogram(got[0].Histogram)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range []float64{10, 50, 90, 99, 99.9} {
		want, is := float64(whole.ValueAtQuantile(p)), float64(h.ValueAtQuantile(p))
		if math.Abs(is-want) > 0.015*want {
			t.Errorf("p%v is %v, want %v", p, is, want)
		}
	}
	if len(got[0].Histogram) > 2500 {
		t.Errorf("a step takes %d bytes", len(got[0].Histogram))
	}
}

// What one request costs the recorder, at 50,000 a second: alone, with a line
// of progress, kept in a journal.
func BenchmarkRecord(b *testing.B) {
	for _, c := range []struct {
		name string
		with func(r *Recorder)
	}{
		{"alone", func(*Recorder) {}},
		{"progress", func(r *Recorder) { r.Live.Next = 0 }},
		{"journal", func(r *Recorder) { r.Journal = new(Journal).Add(1) }},
	} {
		b.Run(c.name, func(b *testing.B) {
			r := NewRecorder(WindowOf(0, 1<<60), 1, 64)
			c.with(r)
			o := Outcome{}
			at := int64(0)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				at += 20000
				o.Intended, o.Ready, o.Acted, o.Sent = at, at, at+100, at+200
				o.Done, o.Conn = at+100000+int64(i&1023)*500, i&63
				r.Record(&o)
			}
		})
	}
}
