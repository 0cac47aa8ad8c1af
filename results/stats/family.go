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
