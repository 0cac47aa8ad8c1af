package stats

import (
	"slices"

	"gonum.org/v1/gonum/stat/distuv"
)

// Holm returns the p-values adjusted for having asked all of them at once, in
// the order given: rejecting those at or below α keeps the probability of one
// or more false alarms at or below α, however the questions depend on each
// other (Holm 1979). It does not change p.
func Holm(p []float64) []float64 {
	order := make([]int, len(p))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		switch {
		case p[a] < p[b]:
			return -1
		case p[a] > p[b]:
			return 1
		}
		return 0
	})
	adjusted := make([]float64, len(p))
	highest := 0.0
	for rank, i := range order {
		highest = max(highest, min(1, p[i]*float64(len(p)-rank)))
		adjusted[i] = highest
	}
	return adjusted
}

// Best returns which of the samples may be the one with the lowest centre, and
// the index of the one with the lowest median, -1 if there is none. For the
// highest, hand in reciprocals.
//
// A sample drops out if some other one lies below it beyond doubt, by Welch's
// one-sided test at (1−confidence)/(k−1) for k samples. So the truly lowest is
// kept with at least the given confidence, though the leader was chosen by
// looking at the same data: the multiple comparison with the best (Hsu 1981),
// with Bonferroni's bound in place of Dunnett's. Samples without an interval
// can neither drop out nor push out.
func Best(samples [][]float64, confidence float64) (may []bool, leader int) {
	may = make([]bool, len(samples))
	leader = -1
	known := 0
	for i, s := range samples {
		may[i] = true
		if _, ok := logs(s); !ok || len(s) < MinTrials {
			continue
		}
		known++
		if leader < 0 || Median(s) < Median(samples[leader]) {
			leader = i
		}
	}
	if known < 2 {
		return may, leader
	}
	alpha := (1 - confidence) / float64(known-1)
	for i := range samples {
		for j := range samples {
			if i != j && i != leader && Welch(samples[i], samples[j], confidence, 0).POver() <= alpha {
				may[i] = false
				break
			}
		}
	}
	return may, leader
}

// ClopperPearson returns the exact interval of the given confidence for a
// probability that showed k times in n trials. It panics unless 0 ≤ k ≤ n and
// n > 0.
func ClopperPearson(k, n int, confidence float64) (lo, hi float64) {
	if k < 0 || n <= 0 || k > n {
		panic("stats: k of n needs 0 ≤ k ≤ n and n > 0")
	}
	tail := (1 - confidence) / 2
	lo, hi = 0, 1
	if k > 0 {
		lo = distuv.Beta{Alpha: float64(k), Beta: float64(n - k + 1)}.Quantile(tail)
	}
	if k < n {
		hi = distuv.Beta{Alpha: float64(k + 1), Beta: float64(n - k)}.Quantile(1 - tail)
	}
	return lo, hi
}
