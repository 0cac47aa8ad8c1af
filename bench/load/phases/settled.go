package phases

import (
	"math"
)

// settled tells from the answers of successive slices when the queue before a
// server has settled, which takes it longer than the rate: that is the offered
// one at once. The zero value needs a rate.
//
// A queue that starts empty comes close to its mean with the time constant
// 1/(μ(1−√ρ)²) of M/M/1 (Odoni and Roth, Operations Research 31, 1983; other
// queues are as slow, but for a factor near 1). With as many requests waiting as
// are waited for on average, L, that is about 4 L (L+1) requests. How long L is
// shows in the warm-up itself; its largest value so far counts, since a queue
// that happens to be short says little.
type settled struct {
	rate    float64 // offered, per ns
	slices  int
	answers []int64
	spent   []int64 // by their latencies
	longest float64 // requests waiting, averaged over half of the warm-up so far
	slowest float64 // latency, likewise
}

// How long a queue is given, of what is estimated from a few busy periods and is
// too little as often as too much; settled_test.go tells what comes of it.
const (
	constants = 4.0  // time constants
	latencies = 20.0 // mean latencies
)

// needs is how many ns the queue is to be given, by what has been seen.
func (s *settled) needs() float64 {
	return max(constants*4*s.longest*(s.longest+1)/s.rate, latencies*s.slowest)
}

// slice reports one slice: its answers and the sum of their latencies in ns. It
// tells whether the queue has settled, or never will.
func (s *settled) slice(answers, spent int64) bool {
	s.slices++
	s.answers, s.spent = append(s.answers, answers), append(s.spent, spent)
	idle := 0.0 // what a request takes that waits for nothing: the quickest slice
	for i, n := range s.answers {
		if mean := float64(s.spent[i]) / float64(max(n, 1)); n > 0 && (idle == 0 || mean < idle) {
			idle = mean
		}
	}
	half := s.slices / 2
	waited, n := 0.0, int64(0)
	for i := half; i < s.slices; i++ {
		waited += float64(s.spent[i]) - idle*float64(s.answers[i])
		n += s.answers[i]
	}
	if n == 0 {
		return false
	}
	all := 0.0
	for _, ns := range s.spent[half:] {
		all += float64(ns)
	}
	s.longest = max(s.longest, waited/float64(n)*s.rate)
	s.slowest = max(s.slowest, all/float64(n))
	return float64(s.slices)*float64(slice) >= s.needs() || s.overrun()
}

// overrun tells that the server does not keep up: there is no mean to wait for.
func (s *settled) overrun() bool {
	if s.slices < steadySlices {
		return false
	}
	due := s.rate * float64(steadySlices*slice)
	for _, n := range s.answers[s.slices-steadySlices:] {
		due -= float64(n)
	}
	whole := s.rate * float64(steadySlices*slice)
	return due > steadySpread*whole+3*math.Sqrt(whole)
}
