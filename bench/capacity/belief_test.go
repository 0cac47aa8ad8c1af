package capacity

import (
	"math"
	"math/rand/v2"
	"slices"
	"sort"
	"testing"

	"pgregory.net/rapid"

	"github.com/dynobench/dyno/internal/testkit"
	"github.com/dynobench/dyno/results/stats"
)

// window is one probe of a simulated server: whether it keeps an objective of
// p99 < limit at the rate, from so many arrivals.
type window func(r *rand.Rand, rate float64) bool

// gigc simulates a queue of c servers by the recursion of Kiefer and
// Wolfowitz, in seconds, from a run of d seconds after a tenth of it.
func gigc(c int, d float64, gap, service func(*rand.Rand) float64, limit float64) window {
	return func(r *rand.Rand, rate float64) bool {
		free := slices.Repeat([]float64{-d}, c)
		n, over := 0, 0
		for at := -d / 10; ; {
			at += gap(r) / rate
			if at >= d {
				break
			}
			first := 0
			for i := range free {
				if free[i] < free[first] {
					first = i
				}
			}
			leaves := max(at, free[first]) + service(r)
			free[first] = leaves
			if at >= 0 {
				n++
				if leaves-at >= limit {
					over++
				}
			}
		}
		return float64(over) < 0.01*float64(n)
	}
}

func poisson(r *rand.Rand) float64 { return r.ExpFloat64() }

func always(s float64) func(*rand.Rand) float64 { return func(*rand.Rand) float64 { return s } }

func exponential(s float64) func(*rand.Rand) float64 {
	return func(r *rand.Rand) float64 { return s * r.ExpFloat64() }
}

// lognormal has the coefficient of variation cv.
func lognormal(s, cv float64) func(*rand.Rand) float64 {
	v := math.Log(1 + cv*cv)
	return func(r *rand.Rand) float64 { return s * math.Exp(math.Sqrt(v)*r.NormFloat64()-v/2) }
}

// edge is a server that keeps the objective below a limit and misses it above,
// with a mood: a factor of the limit drawn for each window.
func edge(limit float64, mood func(*rand.Rand) float64) window {
	return func(r *rand.Rand, rate float64) bool { return rate < limit*mood(r) }
}

// bisected runs the bisection alone for n probes.
func bisected(w window, r *rand.Rand, guess float64, n int) (estimate, low, high float64) {
	b := newBelief(guess)
	for i := range n {
		rate := round(b.ask(i))
		b.tell(rate, w(r, rate))
	}
	low, high = b.interval()
	return b.quantile(0.5), low, high
}

// truth finds the rate at which half of the windows keep the objective, by
// plain bisection with thousands of them: what a search estimates.
func truth(w window, low, high float64) float64 {
	r := rand.New(rand.NewPCG(99, 99))
	for range 9 {
		mid := math.Sqrt(low * high)
		kept := 0
		for range 400 {
			if w(r, mid) {
				kept++
			}
		}
		if kept > 200 {
			low = mid
		} else {
			high = mid
		}
	}
	return math.Sqrt(low * high)
}

