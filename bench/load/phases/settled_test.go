package phases

import (
	"math/rand/v2"
	"testing"
	"time"
)

// warmUpMM1 starts an M/M/1 queue from being empty, ends its warm-up by the
// rules of the conductor, and returns how long that took and the mean latency of
// a window behind it, as a share of the stationary mean.
func warmUpMM1(rng *rand.Rand, rho, service float64, most, window time.Duration, settling bool) (warm, share float64) {
	rate := rho / service
	type answer struct{ done, latency float64 }
	var rateSteady steady
	queue := settled{rate: rate / 1e9}
	at, free := 0.0, 0.0
	var pending []answer // by done, ascending: one server
	edge, step := 0.0, float64(slice)/1e9
	started, start, end := false, 0.0, 0.0
	sum, n := 0.0, 0
	for {
		at += rng.ExpFloat64() / rate
		for !started && at >= edge+step {
			edge += step
			var answers, spent int64
			for len(pending) > 0 && pending[0].done < edge {
				answers++
				spent += int64(pending[0].latency * 1e9)
				pending = pending[1:]
			}
			even := rateSteady.slice(answers)
			calm := queue.slice(answers, spent) || !settling
			if even && calm || edge >= most.Seconds() {
				started, start, end = true, edge, edge+window.Seconds()
			}
		}
		if started && at >= end {
			return start, sum / float64(n) / (service / (1 - rho))
		}
		free = max(at, free) + rng.ExpFloat64()*service
		if started && at >= start {
			sum, n = sum+free-at, n+1
		} else if !started {
			pending = append(pending, answer{free, free - at})
		}
	}
}

// Noise in the latencies of a server far from its limit does not hold the window
// up, nor does one that cannot keep up at all; a warm-up that is cut says so.
func TestSettled(t *testing.T) {
	const rate = 1000
	for _, test := range []struct {
		name   string
		slices int // until it is settled, 0 for never
		answer func(rng *rand.Rand, i int) (answers, spent int64)
	}{
		{"idle", 1, func(rng *rand.Rand, _ int) (int64, int64) { return 100, 100 * (200e3 + rng.Int64N(50e3)) }},
		{"slow, and waits for nothing", 10, func(*rand.Rand, int) (int64, int64) { return 100, 100 * 50e6 }},
		{"overrun", 4, func(_ *rand.Rand, i int) (int64, int64) { return 70, 70 * int64(i+1) * 30e6 }},
		{"grows", 0, func(_ *rand.Rand, i int) (int64, int64) { return 98, 98 * int64(i+4) * 5e6 }},
	} {
		rng := rand.New(rand.NewPCG(3, 4))
		s, got := settled{rate: rate / 1e9}, 0
		for i := 0; i < 50 && got == 0; i++ {
			if s.slice(test.answer(rng, i)) {
				got = i + 1
			}
		}
		if got != test.slices {
			t.Errorf("%s: settled after %d slices, expected %d", test.name, got, test.slices)
		}
	}
}

// The window of an open loop begins with a queue that is nearly what it is in the
// long run. What is left of the bias, at a tenth of the server's time to spare,
// is within a seventh; within the second that a steady rate alone takes at most
// it is a quarter.
func TestWarmUpSettles(t *testing.T) {
	for _, c := range []struct {
		rho, service float64
		most         time.Duration
		least        float64 // of the stationary mean
		longest      float64 // mean warm-up, s
	}{
		{0.5, 1e-3, 10 * time.Second, 0.97, 0.6},
		{0.7, 5e-3, 10 * time.Second, 0.93, 2},
		{0.9, 5e-3, 10 * time.Second, 0.86, 6},
		{0.9, 10e-3, 10 * time.Second, 0.86, 8},
		{0.9, 1e-3, 10 * time.Second, 0.90, 3},
	} {
		const runs = 2000
		var warm, share, without float64
		rng := rand.New(rand.NewPCG(1, 2))
		for range runs {
			w, s := warmUpMM1(rng, c.rho, c.service, c.most, 2*time.Second, true)
			warm, share = warm+w/runs, share+s/runs
			_, s = warmUpMM1(rng, c.rho, c.service, time.Second, 2*time.Second, false)
			without += s / runs
		}
		t.Logf("ρ %v, %v s each: %.2f of the stationary mean after %.2f s; by the rate alone, within 1 s, %.2f", c.rho, c.service, share, warm, without)
		if share < c.least || share > 1.08 || warm > c.longest {
			t.Errorf("ρ %v, %v s each: %.3f of the stationary mean after %.2f s; want %v at least within %v s", c.rho, c.service, share, warm, c.least, c.longest)
		}
	}
}
