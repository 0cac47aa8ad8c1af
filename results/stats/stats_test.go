package stats

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func near(a, b, tolerance float64) bool {
	return math.Abs(a-b) <= tolerance*max(1, math.Abs(a), math.Abs(b))
}

var positive = rapid.Float64Range(1e-6, 1e9)

func sample(t *rapid.T, label string, least int) []float64 {
	return rapid.SliceOfN(positive, least, 12).Draw(t, label)
}

func TestCentresOfKnownSamples(t *testing.T) {
	x := []float64{9, 1, 4}
	for _, c := range []struct {
		name      string
		got, want float64
	}{
		{"median odd", Median(x), 4},
		{"median even", Median([]float64{4, 1, 2, 100}), 3},
		{"mean", Mean(x), 14.0 / 3},
		{"trimmed by nothing", TrimmedMean(x, 0), 14.0 / 3},
		{"trimmed by a fifth of ten", TrimmedMean([]float64{1000, 1, 2, 3, 4, 5, 6, 7, 8, -900}, 0.2), 4.5},
		{"variance", Variance([]float64{2, 4, 4, 4, 5, 5, 7, 9}), 32.0 / 7},
	} {
		if !near(c.got, c.want, 1e-12) {
			t.Errorf("%s: %v, want %v", c.name, c.got, c.want)
		}
	}
	if !slices.Equal(x, []float64{9, 1, 4}) {
		t.Errorf("the sample was changed: %v", x)
	}
	for name, got := range map[string]float64{
		"median of nothing": Median(nil), "mean of nothing": Mean(nil), "trimmed mean of nothing": TrimmedMean(nil, 0.2),
		"variance of one": Variance([]float64{1}),
	} {
		if !math.IsNaN(got) {
			t.Errorf("%s is %v, want NaN", name, got)
		}
	}
}

func TestCentresLieWithinTheSample(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x := sample(t, "x", 1)
		lo, hi := slices.Min(x), slices.Max(x)
		for name, c := range map[string]float64{
			"median": Median(x), "mean": Mean(x), "trimmed": TrimmedMean(x, 0.2),
		} {
			if c < lo*(1-1e-12) || c > hi*(1+1e-12) {
				t.Fatalf("%s %v outside of %v … %v", name, c, lo, hi)
			}
		}
	})
}

func TestIntervalsKnowTheirLimits(t *testing.T) {
	for _, x := range [][]float64{nil, {1}, {1, 2}, {1, 2, 0}, {1, 2, -3}, {1, 2, math.NaN()}, {1, 2, math.Inf(1)}} {
		if r := Welch(x, []float64{1, 2, 3}, 0.95, Noise{}); r.Known || r.P != 1 || r.POver() != 1 || !math.IsInf(r.Detectable(0.01, 0.8), 1) {
			t.Errorf("Welch(%v, …) claims to know: %+v", x, r)
		}
	}
	for _, x := range [][]float64{nil, {1}, {1, 0}, {1, -3}, {1, math.Inf(1)}} {
		if e := Centre(x); !math.IsNaN(e.Spread()) {
			t.Errorf("Centre(%v) has a spread: %+v", x, e)
		}
	}
	if e := Centre([]float64{4, 1, 2}); e.N != 3 || e.Centre != 2 || e.Lo != 1 || e.Hi != 4 || !near(e.Spread(), 1, 1e-12) {
		t.Errorf("%+v", e)
	}
}

func TestWelchIsSymmetricAndScales(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := sample(t, "a", 3), sample(t, "b", 3)
		between := rapid.Float64Range(0, 0.3).Draw(t, "between")
		noise := Noise{Variance: 2 * between * between, DF: float64(rapid.IntRange(0, 9).Draw(t, "df"))}
		r, back := Welch(a, b, 0.95, noise), Welch(b, a, 0.95, noise)
		if !near(r.Lo*back.Hi, 1, 1e-6) || !near(r.P, back.P, 1e-9) {
			t.Fatalf("not symmetric: %+v against %+v", r, back)
		}
		if r.Lo > r.Ratio || r.Ratio > r.Hi {
			t.Fatalf("ratio outside of its interval: %+v", r)
		}
		k := rapid.Float64Range(0.1, 10).Draw(t, "k")
		scaled := slices.Clone(a)
		for i := range scaled {
			scaled[i] *= k
		}
		if s := Welch(scaled, b, 0.95, noise); !near(s.Ratio, r.Ratio*k, 1e-9) || !near(s.SE, r.SE, 1e-6) {
			t.Fatalf("scaling by %v: %+v against %+v", k, s, r)
		}
		more := noise
		more.Variance += 0.01
		if wider := Welch(a, b, 0.95, more); wider.SE < r.SE {
			t.Fatalf("more noise between runs narrowed the error: %v, was %v", wider.SE, r.SE)
		}
	})
}

