package main

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/dynobench/dyno/bench/doctor"
	"github.com/dynobench/dyno/bench/load/plan"
	"github.com/dynobench/dyno/results"
)

// A run that went by the model is off by nothing, and one that stamps requests
// when they are sent is off by almost all.
func TestAnswer(t *testing.T) {
	const cost, calm = 10 * time.Microsecond, 100 * time.Microsecond
	for _, arrivals := range []plan.Arrivals{plan.Constant, plan.Poisson} {
		z := frozen{stop: 4*time.Second + 300*time.Microsecond, length: time.Second}
		due := slices.Collect(plan.Config{Rate: freezeRate, Arrivals: arrivals, Seed: 3, Duration: freezeWindow}.Due(0))
		var all []time.Duration
		for i, wait := range doctor.Waits(due, z.stop, z.length, cost) {
			if wait == 0 {
				wait = calm
			}
			z.requests = append(z.requests, sent{due[i], wait})
			all = append(all, wait)
		}
		z.Load = &results.Load{Requests: int64(len(due))}
		a, err := z.expect(arrivals, 3)
		if err != nil {
			t.Fatal(err)
		}
		if len(a.calm)+len(a.waits) != len(due) || (a.cost-cost).Abs() > time.Microsecond {
			t.Fatalf("%s: %d calm and %d waiting of %d, each %v", arrivals, len(a.calm), len(a.waits), len(due), a.cost)
		}
		slices.Sort(all)
		for _, q := range freezeQuantiles {
			got := all[max(0, int(q.q*float64(len(all)))-1)]
			if want, off := a.compare(q.q, got); off > 0.001 {
				t.Errorf("%s: %s is %v for %v, off by %v", arrivals, q.name, got, want, off)
			}
			if q.q > 0.9 {
				if want, off := a.compare(q.q, calm); off < 0.9 {
					t.Errorf("%s: %s as if nobody had waited is off by %v of %v only", arrivals, q.name, off, want)
				}
			}
		}
		z.requests[7].due += 2 * lateBy
		if _, err := z.expect(arrivals, 3); err == nil {
			t.Errorf("%s: a request off its schedule is taken", arrivals)
		}
		z.requests = z.requests[1:]
		if _, err := z.expect(arrivals, 3); err == nil {
			t.Errorf("%s: a missing request is not missed", arrivals)
		}
	}
}

func TestCounted(t *testing.T) {
	wrk := "  1 threads and 64 connections\n  113091 requests in 2.01s, 8.41MB read\nRequests/sec:  56404.49\n"
	h2load := "requests: 96923 total, 96987 started, 96923 done, 96923 succeeded, 0 failed, 0 errored, 0 timeout\nstatus codes: 96923 2xx, 0 3xx, 0 4xx, 0 5xx\n"
	for _, c := range []struct {
		peer, out string
		want      float64
	}{
		{"wrk", wrk, 113091},
		{"wrk", wrk + "  Socket errors: connect 0, read 3, write 0, timeout 0\n", 0},
		{"wrk", wrk + "  Non-2xx or 3xx responses: 7\n", 0},
		{"wrk", "unable to connect to 127.0.0.1:1 Connection refused\n", 0},
		{"h2load", h2load, 96923},
		{"h2load", "requests: 9 total, 9 started, 9 done, 8 succeeded, 1 failed, 0 errored, 0 timeout\n", 0},
		{"h2load", "requests: 9 total, 9 started, 9 done, 9 succeeded, 0 failed, 0 errored, 0 timeout\nstatus codes: 5 2xx, 0 3xx, 4 4xx, 0 5xx\n", 0},
	} {
		peer := map[string]client{"wrk": wrkClient, "h2load": h2loadClient}[c.peer]
		got, err := peer.count(context.Background(), bill{out: []byte(c.out)})
		if got != c.want || (err == nil) != (c.want > 0) {
			t.Errorf("%s: %v answers (%v) in %q, want %v", c.peer, got, err, c.out, c.want)
		}
	}
}

func TestSayCounts(t *testing.T) {
	var f figures
	f.say("few enough", []float64{1, 2, 9}, true, 2)
	f.say("enough", []float64{1, 2, 9}, false, 2)
	f.say("too many", []float64{1, 2, 9}, true, 1.9)
	f.say("too few", []float64{1, 2, 9}, false, 2.1)
	f.say("none", nil, true, 1)
	if f.missed != 3 {
		t.Errorf("%d missed, want 3", f.missed)
	}
}
