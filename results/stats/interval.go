package stats

import (
	"math"
	"slices"
	"sync"

	"gonum.org/v1/gonum/integrate/quad"
	"gonum.org/v1/gonum/stat/distuv"
)

// Estimate is what a few trials say about one target: their median and how far
// they reach. It is no interval of confidence: the trials of a run share the
// drift of the host, which moves all targets alike, so such an interval is
// wider than what tells two targets apart. Blocks compares them.
type Estimate struct {
	N      int     // trials
	Centre float64 // their median; NaN without trials
	Lo, Hi float64 // the lowest and the highest; NaN without trials
}

// Centre returns the median of x and its range.
func Centre(x []float64) Estimate {
	e := Estimate{N: len(x), Centre: Median(x), Lo: math.NaN(), Hi: math.NaN()}
	if len(x) > 0 {
		e.Lo, e.Hi = slices.Min(x), slices.Max(x)
	}
	return e
}

// Spread returns half the range of the trials as a share, on the log scale:
// 0.03 where they lie within ±3 %. It is NaN for fewer than two trials, or
// values without a logarithm.
func (e Estimate) Spread() float64 {
	if e.N < 2 || !(e.Lo > 0) || math.IsInf(e.Hi, 1) {
		return math.NaN()
	}
	return math.Sqrt(e.Hi/e.Lo) - 1
}

// Ratio is what two samples say about the ratio of their centres.
type Ratio struct {
	N, D   int     // trials of the numerator and of the denominator
	Ratio  float64 // of the medians; NaN if one of them is missing
	Lo, Hi float64 // the interval, meaningful if Known
	Log    float64 // difference of the mean logarithms: what the interval and the test are about
	SE, DF float64 // its standard error and degrees of freedom
	Within float64 // Welch: the variance of Log that the spread of the trials alone accounts for
	P      float64 // two-sided probability of a log ratio this far from 0 if there were no difference; 1 unless Known
	Known  bool    // false with fewer than MinTrials on a side, or values without a logarithm
}

// Noise is by how much two runs of an unchanged target differ: something was
// drawn once for all trials of a run, and the trials cannot tell. The zero value
// is for trials that were interleaved.
type Noise struct {
	Variance float64 // of the logarithm of the ratio of two runs
	Trials   float64 // the part of it that stems from the spread of trials, on average
	DF       float64 // degrees of freedom that Variance was estimated with; 0 if it is given
}

// SD is the standard deviation of one run on the log scale.
func (n Noise) SD() float64 { return math.Sqrt(n.Variance / 2) }

// Bar is how far a log ratio has to be from none to be told from this noise alone
// at the two-sided level alpha.
func (n Noise) Bar(alpha float64) float64 {
	df := n.DF
	if df == 0 {
		df = math.Inf(1)
	}
	return quantileT(1-alpha/2, df) * math.Sqrt(n.Variance)
}

// trim is the share of log ratios that NoiseOf leaves out.
const trim = 0.2

// NoiseOf estimates the noise between two runs from the log ratios of several
// targets, of which most did not change: the mean square of the fifth that moved
// farthest left out, made up for what leaving it out takes away. A ratio divided
// by the square root is Student's t with the degrees of freedom that are said,
// in the far tails, too (the tests simulate it).
func NoiseOf(logs []float64) Noise {
	n := len(logs)
	squares := make([]float64, n)
	for i, v := range logs {
		squares[i] = v * v
	}
	slices.Sort(squares)
	cut := int(trim * float64(n))
	kept := n - cut
	return Noise{Variance: Mean(squares[:kept]) / smallest(n, kept), DF: float64(n - 2*cut)}
}

// smallest returns the mean of the k smallest of n squares of a standard normal
// variable, on average.
func smallest(n, k int) float64 {
	if n == k {
		return 1
	}
	type sizes struct{ n, k int }
	if v, ok := smallestOf.Load(sizes{n, k}); ok {
		return v.(float64)
	}
	sum := 0.0
	for i := 1; i <= k; i++ {
		place := distuv.Beta{Alpha: float64(i), Beta: float64(n - i + 1)} // of the i-th smallest, as a share
		sum += quad.Fixed(func(u float64) float64 {
			z := distuv.UnitNormal.Quantile((1 + u) / 2)
			return z * z * place.Prob(u)
		}, 0, 1, 100, nil, 0)
	}
	smallestOf.Store(sizes{n, k}, sum/float64(k))
	return sum / float64(k)
}