func TestWelchByHand(t *testing.T) {
	e := math.Exp
	r := Welch([]float64{e(1), e(2), e(3)}, []float64{e(-1), e(0), e(1)}, 0.95, Noise{})
	// difference 2, se √(2/3), df 4, t 2.449, two-sided p 0.0705
	if !near(math.Log(r.Ratio), 2, 1e-9) || !near(r.SE, math.Sqrt(2.0/3), 1e-9) || !near(r.DF, 4, 1e-9) || !near(r.P, 0.0705, 1e-3) || !near(r.POver(), 0.03524, 1e-3) {
		t.Errorf("%+v", r)
	}
	same := Welch([]float64{5, 5, 5}, []float64{5, 5, 5}, 0.95, Noise{})
	if same.P != 1 || !near(same.Lo, 1, 1e-12) || !near(same.Hi, 1, 1e-12) {
		t.Errorf("equal figures: %+v", same)
	}
	if other := Welch([]float64{6, 6, 6}, []float64{5, 5, 5}, 0.95, Noise{}); other.P > 1e-20 || !near(other.Lo, 1.2, 1e-9) {
		t.Errorf("constant, different figures: %+v", other)
	}
	if known := Welch([]float64{6, 6, 6}, []float64{5, 5, 5}, 0.95, Noise{Variance: 2 * 0.05 * 0.05}); !near(known.SE, 0.05*math.Sqrt2, 1e-9) || known.DF < beyondT || known.P < 0.009 || known.P > 0.011 {
		t.Errorf("only the part between runs: %+v", known)
	}
}

func TestHolm(t *testing.T) {
	got := Holm([]float64{0.01, 0.04, 0.03, 0.005})
	for i, want := range []float64{0.03, 0.06, 0.06, 0.02} {
		if !near(got[i], want, 1e-12) {
			t.Fatalf("Holm: %v", got)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		p := rapid.SliceOf(rapid.Float64Range(0, 1)).Draw(t, "p")
		a := Holm(p)
		for i := range p {
			if a[i] < p[i] || a[i] > min(1, p[i]*float64(len(p)))+1e-15 {
				t.Fatalf("p %v became %v among %d", p[i], a[i], len(p))
			}
			for j := range p {
				if p[i] < p[j] && a[i] > a[j] {
					t.Fatalf("order changed: %v to %v", p, a)
				}
			}
		}
	})
}

func TestClopperPearson(t *testing.T) {
	lo, hi := ClopperPearson(5, 100, 0.95) // textbook: 0.0164 … 0.1128
	if !near(lo, 0.0164, 1e-3) || !near(hi, 0.1128, 1e-3) {
		t.Errorf("%v … %v", lo, hi)
	}
	if lo, hi := ClopperPearson(0, 10, 0.95); lo != 0 || !near(hi, 0.3085, 1e-3) {
		t.Errorf("none of ten: %v … %v", lo, hi)
	}
	if lo, hi := ClopperPearson(10, 10, 0.95); hi != 1 || !near(lo, 0.6915, 1e-3) {
		t.Errorf("ten of ten: %v … %v", lo, hi)
	}
}

// draw returns n lognormal values around centre.
func draw(r *rand.Rand, n int, centre, sd float64) []float64 {
	x := make([]float64, n)
	for i := range x {
		x[i] = centre * math.Exp(r.NormFloat64()*sd)
	}
	return x
}

