// Package stats is the arithmetic behind dyno's verdicts: centres, intervals
// over trials, ratios of two samples, corrections for asking many questions.
//
// The unit is always a trial, a fresh process: pooling requests or windows as
// if they were independent makes intervals that are far too narrow. All
// figures that dyno compares (rates, times, bytes) are positive and their
// noise is proportional, so intervals are made on logarithms; a sample that
// holds a value that is not positive and finite has no interval.
//
// The package does no I/O and imports nothing of dyno's.
package stats

import (
	"math"
	"slices"
)

// MinTrials is the fewest trials that an interval is made from. Two trials
// give a t-interval as well, with a factor of 12.7: a number that only looks
// like knowledge.
const MinTrials = 3

// Median returns the middle of x, the mean of the two middle values when
// their number is even, NaN when x is empty. It does not change x.
func Median(x []float64) float64 {
	n := len(x)
	if n == 0 {
		return math.NaN()
	}
	s := slices.Sorted(slices.Values(x))
	return s[(n-1)/2]/2 + s[n/2]/2
}

// Mean returns the arithmetic mean of x, NaN when x is empty.
func Mean(x []float64) float64 {
	if len(x) == 0 {
		return math.NaN()
	}
	sum := 0.0
	for _, v := range x {
		sum += v / float64(len(x))
	}
	return sum
}

// TrimmedMean returns the mean of x without the share trim of its values at
// each end, rounded down: 0 is the mean. It panics unless 0 ≤ trim < 0.5, and
// returns NaN when x is empty.
func TrimmedMean(x []float64, trim float64) float64 {
	if !(trim >= 0 && trim < 0.5) {
		panic("stats: trim must be at least 0 and below 0.5")
	}
	s := slices.Sorted(slices.Values(x))
	cut := int(trim * float64(len(s)))
	return Mean(s[cut : len(s)-cut])
}

// Variance returns the unbiased variance of x, NaN for fewer than two values.
func Variance(x []float64) float64 {
	if len(x) < 2 {
		return math.NaN()
	}
	m, sum := Mean(x), 0.0
	for _, v := range x {
		sum += (v - m) * (v - m)
	}
	return sum / float64(len(x)-1)
}

// logs returns the natural logarithms of x and whether all of them exist.
func logs(x []float64) ([]float64, bool) {
	l := make([]float64, len(x))
	for i, v := range x {
		if !(v > 0) || math.IsInf(v, 1) {
			return nil, false
		}
		l[i] = math.Log(v)
	}
	return l, true
}
