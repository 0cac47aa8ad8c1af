package load

import (
	"math"
	"math/rand/v2"
)

// A schedule is the sequence of arrivals of the open model: when each is due
// and of which class it is. It is a pure function of rate, arrivals and seed;
// it knows no clock and no server. Several threads share one by each taking
// every stride-th arrival, so that the sequence as a whole does not depend on
// their number.
//
// It is a position, not a queue: requests that wait to be sent take no memory.
type schedule struct {
	arrivals Arrivals
	gap      float64 // mean, in ns
	mix      mix
	gaps     rand.PCG
	sum      float64 // Poisson: ns from the start to arrival k
	k        int64   // arrivals before the current one
	stride   int64
	class    int
}

// The streams that are drawn from one seed.
const (
	streamGaps = iota
	streamClasses
	streamWarmup // plus the others
)

// newSchedule returns the schedule whose current arrival is the first that
// belongs to thread i of n.
func newSchedule(c *Config, stream uint64, i, n int) *schedule {
	s := &schedule{
		arrivals: c.Arrivals, gap: 1e9 / c.Rate,
		gaps: *rand.NewPCG(c.Seed, stream+streamGaps), mix: newMix(c, stream),
		stride: int64(n),
	}
	s.draw()
	s.skip(i)
	return s
}

// due is the current arrival: ns from the start of the schedule, and class.
func (s *schedule) due() (ns int64, class int) {
	if s.arrivals == Poisson {
		return int64(s.sum), s.class
	}
	return int64(float64(s.k) * s.gap), s.class // not a running sum: rounding must not add up
}

// next goes on to the thread's next arrival.
func (s *schedule) next() { s.skip(int(s.stride)) }

func (s *schedule) skip(n int) {
	for range n {
		s.k++
		s.draw()
	}
}

// draw draws the gap before the current arrival and its class. A constant
// schedule starts with an arrival, a Poisson process with a gap.
func (s *schedule) draw() {
	if s.arrivals == Poisson {
		s.sum += s.gap * exponential(s.gaps.Uint64())
	}
	s.class = s.mix.draw()
}

// exponential turns 64 random bits into an exponential variate of mean 1.
func exponential(bits uint64) float64 {
	u := (float64(bits>>11) + 0.5) / (1 << 53) // in (0, 1)
	return -math.Log(u)
}

// A mix chooses classes at random by weight.
type mix struct {
	bounds []uint64 // sums of the weights so far
	bits   rand.PCG
}

func newMix(c *Config, stream uint64) mix {
	m := mix{bits: *rand.NewPCG(c.Seed, stream+streamClasses)}
	sum := uint64(0)
	for _, r := range c.Requests {
		sum += uint64(r.Weight)
		m.bounds = append(m.bounds, sum)
	}
	return m
}

func (m *mix) draw() int {
	if len(m.bounds) == 1 {
		return 0
	}
	// Scaling 32 random bits favours a class by less than 2⁻³² of all requests.
	x := (m.bits.Uint64() >> 32) * m.bounds[len(m.bounds)-1] >> 32
	i := 0
	for x >= m.bounds[i] {
		i++
	}
	return i
}