// TestCoverage simulates: an interval that says 95 % must hold the truth so
// often, not less, and not so much more that it wastes trials.
func TestCoverage(t *testing.T) {
	const rounds = 1500
	for _, n := range []int{3, 5, 10} {
		r := rand.New(rand.NewPCG(1, uint64(n)))
		ratio, between := 0, 0
		for range rounds {
			if w := Welch(draw(r, n, 12, 0.1), draw(r, n, 10, 0.02), 0.95, Noise{}); w.Lo <= 1.2 && 1.2 <= w.Hi {
				ratio++
			}
			a, b := math.Exp(r.NormFloat64()*0.1), math.Exp(r.NormFloat64()*0.1)
			if w := Welch(draw(r, n, 12*a, 0.03), draw(r, n, 10*b, 0.03), 0.95, Noise{Variance: 2 * 0.1 * 0.1}); w.Lo <= 1.2 && 1.2 <= w.Hi {
				between++
			}
		}
		for name, hits := range map[string]int{"Welch": ratio, "Welch with a part between runs": between} {
			lo, hi := ClopperPearson(hits, rounds, 0.999)
			if hi < 0.945 || lo > 0.985 {
				t.Errorf("n=%d, %s: covers %.4f … %.4f, says 0.95", n, name, lo, hi)
			}
		}
	}
}

// TestNoncentral holds the power of the t-test against published values (Cohen
// 1988, table 2.3: one-sided 5 %, two samples of 20, d = 0.8: 0.80) and against
// the normal distribution.
func TestNoncentral(t *testing.T) {
	if got := exceeds(quantileT(0.95, 38), 0.8*math.Sqrt(10), 38); !near(got, 0.80, 0.01) {
		t.Errorf("Cohen's table says 0.80, this %v", got)
	}
	if got := exceeds(1.96, 2.8, math.Inf(1)); !near(got, 0.7995, 1e-3) {
		t.Errorf("normal: %v", got)
	}
	for _, df := range []float64{2, 3, 5, 10, 100} {
		c := quantileT(0.995, df)
		d := effect(0.8, func(d float64) float64 { return exceeds(c, d, df) })
		if got := exceeds(c, d, df); !near(got, 0.8, 1e-3) || d < c/2 {
			t.Errorf("df %v: an effect of %v has the power %v", df, d, got)
		}
	}
}

// TestDetectableHoldsItsPower plants what a comparison says that it detects: it
// must be found four times in five, by comparisons like those that said so.
func TestDetectableHoldsItsPower(t *testing.T) {
	const rounds, alpha = 1200, 0.01
	for _, n := range []int{3, 5, 10} {
		r := rand.New(rand.NewPCG(2, uint64(n)))
		var said []float64
		for range rounds {
			said = append(said, Welch(draw(r, n, 1, 0.05), draw(r, n, 1, 0.05), 0.99, Noise{}).Detectable(alpha, 0.8))
		}
		found := 0
		change := 1 + Median(said)
		for range rounds {
			if Welch(draw(r, n, change, 0.05), draw(r, n, 1, 0.05), 0.99, Noise{}).POver() <= alpha/2 {
				found++
			}
		}
		if lo, hi := ClopperPearson(found, rounds, 0.999); hi < 0.8 || lo > 0.86 {
			t.Errorf("n=%d: a change of %.1f %% is found with %.3f … %.3f, says 0.8", n, 100*(change-1), lo, hi)
		}
	}
}

// TestNoiseOfIsStudents divides a log ratio by the noise that others show, one of
// which may have changed: the quotient must not be beyond Student's quantile more
// often than that allows, nor much less often, where none has.
func TestNoiseOfIsStudents(t *testing.T) {
	const rounds = 40000
	for _, n := range []int{3, 5, 9, 12, 20} {
		for _, p := range []float64{0.01, 0.001} {
			r := rand.New(rand.NewPCG(3, uint64(n)))
			beyond, changed := 0, 0
			limit := quantileT(1-p/2, NoiseOf(make([]float64, n)).DF)
			for range rounds {
				x := make([]float64, n)
				for i := range x {
					x[i] = 0.1 * r.NormFloat64()
				}
				own := 0.1 * r.NormFloat64()
				test := func() bool {
					return math.Abs(own) > limit*math.Sqrt(NoiseOf(x).Variance)
				}
				if test() {
					beyond++
				}
				if x[0] += 5; test() {
					changed++
				}
			}
			if lo, hi := ClopperPearson(beyond, rounds, 0.999); lo > p || hi < p/3 {
				t.Errorf("%d others: beyond the quantile of %v with %.5f … %.5f", n, p, lo, hi)
			}
			if lo, _ := ClopperPearson(changed, rounds, 0.999); lo > p {
				t.Errorf("%d others, one changed: beyond the quantile of %v with %.5f at least", n, p, lo)
			}
		}
	}
}
