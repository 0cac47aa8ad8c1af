package stats

import (
	"math"

	"gonum.org/v1/gonum/stat/distuv"
)

// exceeds returns the probability that Student's noncentral t with df degrees
// of freedom and the noncentrality delta exceeds c: the power of a one-sided
// test with the critical value c, where the truth is delta standard errors.
func exceeds(c, delta, df float64) float64 {
	if !(df < beyondT) {
		return distuv.UnitNormal.Survival(c - delta)
	}
	return 1 - distuv.NoncentralT{Nu: df, Mu: delta}.CDF(c)
}

// effect returns the smallest effect in standard errors at which a test has the
// power; of is its power at an effect, and grows with it.
func effect(power float64, of func(delta float64) float64) float64 {
	lo, hi := 0.0, 1.0
	for of(hi) < power && hi < 1e6 {
		lo, hi = hi, 2*hi
	}
	for range 20 {
		if mid := (lo + hi) / 2; of(mid) < power {
			lo = mid
		} else {
			hi = mid
		}
	}
	return hi
}

// unbiased corrects a standard error that was estimated with df degrees of
// freedom so that it is too low as often as too high. With two of them it is
// too low in 63 of 100 cases else, and what is said to be detectable with it.
func unbiased(se, df float64) float64 {
	if !(df < beyondT) {
		return se
	}
	return se / math.Sqrt(distuv.ChiSquared{K: df}.Quantile(0.5)/df)
}
