// Package protocol turns bytes into calls of an app and back, without doing
// any I/O: a Session is one connection's talk. Engines move the bytes.
//
// What differs between wire protocols is a Codec (http1, uwsgi, scgi,
// fastcgi); what is the same for all of them, limits, keep-alive, pipelining,
// gathering of bodies, 100-continue, deadlines, the calling of the app, is
// here and nowhere else.
package protocol

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"time"

	"github.com/dynobench/dyno/protocol/gateway"
)

// Action is what a Session needs its engine to do next.
type Action uint8

const (
	// Read more bytes into Buffer and report them by Received, or the end of
	// the stream by EOF. Nothing is left to write.
	Read Action = iota
	// Run the app one step: call Run.
	Run
	// Write Output and report what was taken by Sent.
	Write
	// Close the connection; nothing is left to write.
	Close
)

func (a Action) String() string {
	switch a {
	case Read:
		return "Read"
	case Run:
		return "Run"
	case Write:
		return "Write"
	case Close:
		return "Close"
	}
	return fmt.Sprintf("Action(%d)", uint8(a))
}

// Causes with which a request's Context ends.
var (
	ErrWriteTimeout = errors.New("protocol: the client does not read")
	ErrReleased     = errors.New("protocol: the connection has been released")
)

// A Session is the server's end of one connection: bytes in, the app called,
// bytes out. It does no I/O and starts no goroutine, so that each engine can
// drive it in its own way; all of them in the same pattern:
//
//	s := service.NewSession(peer)
//	defer s.Release()
//	for {
//		switch s.Next() {
//		case protocol.Read:
//			n, err := conn.Read(s.Buffer())
//			s.Received(n)
//			if err != nil { s.EOF() }   // or s.Abort(err), s.Expire(now)
//		case protocol.Run:
//			s.Run()
//		case protocol.Write:
//			n, err := conn.Write(s.Output())
//			s.Sent(n)
//			if err != nil { s.Abort(err) }
//		case protocol.Close:
//			return
//		}
//	}
//
// A Session is used by one goroutine at a time; only Drain and Cancel may be
// called from others at any time. Apart from the app's own, the steady state
// of a connection allocates nothing. An idle one holds no buffers, unless its
// engine waits in a read that it has given Buffer to.
type Session struct {
	svc  *Service
	peer Peer
	ctx  connContext
	w    *request // nil while idle

	conn     connState
	client   clientState
	phase    phase
	state    State // how far the request that is being received has come; Done where nothing of it has
	keep     bool  // agreed for the answer that is being made
	broken   bool  // an answer has begun that will not be whole
	draining atomic.Bool

	since     time.Time // start of the present wait for the client's bytes
	wrote     time.Time // start of the present wait for the client to read
	progress  int       // bytes that it has taken since
	addresses *addresses
}

// A Session has one state for the connection as a whole and one for each side,
// as h11 has (github.com/python-hyper/h11).

// connState is whether the connection goes on.
type connState uint8

const (
	open    connState = iota
	closing           // to be closed once the output is written: nothing more is looked at
	lost              // aborted, or released
)

// clientState is what is to come from the client.
type clientState uint8

const (
	proxyDue clientState = iota // the PROXY header
	firstDue                    // the first request: it is waited for since the connection began
	sending                     // further requests
	talking                     // more than will be looked at
	finished                    // nothing: it has said so
)

// phase is what becomes of the request at hand.
type phase uint8

const (
	receiving phase = iota // it is not whole
	ready                  // it is, and has not begun to run
	running                // the app has been called
	answering              // the head of the answer is in the output
	ending                 // the app has no more to say, and what it said last is being written from where it has it
)

// addresses are a connection's, as CGI has them: made at its first request.
type addresses struct {
	serverName, serverPort, remoteAddr, remotePort string
	local                                          net.Addr
}

// Peer is what an engine knows of a connection.
type Peer struct {
	Local, Remote net.Addr
	Wait          gateway.Waiter  // the engine's wait hook
	Watch         gateway.Watcher // tells when the client goes; nil if nobody can
	Context       context.Context // ends when the engine gives up on requests in flight; the parent of each request's
}

