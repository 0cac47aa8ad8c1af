package phases

import (
	"math"

	"github.com/dynobench/dyno/bench/load/record"
)

// The warm-up is over when the rate was the same in a few successive slices.
const (
	slice        = record.SeriesStep // ns
	steadySlices = 4
	steadySpread = 0.05 // each slice is this close to their mean, chance apart
)

// steady tells from the number of answers in successive slices when the rate
// has settled. The zero value is ready for use.
type steady struct {
	counts [steadySlices]float64
	n      int
}

// slice reports one slice and tells whether the last ones agree. Small counts
// may differ by chance: three standard deviations of a Poisson count are
// allowed on top.
func (s *steady) slice(answers int64) bool {
	s.counts[s.n%steadySlices] = float64(answers)
	if s.n++; s.n < steadySlices {
		return false
	}
	mean := 0.0
	for _, c := range s.counts {
		mean += c / steadySlices
	}
	if mean == 0 {
		return false
	}
	allowed := steadySpread*mean + 3*math.Sqrt(mean)
	for _, c := range s.counts {
		if math.Abs(c-mean) > allowed {
			return false
		}
	}
	return true
}
