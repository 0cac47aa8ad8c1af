package record

import (
	"math/bits"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/dynobench/dyno/results"
)

// SeriesStep is the length of a step of the series, in ns.
const SeriesStep = int64(100 * time.Millisecond)

// A series is the window in steps. Each step has a histogram of its own,
// coarser than those of the whole window: 64 buckets an octave, so that a
// percentile is off by 0.8 % at most. The open step is an array; a closed one
// keeps the buckets that are not empty, some hundreds of bytes.
//
// Answers come in order, so that only one step is open. What was sent is told
// with the answer, which may be many steps later: flow can be added to in all
// of its steps.
type series struct {
	steps []step
	flow  []flow
	slab  []bucket // of all closed steps, in their order
	open  int      // index of the open step
	fine  [coarseBuckets]uint32
	low   int // of the buckets in use
	high  int
}

// flow is what left in a step.
type flow struct {
	sent int64
	// waiting is by how much more requests came to wait in the step than
	// ceased to. Most requests leave in the step in which they are due and
	// change nothing.
	waiting int64
}

type step struct {
	answers, errors int64
	max             int64
	first, n        int // its part of the slab
}

type bucket struct {
	index uint16
	count uint32
}

const (
	coarseBits    = 6
	coarseBuckets = (64 - coarseBits) << coarseBits
)

// coarse is the bucket of v: the octave, and its next six bits.
func coarse(v int64) int {
	if v < 1<<coarseBits {
		return int(max(v, 0))
	}
	octave := bits.Len64(uint64(v)) - coarseBits - 1
	return (octave+1)<<coarseBits + int(v>>octave) - 1<<coarseBits
}

// coarseValue is the middle of bucket i.
func coarseValue(i int) int64 {
	if i < 2<<coarseBits {
		return int64(i)
	}
	octave := i>>coarseBits - 1
	return int64(1<<coarseBits+i&(1<<coarseBits-1))<<octave + 1<<octave>>1
}

// at returns the step that t, ns from the start of the window, is in.
func (s *series) at(t int64) *step {
	i := int(max(t, 0) / SeriesStep)
	if i > s.open || len(s.steps) == 0 {
		s.close()
		for len(s.steps) <= i {
			s.steps = append(s.steps, step{})
		}
		s.open = i
	}
	return &s.steps[i]
}

// answer counts an answer at t. Times come in order but for what one thread
// handles within a moment; what is late by a step counts in the open one.
//
// Nothing is added to a series that has been merged or read.
func (s *series) answer(t, latency int64, wrong bool) {
	st := s.at(max(t, int64(s.open)*SeriesStep))
	st.answers++
	if wrong {
		st.errors++
	}
	st.max = max(st.max, latency)
	i := coarse(latency)
	if s.high == 0 {
		s.low, s.high = i, i+1
	}
	s.low, s.high = min(s.low, i), max(s.high, i+1)
	s.fine[i]++
}

// sent counts a request sent at t within the window.
func (s *series) sent(t int64) { s.flowAt(t).sent++ }

// waited counts a request that waited from due, within a window of length ns,
// until it was sent or given up. It is free where that was within a step. What
// waits at the end of the window is in the backlog of its last step.
func (s *series) waited(due, left, length int64) {
	if left >= length {
		left = length + SeriesStep - 1 // in the step after the last
	}
	if due/SeriesStep == left/SeriesStep {
		return
	}
	s.flowAt(left).waiting--
	s.flowAt(due).waiting++
}

func (s *series) flowAt(t int64) *flow {
	i := int(max(t, 0) / SeriesStep)
	for len(s.flow) <= i {
		s.flow = append(s.flow, flow{})
	}
	return &s.flow[i]
}

func (s *series) fail(t int64) { s.at(max(t, int64(s.open)*SeriesStep)).errors++ }

// close puts the open step's buckets into the slab. Once closed, a step stays so.
func (s *series) close() {
	if s.high == 0 {
		return
	}
	st := &s.steps[s.open]
	first := len(s.slab)
	for i := s.low; i < s.high; i++ {
		if s.fine[i] > 0 {
			s.slab = append(s.slab, bucket{uint16(i), s.fine[i]})
			s.fine[i] = 0
		}
	}
	st.first, st.n = first, len(s.slab)-first
	s.low, s.high = 0, 0
}

// add merges another series of the same window, which is closed by it.
func (s *series) add(from *series) {
	s.close()
	from.close()
	merged := series{steps: make([]step, max(len(s.steps), len(from.steps)))}
	for i := range merged.steps {
		st := &merged.steps[i]
		for _, source := range []*series{s, from} {
			if i >= len(source.steps) {
				continue
			}
			o := source.steps[i]
			st.answers += o.answers
			st.errors += o.errors
			st.max = max(st.max, o.max)
			for _, b := range source.slab[o.first : o.first+o.n] {
				merged.fine[b.index] += b.count
			}
		}
		merged.open, merged.low, merged.high = i, 0, coarseBuckets
		merged.close()
	}
	merged.flow = s.flow
	for i, f := range from.flow {
		to := merged.flowAt(int64(i) * SeriesStep)
		to.sent += f.sent
		to.waiting += f.waiting
	}
	*s = merged
}

// Points returns the steps within a window of length ns: with the backlog,
// where requests are due by the clock, and with histograms, where they are
// wanted.
func (s *series) Points(length int64, backlog, histograms bool) ([]results.Point, error) {
	s.close()
	n := int((length + SeriesStep - 1) / SeriesStep)
	points := make([]results.Point, n)
	waiting := int64(0)
	var h *hdrhistogram.Histogram
	if histograms {
		h = results.NewStepHistogram()
	}
	for i := range points {
		p := &points[i]
		p.TS = float64(int64(i)*SeriesStep) / 1e9
		if i < len(s.flow) {
			p.Sent = s.flow[i].sent
			waiting += s.flow[i].waiting
		}
		if backlog {
			p.Backlog = waiting
		}
		if i >= len(s.steps) {
			continue
		}
		st := &s.steps[i]
		p.Done, p.Errors, p.MaxUS = st.answers, st.errors, float64(st.max)/1e3
		buckets := s.slab[st.first : st.first+st.n]
		p.P50US, p.P99US = percentile(buckets, st.answers, 50), percentile(buckets, st.answers, 99)
		if h == nil || st.n == 0 {
			continue
		}
		h.Reset()
		for _, b := range buckets {
			results.RecordManyNS(h, coarseValue(int(b.index)), int64(b.count))
		}
		var err error
		if p.Histogram, err = results.EncodeHistogram(h); err != nil {
			return nil, err
		}
	}
	return points, nil
}

// percentile of so many answers is in µs, 0 with fewer than ten beyond it.
func percentile(buckets []bucket, answers, percent int64) float64 {
	if answers*(100-percent) < 10*100 {
		return 0
	}
	rank := (answers*percent + 99) / 100
	for _, b := range buckets {
		if rank -= int64(b.count); rank <= 0 {
			return float64(coarseValue(int(b.index))) / 1e3
		}
	}
	return 0
}