var smallestOf sync.Map // of sizes

// Welch compares num with den by Welch's test on the logarithms and returns
// the ratio with an interval of the given confidence. The noise between runs is
// added to what the trials show, unless it holds that already; the degrees of
// freedom are Satterthwaite's, so that a noise which is known badly asks for
// more.
func Welch(num, den []float64, confidence float64, noise Noise) Ratio {
	r := Ratio{N: len(num), D: len(den), Ratio: Median(num) / Median(den), P: 1}
	ln, okn := logs(num)
	ld, okd := logs(den)
	if !okn || !okd || r.N < MinTrials || r.D < MinTrials {
		return r
	}
	r.Known = true
	vn, vd := Variance(ln)/float64(r.N), Variance(ld)/float64(r.D)
	within := vn + vd
	doubt := 0.0 // the denominator of Satterthwaite's
	if within > 0 {
		df := within * within / (vn*vn/float64(r.N-1) + vd*vd/float64(r.D-1))
		within = max(0, within-noise.Trials)
		doubt = within * within / df
	}
	v := noise.Variance + within
	if noise.DF > 0 {
		doubt += noise.Variance * noise.Variance / noise.DF
	}
	r.Within = vn + vd
	r.SE = math.Sqrt(v)
	diff := Mean(ln) - Mean(ld)
	r.Log = diff
	if v == 0 { // equal figures on each side: nothing left to doubt
		r.DF = float64(r.N + r.D - 2)
		r.Lo, r.Hi = min(r.Ratio, math.Exp(diff)), max(r.Ratio, math.Exp(diff))
		if diff != 0 {
			r.P = 0
		}
		return r
	}
	r.DF = v * v / doubt // +Inf if only a given noise is left
	r.P = 2 * SurvivalT(math.Abs(diff)/r.SE, r.DF)
	half := quantileT(1-(1-confidence)/2, r.DF) * r.SE
	r.Lo = min(math.Exp(diff-half), r.Ratio)
	r.Hi = max(math.Exp(diff+half), r.Ratio)
	return r
}

// POver returns the one-sided probability of seeing the numerator this far
// above the denominator if it were not; 1 unless Known.
func (r Ratio) POver() float64 {
	switch {
	case !r.Known:
		return 1
	case r.Log >= 0:
		return r.P / 2
	default:
		return 1 - r.P/2
	}
}

// Detectable returns the minimum detectable effect: the smallest change that a
// comparison of this standard error finds with the given power when it tests at
// the two-sided level alpha, 0.2 for a growth by 20 %. It is +Inf unless Known.
func (r Ratio) Detectable(alpha, power float64) float64 {
	if !r.Known {
		return math.Inf(1)
	}
	critical := quantileT(1-alpha/2, r.DF)
	return math.Expm1(effect(power, func(d float64) float64 { return exceeds(critical, d, r.DF) }) * unbiased(r.SE, r.DF))
}

// Above returns how far above a bound the truth must lie, on the log scale, for
// the estimate to exceed the bound with the given probability.
func (r Ratio) Above(probability float64) float64 {
	if !r.Known {
		return math.Inf(1)
	}
	return quantileT(probability, r.DF) * unbiased(r.SE, r.DF)
}

// beyondT is the number of degrees of freedom from which Student's
// distribution is taken for the normal one; they differ by less than 0.1 % in
// the quantiles in use.
const beyondT = 1e4

// quantileT returns the p quantile of Student's t with df degrees of freedom.
func quantileT(p, df float64) float64 {
	if !(df < beyondT) {
		return distuv.UnitNormal.Quantile(p)
	}
	return distuv.StudentsT{Mu: 0, Sigma: 1, Nu: df}.Quantile(p)
}

// SurvivalT returns the probability that Student's t exceeds x.
func SurvivalT(x, df float64) float64 {
	if !(df < beyondT) {
		return distuv.UnitNormal.Survival(x)
	}
	return distuv.StudentsT{Mu: 0, Sigma: 1, Nu: df}.Survival(x)
}
