package record

import (
	"math/bits"
	"slices"
	"time"
)

// A Quiet is a stretch in which nobody was answered. Only the part of it counts
// in which a request was under way, and in which the generator was awake.
type Quiet struct {
	From, To int64 // between two answers
	Busy     int64 // since when something was under way; to where nothing was
	Away     int64 // ns of it that the generator itself did not run
	Held     int   // requests that were under way for half of it or more
}

// Length is how long of it somebody waited for the server, in ns.
func (q Quiet) Length() int64 { return max(0, q.To-q.Busy-q.Away) }

// MinStall is the shortest stretch without an answer that may ever be too long, in ns.
const MinStall = int64(100 * time.Millisecond)

// quietLeast is the shortest stretch that is remembered, in ns: half of what may
// ever be too long.
const quietLeast = MinStall / 2

// quietness finds such stretches as requests end. The zero value is ready.
type quietness struct {
	Stretches  []Quiet
	Last       int64 // answer, or the start of the window
	stuck      int64 // the oldest request that has ended in vain since
	vain       int64 // when the youngest request began that has ended in vain
	Away       int64 // so far
	awayBefore int64 // when last was set
}

// ended is told of each request that has ended, in about the order in which they
// did: begun to done it was under way.
func (s *quietness) ended(begun, done int64, answer bool, start, end int64) {
	if start == Never || done <= start {
		return
	}
	if s.Last < start {
		s.Last, s.stuck, s.awayBefore = start, Never, s.Away
	}
	long := done-begun >= quietLeast
	if answer {
		s.close(min(done, end), min(begun, s.stuck))
		s.Last, s.stuck, s.awayBefore = max(s.Last, done), Never, s.Away
	} else if long {
		s.stuck, s.vain = min(s.stuck, begun), max(s.vain, begun)
	}
	if !long {
		return
	}
	for i := len(s.Stretches) - 1; i >= 0 && s.Stretches[i].To > begun; i-- {
		if q := &s.Stretches[i]; q.From < done {
			q.Busy = min(q.Busy, max(q.From, begun))
			if 2*(min(q.To, done)-max(q.From, begun)) >= q.To-q.From {
				q.Held++
			}
		}
	}
}

func (s *quietness) close(to, begun int64) {
	if to-s.Last < quietLeast {
		return
	}
	s.Stretches = append(s.Stretches, Quiet{From: s.Last, To: to, Busy: min(max(s.Last, begun), to), Away: s.Away - s.awayBefore})
}

// finish closes the last stretch: the one from the last answer to the end of the
// window or, where nobody was ever answered again, to when the last request was
// given up. One that was under way while younger ones were answered shows nothing
// after the window, when nobody else asks.
func (s *quietness) finish(start, end, gaveUp int64) {
	if s.Last < start {
		s.Last, s.stuck, s.awayBefore = start, Never, s.Away
	}
	if s.Last >= end {
		return
	}
	if s.vain < s.Last {
		gaveUp = end
	}
	s.close(max(end, gaveUp), s.stuck)
}

// both leaves the stretches in which nobody was answered by either, both of
// which are finished.
func (s *quietness) both(o *quietness) {
	var common []Quiet
	for i, k := 0, 0; i < len(s.Stretches) && k < len(o.Stretches); {
		a, b := s.Stretches[i], o.Stretches[k]
		q := Quiet{From: max(a.From, b.From), To: min(a.To, b.To), Away: max(a.Away, b.Away), Held: a.Held + b.Held}
		if q.To-q.From >= quietLeast {
			q.Busy = min(max(q.From, min(a.Busy, b.Busy)), q.To)
			common = append(common, q)
		}
		if a.To < b.To {
			i++
		} else {
			k++
		}
	}
	s.Stretches, s.Last = common, max(s.Last, o.Last)
}

// Longest is the longest stretch, of no length where there is none.
func (s *quietness) Longest() Quiet {
	if len(s.Stretches) == 0 {
		return Quiet{}
	}
	return slices.MaxFunc(s.Stretches, func(a, b Quiet) int { return int(min(max(a.Length()-b.Length(), -1), 1)) })
}

// octaves counts times by their power of two: enough for a median to a third.
type octaves [64]int64

func (o *octaves) Add(ns int64) { o[bits.Len64(uint64(max(ns, 0)))&63]++ }

func (o *octaves) merge(from *octaves) {
	for i, n := range from {
		o[i] += n
	}
}

// Median is in ns, interpolated within its octave; 0 of nothing.
func (o *octaves) Median() float64 {
	all := int64(0)
	for _, n := range o {
		all += n
	}
	left := float64(all) / 2
	for i, n := range o {
		if n > 0 && left <= float64(n) {
			low := float64(uint64(1) << i >> 1)
			return low + low*left/float64(n)
		}
		left -= float64(n)
	}
	return 0
}