// Next tells what to do now. It has no side effects.
//
// Pipelined requests run one after the other, and their answers gather in
// Output up to a bound before Write is due. A chunk of a body that goes on
// is written before the next one is pulled (PEP 3333: a server does not
// delay a block).
func (s *Session) Next() Action {
	if s.conn == lost {
		return Close
	}
	if w := s.w; w != nil && w.pending() {
		// What is gathered so far leaves before the app is called again,
		// unless it is for a request that is there already.
		if s.phase == ready && w.sent == 0 && len(w.out) < gatherMost {
			return Run
		}
		return Write
	}
	switch {
	case s.phase != receiving:
		return Run
	case s.conn == closing, s.client == finished, s.draining.Load() && s.Idle():
		return Close
	}
	return Read
}

// Buffer is free space to read into, never empty. It is the Session's and valid
// until Received. It may be asked for only when Next says Read, or of a Session
// that is Idle when Drain comes: what its client had sent before is still
// answered.
func (s *Session) Buffer() []byte {
	w := s.requested()
	if s.phase == receiving {
		w.space(s.svc) // parse has seen to it, but where next to nothing is needed
	}
	return w.in[w.end:]
}

// Received says that n bytes have been put into Buffer; with 0 an idle Session
// takes it back.
func (s *Session) Received(n int) {
	if s.conn == lost || s.w == nil {
		return
	}
	if n <= 0 {
		if s.Idle() && !s.w.seen {
			s.letGo()
		}
		return
	}
	s.w.end += n
	s.parse()
}

// Feed copies what it can take of p, for engines whose bytes are already
// somewhere, and returns how much that was: less than len(p) only when there is
// something to be run or written first. The engine keeps the rest, stops reading
// from the connection, and feeds again when Next says Read.
func (s *Session) Feed(p []byte) int {
	taken := 0
	for taken < len(p) {
		if s.conn != open || s.client == finished {
			s.talksOn()
			return len(p) // nobody will look at it
		}
		if s.phase == receiving && s.w != nil && s.w.pending() {
			return taken // a protocol's replies, which must not gather without end
		}
		var free []byte
		if w := s.requested(); s.phase == receiving {
			free = s.Buffer()
		} else if free = w.in[w.end:]; len(free) == 0 {
			return taken
		}
		n := copy(free, p[taken:])
		taken += n
		s.Received(n)
	}
	return taken
}

// EOF says that the client will send no more. Requests that are whole are still
// answered, and their Context goes on: the client may have closed only its half.
func (s *Session) EOF() {
	if s.conn == lost || s.client == finished {
		return
	}
	s.client = finished
	s.checkEOF()
}

// checkEOF drops a request that will never be whole.
func (s *Session) checkEOF() {
	if s.client == finished && s.phase == receiving && s.conn == open && s.w != nil {
		if s.w.end > s.w.start {
			s.svc.Counters.failed(&s.svc.Counters.ClientGone)
			s.w.forget()
		}
		s.settle()
	}
}

// Abort says that the connection is lost: the request's Context ends with cause,
// the app's Body is closed, output is dropped and Next is Close.
func (s *Session) Abort(cause error) {
	if s.conn == lost {
		return
	}
	if s.phase != receiving || s.w != nil && (s.w.pending() || s.w.end > s.w.start) {
		s.svc.Counters.lost(cause)
	}
	s.lose(cause)
}

func (s *Session) lose(cause error) {
	s.broken = s.broken || s.phase >= answering || s.w != nil && s.w.pending()
	s.conn = lost
	s.ctx.end(cause)
	if s.w == nil {
		return
	}
	if s.Busy() {
		s.closeBody()
	}
	s.phase = receiving
	s.letGo()
}

// Cancel ends the request's Context with cause and nothing else, so that the app
// returns early: for engines that learn of a lost connection, or lose patience,
// while another goroutine is in Run. It may be called from any goroutine at any
// time.
func (s *Session) Cancel(cause error) { s.ctx.end(cause) }

// Context is that of the connection's requests, as apps get it: for wait hooks,
// which need not watch what their engine ends itself.
func (s *Session) Context() context.Context { return &s.ctx }

// Shed answers the request that is about to begin to run with 503 and Retry-After
// instead of running it. Unless Next says Run and the Session is not Busy, it does
// nothing.
func (s *Session) Shed() {
	if s.Next() != Run || s.phase != ready {
		return
	}
	s.svc.Counters.Shed.Add(1)
	s.svc.Counters.Errors.Add(1)
	s.reply(errOverload, tryLater, s.wish())
	s.next()
}

