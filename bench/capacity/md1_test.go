package capacity

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestMD1 compares the formulas with each other, with cases that are plain,
// and with the recursion itself.
func TestMD1(t *testing.T) {
	near := func(what string, got, want, within float64) {
		t.Helper()
		if !(math.Abs(got-want) <= within*want) {
			t.Errorf("%s: %v, want %v", what, got, want)
		}
	}
	for _, load := range []float64{0.1, 0.5, 0.8, 0.9, 0.95} {
		near("nobody waits with the probability 1−ρ", MD1Within(load, 1), 1-load, 1e-9)
		// The mean is the area above the distribution function.
		mean, last := 1.0, 0.0
		const step = 0.02
		for t0 := 1 + step/2; last < 1-1e-6; t0 += step {
			within := MD1Within(load, t0)
			if within < last {
				t.Fatalf("load %v: the probability falls from %v to %v at %v", load, last, within, t0)
			}
			last = within
			mean += (1 - within) * step
		}
		near("Pollaczek–Khinchine", mean, MD1Mean(load), 1e-3)
	}
	// Erlang's own sum, where it still has its digits.
	for _, load := range []float64{0.3, 0.6, 0.9} {
		for _, t0 := range []float64{1.5, 2, 2.75, 4.2} {
			wait, p, sign, fact := t0-1, 0.0, 1.0, 1.0
			for j := 0; j <= int(wait); j++ {
				x := load * (wait - float64(j))
				p += sign * math.Pow(x, float64(j)) / fact * math.Exp(x)
				sign, fact = -sign, fact*float64(j+1)
			}
			near("Erlang 1909", MD1Within(load, t0), (1-load)*p, 1e-9)
		}
	}
	r := rand.New(rand.NewPCG(1, 2))
	for _, load := range []float64{0.5, 0.8} {
		at, free, sum := 0.0, 0.0, 0.0
		sojourn := make([]float64, 2_000_000)
		for i := range sojourn {
			at += r.ExpFloat64() / load
			free = max(at, free) + 1
			sojourn[i] = free - at
			sum += free - at
		}
		slices.Sort(sojourn)
		near("Pollaczek–Khinchine", sum/float64(len(sojourn)), MD1Mean(load), 0.02)
		for _, p := range []float64{50, 90, 99} {
			near("percentile", sojourn[int(float64(len(sojourn))*p/100)], MD1Percentile(load, p), 0.03)
		}
	}
	near("p99 < 10 services", MD1Percentile(MD1Rate(1e-3, 99, 10e-3)*1e-3, 99), 10, 1e-3)
	if got := MD1Rate(1e-3, 99, 0.5e-3); got != 0 {
		t.Errorf("a limit below the service time is kept at %v/s", got)
	}
}
