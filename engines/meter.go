package engines

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/dynobench/dyno/protocol"
)

// ErrDrainTimeout is what Serve returns when it had to cut requests off at
// the end of the drain.
var ErrDrainTimeout = errors.New("engines: requests still in flight at the end of the drain were cut off")

// CutGrace is how long an engine waits, after it has cut off what was in
// flight, for apps to notice. An app that ignores its Context keeps its
// goroutine or thread beyond that; Serve does not wait for it.
const CutGrace = time.Second

// HalfGrace is how long, in a drain, the rest of a request may still come that
// has begun to: it is not in flight yet, and must not hold the drain.
const HalfGrace = time.Second

// Bounds on how long and how much is read and dropped from a client that has
// been refused while it was sending, so that it gets to see why.
const (
	LingerTime  = time.Second
	LingerBytes = 1 << 20
)

// DrainTime is svc's with the default filled in. A negative one, no limit, is
// a very long one.
func DrainTime(svc *protocol.Service) time.Duration {
	switch d := svc.DrainTime; {
	case d == 0:
		return 10 * time.Second
	case d < 0:
		return 1<<63 - 1
	default:
		return d
	}
}

// Within waits until done is closed, for d at most, and tells whether it was.
func Within(done <-chan struct{}, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-done:
		return true
	case <-timer.C:
		return false
	}
}

// LastCall is the first part of a drain, after the engine has stopped accepting
// and before it tells its Sessions: if the Service has been retired it waits
// until all connections are done, for as long as idle ones are to be kept.
func LastCall(svc *protocol.Service, done <-chan struct{}) {
	if d := svc.LastCall(); d > 0 {
		Within(done, d)
	}
}

// Meter holds an engine's counts. Engines touch it once or twice per
// connection, never per request: what is counted per request is the
// Service's. The zero value counts.
type Meter struct {
	Slots    int64 // set before Serve
	Accepted atomic.Int64
	Busy     atomic.Int64
	Queue    atomic.Int64

	counters atomic.Pointer[protocol.Counters]
}

// Watch makes the counters of svc part of the Stats. Engines call it first
// thing in Serve.
func (m *Meter) Watch(svc *protocol.Service) { m.counters.Store(svc.Counters) }

// Stats implements Engine for an engine in one process.
func (m *Meter) Stats() Stats {
	s := Stats{
		Slots:     m.Slots,
		Busy:      m.Busy.Load(),
		Queue:     m.Queue.Load(),
		Accepted:  m.Accepted.Load(),
		Processes: 1,
	}
	if c := m.counters.Load(); c != nil {
		s.Requests, s.Errors = c.Requests.Load(), c.Errors.Load()
		s.Failed = Failed{
			BadRequest: c.BadRequests.Load(), Timeout: c.Timeouts.Load(), ClientGone: c.ClientGone.Load(),
			AppFailed: c.AppFailed.Load(), Shed: c.Shed.Load(),
		}
		s.Latency = c.Latency.Load()
		s.Held = c.Held.Load()
	}
	return s
}

// Tick is how often an engine that has no timer for each connection looks for
// deadlines that have passed: an eighth of the shortest limit on time, but
// between 10 ms and 1 s.
func Tick(l *protocol.Limits) time.Duration {
	least := 8 * time.Second
	for _, d := range []time.Duration{l.HeaderTime, l.BodyTime, l.IdleTime, l.WriteTime} {
		if d > 0 { // the defaults are longer
			least = min(least, d)
		}
	}
	return max(least/8, 10*time.Millisecond)
}

// LinuxOnly is the error of New for an engine that needs system calls other
// systems do not have.
func LinuxOnly(name string) error {
	return fmt.Errorf("engine %s: %w on this system: it needs Linux", name, errors.ErrUnsupported)
}
