package engines

import (
	"errors"
	"sync"
	"time"

	"github.com/dynobench/dyno/engines/kernel"
	"github.com/dynobench/dyno/protocol"
)

// Full is what an engine does with work for which it has no slot.
type Full string

// The policies. A connection or a request that is refused is an error on the
// Counters either way.
const (
	FullWait  Full = "wait"  // it waits: a connection in the kernel's queue, a request in its connection
	Full503   Full = "503"   // it is answered 503 with Retry-After at once
	FullClose Full = "close" // its connection is closed at once
)

// ErrOverload ends a connection that was closed because no slot was free.
var ErrOverload = errors.New("engines: no slot is free")

// FullKnob and TargetKnob are the settings of Overload.
var (
	FullKnob = Knob{Key: "full", Default: string(FullWait),
		Doc:   "when no slot is free: wait queues the request, 503 responds at once with Retry-After, close closes the connection",
		Fixed: "it decides what happens under overload"}
	TargetKnob = Knob{Key: "queue-target", Default: "0s",
		Doc:   "shed load when requests wait longer than this before they run: by closing their connections with full=close, else with 503; 0s: never",
		Fixed: "it decides when work is too much"}
)

// Overload is what an engine does when it has more to do than it can. The zero
// value lets all of it wait.
type Overload struct {
	Full   Full          // "" is FullWait
	Target time.Duration // 0: no limit on the time that requests wait
}

// Overload is the settings of those of FullKnob and TargetKnob that the engine
// has.
func (p *Params) Overload() (o Overload) {
	if has(p.knobs, FullKnob.Key) {
		o.Full = Full(p.Choice(FullKnob.Key, string(FullWait), string(Full503), string(FullClose)))
	}
	if has(p.knobs, TargetKnob.Key) {
		o.Target = p.Duration(TargetKnob.Key, 0, time.Hour)
	}
	return o
}

// Refuse answers or ends the request that is about to run on s.
func (o Overload) Refuse(s *protocol.Session) {
	if o.Full == FullClose {
		s.Abort(ErrOverload)
	} else {
		s.Shed()
	}
}

// Gate returns what limits the time that requests wait, nil if nothing does.
func (o Overload) Gate() *Gate {
	if o.Target <= 0 {
		return nil
	}
	return &Gate{target: o.Target}
}

// Gate keeps the time that requests wait before they run near a target, by
// refusing some. A queue that stands only delays: whoever waits in it longer
// than clients do is served in vain, and with more work coming than can be
// done, that is soon everybody.
//
// The rule is CoDel's (Nichols and Jacobson, Controlling Queue Delay, 2012) as
// servers have it (Maurer, Fail at Scale, 2015; folly's Codel): a queue is bad
// if for a whole interval nobody in it waited less than the target; bursts that
// drain within the interval are let through. While it is bad, all who have
// waited twice the target are refused, which costs next to nothing, until the
// queue has emptied. CoDel's own rule, to drop one at a time at a rising rate,
// relies on senders that slow down for it; clients of a server do not.
//
// A nil Gate lets all in. A Gate is safe for concurrent use.
type Gate struct {
	target time.Duration

	mu       sync.Mutex
	ends     time.Duration // the present interval, on clock
	least    time.Duration // that anybody has waited in it
	overload bool          // the last one was bad
}

// gateInterval is a time in which a burst should have drained: the 100 ms of
// CoDel and of its descendants.
const gateInterval = 100 * time.Millisecond

// Admit tells whether a request is let in that has waited so long.
func (g *Gate) Admit(waited time.Duration) bool {
	return g == nil || g.admit(kernel.Clock(), waited)
}

func (g *Gate) admit(now, waited time.Duration) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if now >= g.ends {
		// An interval long ago, or one in which nobody came, says nothing.
		g.overload = g.least > g.target && now < g.ends+gateInterval
		g.ends, g.least = now+gateInterval, waited
	}
	g.least = min(g.least, waited)
	return !g.overload || waited < 2*g.target
}
