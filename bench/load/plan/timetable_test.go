package plan

import (
	"cmp"
	"math"
	"slices"
	"sort"
	"testing"
)

func scheduled(arrivals Arrivals, rate float64, seed uint64, weights ...int) *Config {
	c := &Config{Model: Open, Arrivals: arrivals, Rate: rate, Seed: seed}
	for _, w := range weights {
		c.Requests = append(c.Requests, Request{Weight: w})
	}
	return c
}

type arrival struct {
	due   int64
	class int
}

func take(s *Timetable, n int) []arrival {
	var all []arrival
	for range n {
		due, class := s.Due()
		all = append(all, arrival{due, class})
		s.Next()
	}
	return all
}

// The schedule is a function of the seed, and the number of threads that share
// it does not change it.
func TestScheduleIsShared(t *testing.T) {
	for name, config := range map[string]func(seed uint64) *Config{
		"constant": func(seed uint64) *Config { return scheduled(Constant, 1000, seed, 1, 3) },
		"poisson":  func(seed uint64) *Config { return scheduled(Poisson, 1000, seed, 1, 3) },
		"ramp":     func(seed uint64) *Config { return shaped(t, Constant, "100..5000", seed, 1, 3) },
		"bursts":   func(seed uint64) *Config { return shaped(t, Poisson, "0@90ms,5000@10ms", seed, 1, 3) },
		"recorded": func(seed uint64) *Config {
			c := scheduled(Recorded, 1000, seed, 1, 3)
			c.Trace, c.Speed = evenly(3000), 1.5
			return c
		},
	} {
		c := config(7)
		whole := take(NewTimetable(c, 0, 0, 1), 3000)
		if !slices.Equal(whole, take(NewTimetable(c, 0, 0, 1), 3000)) {
			t.Errorf("%s: the same seed gave two schedules", name)
		}
		if !slices.IsSortedFunc(whole, func(a, b arrival) int { return cmp.Compare(a.due, b.due) }) {
			t.Errorf("%s: the arrivals do not ascend", name)
		}
		for threads := 2; threads <= 3; threads++ {
			var parts []arrival
			for i := range threads {
				parts = append(parts, take(NewTimetable(c, 0, i, threads), 3000/threads)...)
			}
			slices.SortFunc(parts, func(a, b arrival) int { return int(a.due - b.due) })
			if !slices.Equal(whole[:len(parts)], parts) {
				t.Errorf("%s: %d threads have another schedule than one", name, threads)
			}
		}
		if other := take(NewTimetable(config(8), 0, 0, 1), 3000); slices.Equal(whole, other) {
			t.Errorf("%s: the seed makes no difference", name)
		}
	}
}

func TestConstantDoesNotDrift(t *testing.T) {
	s := NewTimetable(scheduled(Constant, 3, 1, 1), 0, 0, 1)
	s.skip(3e6)
	if due, _ := s.Due(); due != 1e6*1e9 {
		t.Errorf("arrival 3,000,000 at 3/s is due at %d ns", due)
	}
}

// The gaps of a Poisson process are exponential: Kolmogorov and Smirnov's
// distance from that distribution stays below its 0.1 % bound. The seed is
// fixed, so the test cannot fail by chance.
func TestPoissonGaps(t *testing.T) {
	const n, rate = 20000, 500.0
	all := take(NewTimetable(scheduled(Poisson, rate, 3, 1), 0, 0, 1), n)
	gaps, last := make([]float64, n), int64(0)
	for i, a := range all {
		gaps[i] = float64(a.due-last) / 1e9
		last = a.due
	}
	if mean := float64(last) / 1e9 / n; math.Abs(mean*rate-1) > 3/math.Sqrt(n) {
		t.Errorf("mean gap %v s, expected %v s", mean, 1/rate)
	}
	sort.Float64s(gaps)
	distance := 0.0
	for i, g := range gaps {
		f := 1 - math.Exp(-g*rate)
		distance = max(distance, math.Abs(f-float64(i)/n), math.Abs(f-float64(i+1)/n))
	}
	if bound := 1.95 / math.Sqrt(n); distance > bound {
		t.Errorf("distance %v from the exponential distribution, bound %v", distance, bound)
	}
}

func TestMixKeepsWeights(t *testing.T) {
	const n = 100000
	m := NewMix(scheduled(Constant, 1, 5, 99, 1), 0)
	seen := [2]int{}
	for range n {
		seen[m.Draw()]++
	}
	if sd := math.Sqrt(n * 0.01 * 0.99); math.Abs(float64(seen[1])-n*0.01) > 4*sd {
		t.Errorf("a class of weight 1 in 100 was drawn %d times of %d", seen[1], n)
	}
}
