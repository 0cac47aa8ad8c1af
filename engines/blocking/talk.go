// Package blocking is what all engines share that give a connection a thread
// or a goroutine of its own and let it block there: the one loop that reads,
// feeds the Session, runs it and writes, and the drain. The engines differ in
// what they run the loop on.
package blocking

import (
	"errors"
	"io"
	"net"
	"os"
	"time"

	"github.com/dynobench/dyno/engines"
	"github.com/dynobench/dyno/engines/kernel"
	"github.com/dynobench/dyno/protocol"
	"github.com/dynobench/dyno/protocol/gateway"
)

// Talk is one connection of a Group: opened when it is accepted, and then
// either served or refused, once.
type Talk struct {
	g             *Group
	conn          Conn
	local, remote net.Addr
	s             *protocol.Session // set with g.mu held; nil until Serve
	leave         func()            // not nil: gives the slot back
	shed          bool              // every request is refused

	// The times that conn has been told. They are moved only when they would
	// come too late: a Session's deadline moves on with every request, and to
	// set one costs several times what it takes to be woken too early once in
	// a while and look again (BenchmarkDeadline).
	readBy, writeBy time.Time
	fresh           bool // opened before the drain, served in it: nothing has been read

	opened time.Time
	queued time.Duration // how long it has waited for its slot then, and before that to be accepted
	silent bool          // nothing has come yet
	looked bool          // queued has the kernel's part, or nobody waits for a slot
}

// Serve talks to the client until the connection has ended, and closes it. It
// uses the calling goroutine; wait is the hook for the apps.
func (t *Talk) Serve(wait gateway.Waiter) {
	g := t.g
	g.meter.Queue.Add(-1)
	g.meter.Busy.Add(1)
	defer func() {
		g.meter.Busy.Add(-1)
		t.s.Release()
		t.close()
	}()
	g.begin(t, wait)
	request := t.request
	for {
		switch t.s.Next() {
		case protocol.Read:
			t.read()
		case protocol.Run:
			if t.shed || !t.admit() {
				g.Overload.Refuse(t.s)
			} else if g.Request != nil {
				g.Request(request)
			} else {
				t.s.Run()
			}
		case protocol.Write:
			t.write()
		case protocol.Close:
			if t.s.Linger() {
				t.linger()
			}
			return
		}
	}
}

// mostRefusing is how many connections may wait for their 503 at a time. More
// are closed: to refuse must cost less than to serve.
const mostRefusing = 256

// admit tells whether the request that is about to run may.
func (t *Talk) admit() bool {
	return t.g.gate == nil || t.s.Busy() || t.g.gate.Admit(t.conn.Waited())
}

// Refuse does with the connection what the Group's Overload says of one without
// a slot: it is closed unserved and counts as an error, or its first request is
// answered 503 by a goroutine of its own. In the drain it is closed.
func (t *Talk) Refuse() {
	if g := t.g; g.Overload.Full == engines.Full503 && g.half.Load() == nil {
		if g.refusing.Add(1) <= mostRefusing {
			t.shed = true
			go func() {
				defer g.refusing.Add(-1)
				t.Serve(kernel.Park{})
			}()
			return
		}
		g.refusing.Add(-1)
	}
	t.g.meter.Queue.Add(-1)
	t.g.svc.Counters.Errors.Add(1)
	t.close()
}

func (t *Talk) close() {
	t.g.forget(t) // first: nobody may wake a connection that is closed
	end(t.s, t.conn)
	if t.leave != nil {
		t.leave()
	}
	t.g.wg.Done()
}

// end closes a connection in the way that its Session, if it has one, asks for.
func end(s *protocol.Session, conn Conn) {
	if s != nil && s.Broken() {
		conn.Reset()
	} else {
		conn.Close()
	}
}

// request runs one request to its end: the app's part and the writing between
// its chunks.
func (t *Talk) request() {
	for {
		switch t.s.Next() {
		case protocol.Run:
			t.s.Run()
			if !t.s.Busy() {
				return
			}
		case protocol.Write:
			t.write()
		default:
			return
		}
	}
}

func (t *Talk) read() {
	by := t.s.Deadline()
	var due time.Time
	if t.silent && !by.IsZero() {
		// Its time has run in the queues, too: many who say nothing must not hold
		// slots one after the other. What has come meanwhile is there to be read.
		due = time.Now().Add(freshGrace)
		if t.looked {
			due = later(due, by.Add(-t.queued))
		}
		by = due
	}
	if half := t.g.half.Load(); half != nil {
		// In the drain: what has not come by then is not waited for.
		if t.fresh {
			by = earlier(by, later(*half, time.Now().Add(freshGrace)))
		} else if by = earlier(by, *half); !time.Now().Before(*half) {
			t.s.EOF()
			return
		}
	}
	if !by.IsZero() && (t.readBy.IsZero() || by.Before(t.readBy)) {
		t.conn.ReadBy(by)
		t.readBy = by
	}
	n, err := t.conn.ReadInto(t.s)
	silent := t.silent && n <= 0
	t.silent = false
	if n > 0 {
		t.s.Received(n)
	}
	if t.fresh {
		t.fresh = false
		t.s.Drain()
	}
	switch {
	case err == nil:
		// Not every Conn stops by itself: a request that comes a byte at a
		// time would always find one more.
		if t.s.Next() == protocol.Read && !t.s.Idle() {
			t.s.Expire(time.Now())
		}
	case errors.Is(err, os.ErrDeadlineExceeded):
		t.readBy = time.Time{}
		now := time.Now()
		switch t.silent = silent; {
		case !silent || due.IsZero() || now.Before(due):
		case !t.looked: // only now, that it costs who has something to say nothing
			t.looked, t.queued = true, max(t.queued, t.conn.Waited())
			if now.Before(t.s.Deadline().Add(-t.queued)) {
				break
			}
			fallthrough
		default:
			now = later(now, t.s.Deadline())
		}
		t.s.Expire(now)
	case err == io.EOF:
		t.s.EOF()
	default:
		t.s.Abort(err)
	}
}

func (t *Talk) write() {
	by := t.s.Deadline()
	if !by.IsZero() && (t.writeBy.IsZero() || by.Before(t.writeBy)) {
		t.conn.WriteBy(by)
		t.writeBy = by
	}
	n, err := t.conn.Write(t.s.Output())
	if n > 0 {
		t.s.Sent(n)
	}
	switch {
	case err == nil:
	case errors.Is(err, os.ErrDeadlineExceeded):
		t.writeBy = time.Time{}
		t.s.Expire(time.Now())
	default:
		t.s.Abort(err)
	}
}

// lonelyLinger is LingerTime where the connection holds up all others.
const lonelyLinger = 50 * time.Millisecond

func (t *Talk) lingerTime() time.Duration {
	if t.g.meter.Slots == 1 {
		return lonelyLinger
	}
	return engines.LingerTime
}

// freshGrace is how long a connection whose time was over before it got its turn,
// or that gets it in the drain, has to show its request.
const freshGrace = 10 * time.Millisecond

func (t *Talk) linger() {
	if t.conn.CloseWrite() != nil {
		return
	}
	end := time.Now().Add(t.lingerTime())
	t.conn.ReadBy(end)
	buf := make([]byte, 2<<10) // little: all of an attack linger at a time
	for left := engines.LingerBytes; left > 0 && time.Now().Before(end) && t.g.half.Load() == nil; {
		n, err := t.conn.Read(buf)
		left -= n
		if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			return
		}
	}
}

// earlier is the earlier of two times of which the first may be zero, for never.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || b.Before(a) {
		return b
	}
	return a
}

func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}
