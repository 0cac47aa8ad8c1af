package plan

import (
	"math"
	"math/rand/v2"

	"github.com/dynobench/dyno/scenarios/workload"
)

// A Timetable is the sequence of arrivals of the open model: when each is due
// and of which class it is. It is a pure function of rate, arrivals and seed,
// or of a trace; it knows no clock and no server. Several threads share one by
// each taking every stride-th arrival, so that the sequence as a whole does not
// depend on their number.
//
// A rate that changes is Λ, the number of requests due by a moment. Constant
// arrivals are those where Λ is a whole number. Poisson ones are a Poisson
// process of rate 1 taken through Λ⁻¹, which makes it one of the changing rate
// (Çinlar, Introduction to Stochastic Processes, 1975, chapter 4; the
// time-rescaling theorem is the same read backwards: Brown et al., Neural
// Computation 14, 2002). Thinning (Lewis and Shedler, 1979) would draw for the
// highest rate all the time, and differ in all arrivals after any change.
//
// It is a position, not a queue: requests that wait to be sent take no memory.
type Timetable struct {
	arrivals Arrivals
	gap      float64 // mean, in ns; a changing rate: of the process of rate 1
	cursor   workload.Cursor
	changing bool // the rate is the cursor's
	trace    *Trace
	among    [][]uint64
	speed    float64
	mix      Mix
	gaps     rand.PCG
	sum      float64 // Poisson: gaps from the start to arrival k
	k        int64   // arrivals before the current one
	stride   int64
	at       int64 // ns from the start to the current one
	class    int
}

// The streams that are drawn from one seed.
const (
	streamGaps = iota
	streamClasses
	StreamWarmup // plus the others
)

// NewTimetable returns the timetable whose current arrival is the first that
// belongs to thread i of n. The rate of a warm-up does not change.
func NewTimetable(c *Config, stream uint64, i, n int) *Timetable {
	s := &Timetable{
		arrivals: c.Arrivals, gap: 1e9 / c.Rate,
		gaps: *rand.NewPCG(c.Seed, stream+streamGaps), mix: NewMix(c, stream),
		stride: int64(n),
	}
	switch {
	case stream == StreamWarmup:
		s.gap = 1e9 / c.WarmupRate()
	case c.Trace != nil:
		s.trace, s.among, s.speed = c.Trace, c.among, c.Speed
	case c.curve != nil:
		s.gap, s.cursor, s.changing = 1, c.curve.Cursor(), true
	}
	s.draw()
	s.skip(i)
	return s
}

// Due is the current arrival: ns from the start of the schedule, and class.
func (s *Timetable) Due() (ns int64, class int) { return s.at, s.class }

// Next goes on to the thread's next arrival.
func (s *Timetable) Next() { s.skip(int(s.stride)) }

func (s *Timetable) skip(n int) {
	for range n {
		s.k++
		s.draw()
	}
	s.at = s.when()
}

// when is the current arrival in ns from the start.
func (s *Timetable) when() int64 {
	if s.trace != nil {
		return s.trace.at(s.k, s.speed)
	}
	x := s.sum
	if s.arrivals != Poisson {
		x = float64(s.k) * s.gap // not a running sum: rounding must not add up
	}
	if s.changing {
		return s.cursor.Time(x)
	}
	return int64(x)
}

// draw draws the gap before the current arrival and its class. A constant
// schedule starts with an arrival, a Poisson process with a gap.
func (s *Timetable) draw() {
	if s.arrivals == Poisson {
		s.sum += s.gap * exponential(s.gaps.Uint64())
	}
	s.class = s.mix.among(s.bounds())
}

// bounds are of the classes that the current arrival is drawn from.
func (s *Timetable) bounds() []uint64 {
	if s.trace != nil {
		if class := s.trace.classOf(s.k); class >= 0 {
			return s.among[class]
		}
	}
	return s.mix.bounds
}

// exponential turns 64 random bits into an exponential variate of mean 1.
func exponential(bits uint64) float64 {
	u := (float64(bits>>11) + 0.5) / (1 << 53) // in (0, 1)
	return -math.Log(u)
}

// A Mix chooses classes at random by weight.
type Mix struct {
	bounds []uint64 // sums of the weights so far
	bits   rand.PCG
}

// NewMix makes the mix of c's classes; streams of different numbers are independent.
func NewMix(c *Config, stream uint64) Mix {
	return Mix{
		bits:   *rand.NewPCG(c.Seed, stream+streamClasses),
		bounds: bounds(c.Requests, func(*Request) bool { return true }),
	}
}

// bounds are those of a mix of the requests that belong to it.
func bounds(requests []Request, belongs func(*Request) bool) []uint64 {
	var all []uint64
	sum := uint64(0)
	for i := range requests {
		if belongs(&requests[i]) {
			sum += uint64(requests[i].Weight)
		}
		all = append(all, sum)
	}
	return all
}

// Draw returns the class of the next request.
func (m *Mix) Draw() int { return m.among(m.bounds) }

// among draws by other bounds. It takes as many bits whatever they are.
func (m *Mix) among(bounds []uint64) int {
	if len(bounds) == 1 {
		return 0
	}
	// Scaling 32 random bits favours a class by less than 2⁻³² of all requests.
	x := (m.bits.Uint64() >> 32) * bounds[len(bounds)-1] >> 32
	i := 0
	for x >= bounds[i] {
		i++
	}
	return i
}
