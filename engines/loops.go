package engines

import (
	"context"
	"sync"
	"time"

	"github.com/dynobench/dyno/protocol"
)

// Loop is one of an engine's event loops. Its methods may be called from any
// goroutine and do not wait for the loop, which may be held up by an app.
type Loop interface {
	// Open is how many connections it has, from accept to close.
	Open() int64
	// Load is whether it has something to do, as 0 or 1, and how many connections
	// wait for it meanwhile. Where the app runs on the loop, it is a slot.
	Load() (busy, waiting int64)
	// Drain ends connections that are idle and has those end that are not with
	// their next answer. Half a request is given up at the time given.
	Drain(half time.Time)
	// Look has it look for deadlines that have passed.
	Look()
	// Cut ends all connections.
	Cut()
}

// Loops are an engine's.
type Loops[L Loop] []L

// Fewest is the loop with the fewest connections, for the next one.
func (ls Loops[L]) Fewest() L {
	least := ls[0]
	for _, l := range ls[1:] {
		if l.Open() < least.Open() {
			least = l
		}
	}
	return least
}

// AddLoad adds to s what the loops have to do.
func (ls Loops[L]) AddLoad(s *Stats) {
	for _, l := range ls {
		busy, waiting := l.Load()
		s.Busy += busy
		s.Queue += waiting
	}
}

// End is the end of Serve: see Engine. open counts the connections, and the
// goroutine that accepts them, which hangUp ends; it may be called twice. cancel
// ends the requests' Contexts if the drain runs out of time, with ErrDrainTimeout.
func (ls Loops[L]) End(svc *protocol.Service, open *sync.WaitGroup, hangUp func(), cancel context.CancelCauseFunc) error {
	closed := make(chan struct{})
	go func() { open.Wait(); close(closed) }()
	if svc.LastCall() > 0 {
		hangUp()
		LastCall(svc, closed)
	}
	// All that is open is told before clients can see that nothing new is accepted.
	half := time.Now().Add(HalfGrace)
	for _, l := range ls {
		l.Drain(half)
	}
	hangUp()
	for _, l := range ls {
		defer time.AfterFunc(time.Until(half), l.Look).Stop()
	}
	if Within(closed, DrainTime(svc)) {
		return nil
	}
	cancel(ErrDrainTimeout)
	for _, l := range ls {
		l.Cut()
	}
	Within(closed, CutGrace)
	return ErrDrainTimeout
}

// What one connection may do before the others of its loop.
const (
	ShareRuns  = 64        // runs of the app
	shareBytes = 256 << 10 // written
)

// A Share is what one connection has done since the others of its loop had their
// turn. It is the same on every loop, so that fairness is no property of one.
type Share struct{ runs, bytes int }

// Ran counts a run of the app.
func (s *Share) Ran() { s.runs++ }

// Wrote counts bytes that were written.
func (s *Share) Wrote(n int) { s.bytes += n }

// Over tells whether it is the others' turn.
func (s *Share) Over() bool { return s.runs >= ShareRuns || s.bytes >= shareBytes }