// Busy tells whether a request has begun to run and its answer is not yet
// completely in Output.
func (s *Session) Busy() bool { return s.phase >= running }

// Output is what is to be written: the Session's, valid until Sent.
func (s *Session) Output() []byte {
	w := s.w
	switch {
	case w == nil || s.conn == lost:
		return nil
	case w.sent < len(w.out):
		return w.out[w.sent:]
	}
	return w.big
}

// Sent says that the first n bytes of Output have been taken.
func (s *Session) Sent(n int) {
	if n <= 0 || s.w == nil || s.conn == lost {
		return
	}
	s.w.took(n)
	s.progress += n
	done := !s.w.pending()
	if done || s.progress >= leastProgress {
		s.wrote, s.progress = time.Now(), 0
	}
	if done {
		s.settle()
	}
}

// leastProgress is how much of a longer output a client has to take for its
// time to begin anew: with a byte now and then it would keep its slot for ever.
const leastProgress = 16 << 10

// Deadline is when the client's patience with us, or ours with it, ends: for the
// header of the first request, and the PROXY header before it, from the start, for
// that of each further one from its first byte, for the next request on an idle
// connection, for the progress of a write. Zero means never. While the app runs
// there is none.
//
// It moves on with every request. An engine therefore sets no timer by it: it
// looks at it once in a while (engines.Tick), or lets a read or a write end by one
// that it was told earlier and looks then.
func (s *Session) Deadline() time.Time {
	l := &s.svc.Limits
	switch s.Next() {
	case Write:
		return after(s.wrote, l.WriteTime, 60*time.Second)
	case Read:
		switch {
		case s.client == proxyDue: // since it has been accepted
		case s.client == firstDue && s.Idle(): // likewise: to say nothing must not hold a slot for longer than to say little
			return earlier(after(s.since, l.HeaderTime, 10*time.Second), after(s.since, l.IdleTime, 75*time.Second))
		case s.Idle():
			return after(s.since, l.IdleTime, 75*time.Second)
		case s.state == InBody:
			return after(s.since, l.BodyTime, 60*time.Second)
		}
		return after(s.since, l.HeaderTime, 10*time.Second)
	}
	return time.Time{}
}

// Expire acts on a Deadline that has passed at now: 408 where a request had begun,
// otherwise, or if the PROXY header has not come, a silent close; a write without
// progress is an Abort. Before the deadline it does nothing.
func (s *Session) Expire(now time.Time) {
	d := s.Deadline()
	if d.IsZero() || now.Before(d) {
		return
	}
	switch {
	case s.Next() == Write:
		s.Abort(ErrWriteTimeout)
	case s.client == proxyDue:
		s.turnAway(errUnproxied)
	case s.Idle():
		s.conn = closing
		s.settle()
	default:
		s.refuse(errTimeout)
	}
}

// Drain asks for an end: a request in flight is finished and answered with
// Connection: close, an idle connection closes at once. The engine wakes itself up
// if it is blocked in a read.
func (s *Session) Drain() { s.draining.Store(true) }

// Idle tells whether the connection is between requests: nothing received, running
// or to be sent.
func (s *Session) Idle() bool {
	w := s.w
	return s.phase == receiving && s.conn != lost && (w == nil || w.start == w.end && !w.pending())
}

// Linger tells, once Next is Close, whether the client has sent more than was
// looked at, or may still be doing so, as when it has been refused in the middle
// of a request. An engine that closed a TCP connection at once would reset it, and
// the client might never see the answer: it should shut down its writing half
// first, and read and drop for a short while.
func (s *Session) Linger() bool { return s.client == talking && s.conn != lost }

// talksOn says that the client sends what nobody will look at.
func (s *Session) talksOn() {
	if s.client != finished {
		s.client = talking
	}
}

// Broken tells, once Next is Close, whether an answer has begun that is not whole.
// Some answers are framed by nothing but the end of the connection (HTTP/1.0): the
// engine must reset it instead of closing it, where it can, or the client takes
// for whole what it has got.
func (s *Session) Broken() bool { return s.broken }

// Release closes what is open and gives the buffers back. The Session must not be
// used afterwards. An answer that is not completely written counts as broken off.
func (s *Session) Release() {
	if s.conn == lost {
		return
	}
	if s.Busy() || s.w != nil && s.w.pending() {
		s.svc.Counters.lost(ErrReleased)
	}
	s.lose(ErrReleased)
}
