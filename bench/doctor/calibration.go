package doctor

import (
	"math"
	"slices"

	"github.com/dynobench/dyno/results"
)

// calibration is what trials are held against later.
func (m *measurements) calibration() *results.Calibration {
	c := &results.Calibration{Connections: connections}
	for _, s := range m.ceiling {
		c.CeilingWindowsRPS = append(c.CeilingWindowsRPS, s.Load.ThroughputRPS)
	}
	c.CeilingRPS = median(c.CeilingWindowsRPS)
	c.GeneratorCPUUSPerRequest = m.middle(func(s *seen) float64 { return s.Load.GeneratorCPUUSPerRequest })
	c.GeneratorBusy = m.middle(func(s *seen) float64 { return s.Load.GeneratorCPUUtilisation })
	c.ServerBusy = m.middle(func(s *seen) float64 { return s.server })
	c.FloorP50US, c.FloorP99US = m.floor.Load.LatencyUS.P50, m.floor.Load.LatencyUS.P99
	for _, s := range m.pacing {
		c.Pacing = append(c.Pacing, results.Pacing{
			RateRPS: s.Load.RateRPS, SentRPS: sent(&s), LagUS: s.Load.GeneratorLagUS,
			LatencyP50US: s.Load.LatencyUS.P50, LatencyP99US: s.Load.LatencyUS.P99,
		})
	}
	return c
}

// middle is the median of a figure over the windows of the ceiling.
func (m *measurements) middle(of func(*seen) float64) float64 {
	var v []float64
	for i := range m.ceiling {
		v = append(v, of(&m.ceiling[i]))
	}
	return median(v)
}

// sent is the rate at which requests of the window left, whatever came back.
func sent(s *seen) float64 {
	if s.Load.DurationS == 0 {
		return 0
	}
	e := s.Load.Errors
	return float64(s.Load.Requests+e.Read+e.Write+e.Timeout) / s.Load.DurationS
}

func median(v []float64) float64 {
	if len(v) == 0 {
		return 0
	}
	v = slices.Sorted(slices.Values(v))
	return (v[(len(v)-1)/2] + v[len(v)/2]) / 2
}

// student is the 97.5th percentile of Student's t with four degrees of
// freedom, those of two times three values.
const student = 2.776

// resolution is the smallest difference, as a share, that two targets of as
// many trials as there are windows could show at 95 %, if their trials were as
// noisy as these windows: Student's interval for the difference of two means of
// n logarithms, each of the standard deviation s that was seen here,
//
//	exp(t·s·√(2/n)) − 1
//
// Only three windows stand behind s, so that it may well be half or twice that.
func resolution(windows []float64) float64 {
	n := float64(len(windows))
	if n < 2 {
		return math.NaN()
	}
	mean, squares := 0.0, 0.0
	for _, v := range windows {
		mean += math.Log(v) / n
	}
	for _, v := range windows {
		squares += (math.Log(v) - mean) * (math.Log(v) - mean)
	}
	return math.Expm1(student * math.Sqrt(squares/(n-1)) * math.Sqrt(2/n))
}