// TestBisection runs 200 simulated searches on each of several servers and bounds
// the distribution of their errors and how often the interval holds the truth.
// Where theory knows the limit of an endless window it is compared with that.
func TestBisection(t *testing.T) {
	if testkit.Race {
		t.Skip("arithmetic of one goroutine, ten times slower with the race detector")
	}
	const searches = 200
	mm1 := 1000 - math.Log(100)/0.030 // P(T>t) = exp(−(μ−λ)t) for μ = 1000/s and 30 ms
	drifting := func() window {
		n := 0
		return func(r *rand.Rand, rate float64) bool {
			n++
			return rate < 1000*(1+0.05*math.Sin(float64(n)/5))*math.Exp(0.03*r.NormFloat64())
		}
	}
	for _, c := range []struct {
		name     string
		window   func() window
		guess    float64 // what the closed loop says, in the mean
		truth    float64 // 0: found by simulation
		probes   int
		median   float64 // bounds of the relative error: of the median search,
		ninetyFf float64 // and of 95 %
	}{
		{"M/D/1 of 250 µs, p99 < 5 ms", func() window { return gigc(1, 2, poisson, always(250e-6), 5e-3) }, 4000, MD1Rate(250e-6, 99, 5e-3), 16, 0.02, 0.05},
		{"M/D/1 of 250 µs, p99 < 2.5 ms", func() window { return gigc(1, 2, poisson, always(250e-6), 2.5e-3) }, 4000, MD1Rate(250e-6, 99, 2.5e-3), 16, 0.02, 0.05},
		// Where a window holds few busy periods, most windows are better than
		// the endless one: the rare long periods make the difference.
		{"M/D/1 of 1 ms, p99 < 20 ms", func() window { return gigc(1, 2, poisson, always(1e-3), 20e-3) }, 1000, MD1Rate(1e-3, 99, 20e-3), 16, 0.045, 0.09},
		{"M/D/1 of 1 ms, half of the windows", func() window { return gigc(1, 2, poisson, always(1e-3), 20e-3) }, 1000, 0, 16, 0.025, 0.07},
		{"M/M/1, p99 < 30 ms", func() window { return gigc(1, 4, poisson, exponential(1e-3), 30e-3) }, 1000, mm1, 16, 0.045, 0.10},
		{"D/D/1 with moods of ±10 %", func() window {
			return edge(1000, func(r *rand.Rand) float64 { return math.Exp(0.1 * r.NormFloat64()) })
		}, 1000, 1000, 16, 0.03, 0.09},
		{"an edge", func() window { return edge(777, always(1)) }, 1000, 777, 12, 0.01, 0.02},
		{"an edge with one window in ten wrong", func() window {
			return func(r *rand.Rand, rate float64) bool { return (rate < 777) != (r.Float64() < 0.1) }
		}, 1000, 777, 16, 0.02, 0.15},
		{"drift", drifting, 1000, 1000, 16, 0.04, 0.08},
		{"G/G/4", func() window { return gigc(4, 2, lognormal(1, 0.7), lognormal(4e-3, 1.5), 80e-3) }, 1000, 0, 15, 0.03, 0.09},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			want := c.truth
			if want == 0 {
				want = truth(c.window(), c.guess/2, c.guess)
			}
			var off []float64
			held, sum := 0, 0.0
			for i := range searches {
				r := rand.New(rand.NewPCG(uint64(i), 7))
				guess := c.guess * math.Exp(0.1*r.NormFloat64()) // the closed loop has moods, too
				estimate, low, high := bisected(c.window(), r, guess, c.probes)
				off = append(off, math.Abs(estimate/want-1))
				sum += math.Log(estimate / want)
				if low <= want && want <= high {
					held++
				}
			}
			sort.Float64s(off)
			median, most := off[searches/2], off[searches*95/100]
			cover := float64(held) / searches
			t.Logf("limit %.0f/s: error %.1f %% in the median, %.1f %% at most in 95 %% of the searches, bias %+.1f %%; the interval holds it in %.0f %%",
				want, 100*median, 100*most, 100*sum/searches, 100*cover)
			if median > c.median || most > c.ninetyFf {
				t.Errorf("errors of %.3f in the median and %.3f in 95 %%, want at most %.3f and %.3f", median, most, c.median, c.ninetyFf)
			}
			if _, high := stats.ClopperPearson(held, searches, 0.99); high < confidence {
				t.Errorf("the interval of 95 %% holds the truth in %d of %d searches", held, searches)
			}
		})
	}
}

func TestBeliefStaysOne(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := newBelief(rapid.Float64Range(1, 1e6).Draw(t, "guess"))
		for range rapid.IntRange(0, 12).Draw(t, "probes") {
			b.tell(rapid.Float64Range(0.01, 1e7).Draw(t, "rate"), rapid.Bool().Draw(t, "kept"))
		}
		last := 0.0
		for _, p := range []float64{0.001, 0.025, 0.16, 0.5, 0.84, 0.975, 0.999} {
			q := b.quantile(p)
			if math.IsNaN(q) || q <= 0 || q < last {
				t.Fatalf("quantile %v is %v after %v", p, q, last)
			}
			last = q
		}
		if s := b.spread(); s < spreads[0] || s > spreads[len(spreads)-1] {
			t.Fatalf("spread %v", s)
		}
	})
}

func TestRound(t *testing.T) {
	for rate, want := range map[float64]float64{1: 1, 812.3: 810, 12345: 12400, 0.3333: 0.335, 2.04: 2.05, 199.9: 200, 9960: 10000, 1007: 1000, 1011: 1020} {
		if got := round(rate); got != want {
			t.Errorf("round(%v) = %v, want %v", rate, got, want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		rate := rapid.Float64Range(1e-3, 1e7).Draw(t, "rate")
		if got := round(rate); math.Abs(got/rate-1) > 0.0131 || round(got) != got {
			t.Fatalf("round(%v) = %v, and of that %v", rate, got, round(got))
		}
	})
}
