package workload

// A Draw is all that a request is made from.
type Draw struct {
	Number int64  // of the request among those of its class, from 0
	Row    int    // of the data
	Bits   uint64 // its random bits: all others are made of these
}

// word returns 64 random bits, others for each i. The generator is SplitMix64
// (Steele, Lea and Flood, 2014), which needs no state to get to the i-th.
func (d Draw) word(i uint64) uint64 { return mix(d.Bits + (i+1)*golden) }

const golden = 0x9e3779b97f4a7c15

// mix is SplitMix64's finaliser, a bijection.
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// Order is how requests take the rows of the data.
type Order string

// The orders. Sequence is the default.
const (
	Sequence Order = "sequence" // one after another; behind the last comes the first again
	Random   Order = "random"   // each equally likely for every request, drawn from the seed
)

// Orders are the known ones.
func Orders() []string { return []string{string(Sequence), string(Random)} }

// A Source deals the draws of one thread, class by class.
//
// Numbers, and with them rows in sequence, count through the whole run, warm-up
// included: among the requests of a class no two have the same number, whatever
// the threads. A single thread deals them without a gap. Thread i of n deals i,
// i + n, i + 2n and so on, so that several threads, which never proceed quite
// alike, leave gaps among the last numbers, and the rows they take are in
// sequence only for each of them.
//
// Random bits depend on the seed, the class and how many requests of the class
// were dealt since the window began, and on nothing else: every server is asked
// the same in the window, however fast it was in the warm-up, which has random
// bits of its own.
type Source struct {
	seed     uint64
	rows     int
	random   bool
	thread   int64
	threads  int64
	counters []counter
}

type counter struct {
	number int64  // of the next draw, in the run
	since  int64  // the same, from the beginning of the window or the warm-up
	base   uint64 // of the random bits
}

// The streams that are drawn from one seed, beside those of the schedule.
const (
	streamWindow = iota
	streamWarmup
)

// NewSource returns the source of thread i of n for a run with so many classes.
// data may be nil. It begins in the warm-up.
func NewSource(seed uint64, data *Data, order Order, classes, i, n int) Source {
	s := Source{seed: seed, random: order == Random, thread: int64(i), threads: int64(n), counters: make([]counter, classes)}
	if data != nil {
		s.rows = data.Rows()
	}
	for c := range s.counters {
		s.counters[c].number = s.thread
	}
	s.stream(streamWarmup)
	return s
}

// Window says that the measured window begins.
func (s *Source) Window() { s.stream(streamWindow) }

func (s *Source) stream(stream uint64) {
	for i := range s.counters {
		c := &s.counters[i]
		c.since = s.thread
		c.base = mix(mix(s.seed) + uint64(i)<<8 + stream)
	}
}

// Next deals the next draw of a class.
func (s *Source) Next(class int) Draw {
	c := &s.counters[class]
	// A bijection of the number: no two requests of a class have the same bits.
	d := Draw{Number: c.number, Bits: mix(c.base + uint64(c.since)*golden)}
	switch {
	case s.rows == 0:
	case s.random:
		d.Row = int(below(d.word(0), uint64(s.rows)))
	default:
		d.Row = int(c.number % int64(s.rows))
	}
	c.number += s.threads
	c.since += s.threads
	return d
}
