package eventloop

import (
	"github.com/dynobench/dyno/engines"
	"github.com/dynobench/dyno/engines/kernel"
)

// admit tells whether the next request may run. If not, it has been refused,
// or the connection is queued for a slot. The gate is asked when there is a slot:
// before, nobody has waited yet.
func (k *conn) admit() bool {
	l := k.l
	c := &l.e.config
	switch {
	case c.Slots == 0 || k.slotted:
	case l.running.Load() < int64(c.Slots):
		l.running.Add(1)
		k.slotted = true
	case c.Overload.Full == engines.FullWait:
		k.queued = true
		l.queue = append(l.queue, k)
		l.e.Queue.Add(1)
		return false
	default:
		c.Overload.Refuse(k.s)
		return false
	}
	if l.e.gate != nil && !l.e.gate.Admit(kernel.Waited(k.fd)) {
		c.Overload.Refuse(k.s)
		k.leave()
		return false
	}
	return true
}

// leave gives the slot to the next one in the queue, which may have waited for
// too long and pass it on, or back.
func (k *conn) leave() {
	if k.queued { // it gives up its place
		k.queued = false
		k.l.e.Queue.Add(-1)
	}
	if !k.slotted {
		return
	}
	k.slotted = false
	l := k.l
	for len(l.queue) > 0 {
		next := l.queue[0]
		l.queue = l.queue[1:]
		if next.queued {
			next.queued, next.slotted = false, true
			l.e.Queue.Add(-1)
			next.yield()
			return
		}
	}
	l.running.Add(-1)
}
