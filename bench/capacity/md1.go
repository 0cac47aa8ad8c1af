package capacity

import "math"

// The queue M/D/1, Poisson arrivals before one server that takes the same time
// for each, is what a search is calibrated by: dyno serve --engine
// null,service=1ms is one. Loads are between 0 and 1, and the service time is
// the unit of time unless it is given.

// MD1Mean returns the mean time in the system: the formula of Pollaczek and
// Khinchine.
func MD1Mean(load float64) float64 { return 1 + load/(2*(1-load)) }

// MD1Within returns the probability that a request is at most t in the system.
//
// Erlang's formula of 1909 is an alternating sum that loses all its digits
// beyond some service times. Franx (2001) has one whose terms are positive: a
// request waits k services and a part u of one at most if, when 1−u have
// passed, no more than k are in the queue of those who were there and those
// who have come since.
func MD1Within(load, t float64) float64 {
	wait := t - 1
	if wait < 0 {
		return 0
	}
	k := int(wait)
	since := load * (1 - (wait - float64(k)))
	queue := md1Queue(load, k)
	p, poisson := 0.0, math.Exp(-since)
	for j := 0; j <= k; j++ {
		p += queue[k-j] * poisson
		poisson *= since / float64(j+1)
	}
	return p
}

// md1Queue returns the probabilities that at most 0 … k requests wait, besides
// the one that is served.
func md1Queue(load float64, k int) []float64 {
	arrive := make([]float64, k+3) // during a service, that many or more
	p, sum := math.Exp(-load), 0.0
	none := p
	for n := range arrive {
		arrive[n] = 1 - sum
		sum += p
		p *= load / float64(n+1)
	}
	// In the chain of what departing requests leave behind, as many go up past
	// n as come down to n−1 (Ramaswami 1988); nothing is subtracted.
	system := make([]float64, k+2)
	system[0] = 1 - load
	queue := make([]float64, k+1)
	below := system[0]
	for n := 1; n <= k+1; n++ {
		up := system[0] * arrive[n]
		for i := 1; i < n; i++ {
			up += system[i] * arrive[n-i+1]
		}
		system[n] = up / none
		below += system[n]
		queue[n-1] = below
	}
	return queue
}

// MD1Percentile returns the time in the system that p per cent stay within.
func MD1Percentile(load, p float64) float64 {
	low, high := 1.0, 2.0
	for MD1Within(load, high) < p/100 {
		low, high = high, 2*high
	}
	for high-low > 1e-6*high {
		if mid := (low + high) / 2; MD1Within(load, mid) < p/100 {
			low = mid
		} else {
			high = mid
		}
	}
	return high
}

// MD1Rate returns the highest rate per second, for a service time in seconds,
// at which p per cent of the requests stay within the limit in seconds; 0 if
// there is none.
func MD1Rate(service, p, limit float64) float64 {
	if limit < service {
		return 0
	}
	low, high := 0.0, 1.0
	for high-low > 1e-6 {
		if mid := (low + high) / 2; MD1Within(mid, limit/service) > p/100 {
			low = mid
		} else {
			high = mid
		}
	}
	return low / service
}
