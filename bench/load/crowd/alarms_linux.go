package crowd

import (
	"github.com/dynobench/dyno/bench/load/record"
)

// alarms is a heap of the slots that want to be woken at a time. It holds each
// at most once; a slot without an alarm costs nothing.
type alarms struct {
	slots []slot // each with its time (wake) and its place in the heap
	heap  []int32
}

// first is when the next alarm is due.
func (a *alarms) first() int64 {
	if len(a.heap) == 0 {
		return record.Never
	}
	return a.slots[a.heap[0]].wake
}

// set wakes slot i at t, and at no other time.
func (a *alarms) set(i int32, t int64) {
	s := &a.slots[i]
	if s.place == absent {
		s.place = int32(len(a.heap))
		a.heap = append(a.heap, i)
	}
	s.wake = t
	a.down(a.up(s.place))
}

func (a *alarms) cancel(i int32) {
	s := &a.slots[i]
	at := s.place
	if at == absent {
		return
	}
	s.place = absent
	last := int32(len(a.heap) - 1)
	moved := a.heap[last]
	a.heap = a.heap[:last]
	if at != last {
		a.put(at, moved)
		a.down(a.up(at))
	}
}

// pop takes the slot whose alarm is due first.
func (a *alarms) pop() int32 {
	i := a.heap[0]
	a.cancel(i)
	return i
}

func (a *alarms) put(at, i int32) {
	a.heap[at] = i
	a.slots[i].place = at
}

func (a *alarms) less(x, y int32) bool { return a.slots[x].wake < a.slots[y].wake }

func (a *alarms) up(at int32) int32 {
	for at > 0 {
		parent := (at - 1) / 2
		if !a.less(a.heap[at], a.heap[parent]) {
			break
		}
		x, y := a.heap[at], a.heap[parent]
		a.put(parent, x)
		a.put(at, y)
		at = parent
	}
	return at
}

func (a *alarms) down(at int32) {
	for n := int32(len(a.heap)); ; {
		child := 2*at + 1
		if child >= n {
			return
		}
		if child+1 < n && a.less(a.heap[child+1], a.heap[child]) {
			child++
		}
		if !a.less(a.heap[child], a.heap[at]) {
			return
		}
		x, y := a.heap[at], a.heap[child]
		a.put(child, x)
		a.put(at, y)
		at = child
	}
}
