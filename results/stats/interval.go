package stats

import (
	"math"
	"slices"

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

// Spread returns half of the way from the lowest to the highest trial as a
// share, on the log scale: 0.03 where they lie within ±3 %. It is NaN for fewer
// than two trials, or values without a logarithm.
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
	P      float64 // two-sided probability of a log ratio this far from 0 if there were no difference; 1 unless Known
	Known  bool    // false with fewer than MinTrials on a side, or values without a logarithm
}

// Welch compares num with den by Welch's test on the logarithms and returns
// the ratio with an interval of the given confidence.
//
// between is a standard deviation on the log scale that each side carries on
// top of what its trials show, because something was drawn once for all of
// them: two runs are measured at two times, and the trials of one run cannot
// tell how the hour differs. It enters the standard error in quadrature as
// known, so it also raises the degrees of freedom. It is 0 for trials that
// were interleaved.
func Welch(num, den []float64, confidence, between float64) Ratio {
	r := Ratio{N: len(num), D: len(den), Ratio: Median(num) / Median(den), P: 1}
	ln, okn := logs(num)
	ld, okd := logs(den)
	if !okn || !okd || r.N < MinTrials || r.D < MinTrials {
		return r
	}
	r.Known = true
	vn, vd := Variance(ln)/float64(r.N), Variance(ld)/float64(r.D)
	v := vn + vd + 2*between*between
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
	r.DF = v * v / (vn*vn/float64(r.N-1) + vd*vd/float64(r.D-1)) // +Inf if only between is left
	r.P = 2 * survivalT(math.Abs(diff)/r.SE, r.DF)
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

// Detectable returns the smallest change that a comparison with this standard
// error finds with the given power when it tests at the two-sided level alpha:
// 0.2 for a growth by 20 %. It is +Inf unless Known.
func (r Ratio) Detectable(alpha, power float64) float64 {
	if !r.Known {
		return math.Inf(1)
	}
	return math.Expm1((quantileT(1-alpha/2, r.DF) + quantileT(power, r.DF)) * r.SE)
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

// survivalT returns the probability that Student's t exceeds x.
func survivalT(x, df float64) float64 {
	if !(df < beyondT) {
		return distuv.UnitNormal.Survival(x)
	}
	return distuv.StudentsT{Mu: 0, Sigma: 1, Nu: df}.Survival(x)
}
