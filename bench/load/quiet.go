package load

import (
	"math/bits"
	"slices"
)

// A quiet is a stretch in which nobody was answered. Only the part of it counts
// in which a request was under way, and in which the generator was awake.
type quiet struct {
	from, to int64 // between two answers
	busy     int64 // since when something was under way; to where nothing was
	away     int64 // ns of it that the generator itself did not run
	held     int   // requests that were under way for half of it or more
}

func (q quiet) length() int64 { return max(0, q.to-q.busy-q.away) }

// quietLeast is the shortest stretch that is remembered, in ns: half of what may
// ever be too long.
const quietLeast = minStall / 2

// quietness finds such stretches as requests end. The zero value is ready.
type quietness struct {
	stretches  []quiet
	last       int64 // answer, or the start of the window
	stuck      int64 // the oldest request that has ended in vain since
	vain       int64 // when the youngest request began that has ended in vain
	away       int64 // so far
	awayBefore int64 // when last was set
}

// ended is told of each request that has ended, in about the order in which they
// did: begun to done it was under way.
func (s *quietness) ended(begun, done int64, answer bool, start, end int64) {
	if start == never || done <= start {
		return
	}
	if s.last < start {
		s.last, s.stuck, s.awayBefore = start, never, s.away
	}
	long := done-begun >= quietLeast
	if answer {
		s.close(min(done, end), min(begun, s.stuck))
		s.last, s.stuck, s.awayBefore = max(s.last, done), never, s.away
	} else if long {
		s.stuck, s.vain = min(s.stuck, begun), max(s.vain, begun)
	}
	if !long {
		return
	}
	for i := len(s.stretches) - 1; i >= 0 && s.stretches[i].to > begun; i-- {
		if q := &s.stretches[i]; q.from < done {
			q.busy = min(q.busy, max(q.from, begun))
			if 2*(min(q.to, done)-max(q.from, begun)) >= q.to-q.from {
				q.held++
			}
		}
	}
}

func (s *quietness) close(to, begun int64) {
	if to-s.last < quietLeast {
		return
	}
	s.stretches = append(s.stretches, quiet{from: s.last, to: to, busy: min(max(s.last, begun), to), away: s.away - s.awayBefore})
}

// finish closes the last stretch: the one from the last answer to the end of the
// window or, where nobody was ever answered again, to when the last request was
// given up. One that was under way while younger ones were answered shows nothing
// after the window, when nobody else asks.
func (s *quietness) finish(start, end, gaveUp int64) {
	if s.last < start {
		s.last, s.stuck, s.awayBefore = start, never, s.away
	}
	if s.last >= end {
		return
	}
	if s.vain < s.last {
		gaveUp = end
	}
	s.close(max(end, gaveUp), s.stuck)
}

// both leaves the stretches in which nobody was answered by either, both of
// which are finished.
func (s *quietness) both(o *quietness) {
	var common []quiet
	for i, k := 0, 0; i < len(s.stretches) && k < len(o.stretches); {
		a, b := s.stretches[i], o.stretches[k]
		q := quiet{from: max(a.from, b.from), to: min(a.to, b.to), away: max(a.away, b.away), held: a.held + b.held}
		if q.to-q.from >= quietLeast {
			q.busy = min(max(q.from, min(a.busy, b.busy)), q.to)
			common = append(common, q)
		}
		if a.to < b.to {
			i++
		} else {
			k++
		}
	}
	s.stretches, s.last = common, max(s.last, o.last)
}

// longest is the longest stretch, of no length where there is none.
func (s *quietness) longest() quiet {
	if len(s.stretches) == 0 {
		return quiet{}
	}
	return slices.MaxFunc(s.stretches, func(a, b quiet) int { return int(min(max(a.length()-b.length(), -1), 1)) })
}

// octaves counts times by their power of two: enough for a median to a third.
type octaves [64]int64

func (o *octaves) add(ns int64) { o[bits.Len64(uint64(max(ns, 0)))&63]++ }

func (o *octaves) merge(from *octaves) {
	for i, n := range from {
		o[i] += n
	}
}

// median is in ns, interpolated within its octave; 0 of nothing.
func (o *octaves) median() float64 {
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
