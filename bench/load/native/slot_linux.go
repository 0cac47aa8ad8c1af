package native

import (
	"errors"

	"golang.org/x/sys/unix"

	"github.com/dynobench/dyno/bench/load/netio"
	"github.com/dynobench/dyno/bench/load/plan"
	"github.com/dynobench/dyno/bench/load/record"
	"github.com/dynobench/dyno/scenarios/workload"
)

// A slot is one connection, or the place for one: where a server closes after
// each answer, a slot sees a connection per request, and the time it takes to
// connect is part of the latency.
//
// Its requests under way are a queue, the oldest first, which is also the
// order in which HTTP/1.1 answers them. Without pipelining there is room for
// one.
type slot struct {
	index      int32
	generation int32 // of the connection: events of an earlier one are stale
	fd         int   // −1 without a connection
	state      state
	free       bool // in the queue of slots that may take a request
	link

	head, n int // of the queue, in thread.queue
	unsent  int // of those, the last ones: not yet given to the transport

	readyAt int64 // since when there is room for a request
	retryAt int64 // when it may go on after a failure
	fails   int   // in a row
	stale   bool  // connected before, so that connecting is connecting again
	answers int   // on this connection

	answer answer // the one that is coming in
}

type state uint8

const (
	down       state = iota // no connection
	waiting                 // none either, until retryAt
	connecting              // for the queue, or for its own sake
	securing                // connected, and TLS is being agreed on
	up
)

// stands tells whether there is a connection, ready for requests or not yet.
func (s *slot) stands() bool { return s.state >= securing }

// request is one that is under way.
type request struct {
	intended int64
	ready    int64 // due, and room for it: what comes after is the generator's own delay
	acted    int64 // sent, the connection for it begun, or given to one that is not ready for it; 0 before
	sent     int64
	class    int
	resent   bool
	draw     workload.Draw // what a templated one is made from, as often as it takes
}

// backoffMax bounds the wait after the second failure in a row and those that
// follow, in ns.
const backoffMax = int64(100e6)

// at returns the i-th request of the queue.
func (t *thread) at(s *slot, i int) *request {
	if i += s.head; i >= t.depth {
		i -= t.depth
	}
	return &t.queue[int(s.index)*t.depth+i]
}

// start puts a request at the end of the queue of a slot that has room for it;
// pump sends it.
func (t *thread) start(s *slot, intended int64, class int) {
	s.n++
	s.unsent++
	q := t.at(s, s.n-1)
	*q = request{class: class, intended: intended, ready: max(intended, s.readyAt)}
	if s.congested || s.underWay() {
		q.acted = record.Now() // what comes after is the server's
	}
	if t.wires[class].Fixed() == nil {
		q.draw = t.draws.Next(class)
	}
	t.outstanding++
	if intended >= t.window.Start.Load() {
		t.counted++
	}
}

// pump does what can be done for the queue at the moment.
func (t *thread) pump(s *slot) {
	switch {
	case s.unsent == 0:
	case s.state == up && !s.congested:
		t.send(s)
	case s.state == down:
		t.connect(s)
	}
}

// send writes the requests that have not been sent yet, all at once.
func (t *thread) send(s *slot) {
	b := t.wires[t.at(s, s.n-1).class].Fixed()
	lasting := s.unsent == 1 && b != nil
	if !lasting {
		b = t.out[:0]
		for i := s.n - s.unsent; i < s.n; i++ {
			q := t.at(s, i)
			b = t.wires[q.class].Append(b, q.draw)
		}
		t.out = b
	}
	at := record.Now()
	for ; s.unsent > 0; s.unsent-- {
		q := t.at(s, s.n-s.unsent)
		q.sent = at
		t.rec.Run.Sent++
		if q.acted == 0 {
			q.acted = at
		}
	}
	t.transport.send(s, b, lasting)
}

// connect opens a connection, for the queue or for its own sake.
func (t *thread) connect(s *slot) {
	at := record.Now()
	for i := range s.n {
		if q := t.at(s, i); q.acted == 0 {
			q.acted = at
		}
	}
	s.generation++
	s.answers = 0
	s.state = connecting
	fd, err := t.dialer.Dial(0)
	if err != nil && err != unix.EINPROGRESS {
		if err == unix.EAGAIN { // a Unix socket with a full backlog tells nobody when it has room
			t.wait(s, at+netio.BackoffMin)
			return
		}
		t.refuse(s, err, at)
		return
	}
	s.fd = fd
	t.transport.open(s, err != nil)
}

// refuse ends an attempt to connect.
func (t *thread) refuse(s *slot, err error, at int64) {
	if s.n > 0 {
		t.lose(s, record.FailedConnect, at, err)
		return
	}
	t.refusal = err
	t.drop(s)
}

// connected goes on with the requests that the connection is for.
func (t *thread) connected(s *slot) {
	s.state = up
	if s.stale && t.window.Holds(record.Now()) {
		t.rec.Reconnects++
	}
	s.stale = true
	t.pump(s)
}

// errClosed is why a request failed whose connection has come to its end in form.
var errClosed = errors.New("the server closed the connection before the response was complete")

// hungUp is called when the server has closed the connection, or with errno
// cut it.
func (t *thread) hungUp(s *slot, errno unix.Errno, at int64) {
	switch {
	case s.n == s.unsent: // between two requests: it has had enough
		t.drop(s)
		t.pump(s)
	case errno == 0 && !s.cut && s.answer.endsHere():
		t.served(s)
		t.answered(s, s.answer.verdict(), at, false)
		t.pump(s)
	case errno == 0 && s.congested && s.answer.bytes == 0:
		t.lose(s, record.FailedWrite, at, errClosed)
	case errno == 0:
		t.lose(s, record.FailedRead, at, errClosed)
	default:
		t.lose(s, record.FailedRead, at, errno)
	}
}

// received takes bytes that have come at the time.
func (t *thread) received(s *slot, b []byte, at int64) {
	generation := s.generation
	for {
		if !s.answer.begun && t.http {
			b = b[netio.EmptyLines(b):]
		}
		if len(b) == 0 {
			break
		}
		if s.n == s.unsent { // an answer to nothing
			if t.window.Holds(at) && !(t.http && netio.IdleFarewell(b)) {
				t.rec.Stray++
			}
			t.drop(s)
			t.pump(s)
			return
		}
		used, done, kind, err := t.take(s, b)
		if err != nil {
			t.lose(s, record.FailedRead, at, err)
			return
		}
		if !done {
			break
		}
		if b = b[used:]; t.http {
			b = b[netio.EmptyLines(b):]
		}
		if t.sentTooLate(s) {
			t.lose(s, record.FailedRead, at, nil)
			return
		}
		t.served(s)
		keep := t.keepsAlive(s)
		if len(b) > 0 && s.n-s.unsent == 1 { // longer than announced
			keep = false
			if kind == record.Answered && !(t.http && netio.IdleFarewell(b)) {
				kind = record.WrongBody
			}
		}
		t.answered(s, kind, at, keep)
		if s.generation != generation || s.state != up {
			break
		}
	}
	t.pump(s)
}

// sentTooLate tells of an answer that has come to its end whether it says that
// the server was tired of waiting for the request: it then was about to close
// an idle connection when the request came, which it has not looked at, and the
// client may repeat it (RFC 9110 section 15.5.9).
func (t *thread) sentTooLate(s *slot) bool {
	class := t.at(s, 0).class
	r := &t.config.Requests[class]
	if !t.http || s.answers == 0 || !t.idempotent[class] || s.answer.keeps || s.answer.status() != netio.StatusRequestTimeout || r.RightStatus(netio.StatusRequestTimeout) {
		return false
	}
	s.answer.bytes = 0
	return true
}

// take takes what b has of the oldest request's answer.
func (t *thread) take(s *slot, b []byte) (used int, done bool, kind record.Kind, err error) {
	class := t.at(s, 0).class
	a := &s.answer
	if !a.begun {
		if f := &t.frames[class]; f.matches(b) {
			a.bytes, a.keeps, a.framed = int64(len(f.bytes)), true, f.status
			return len(f.bytes), true, record.Answered, nil
		}
		a.begin(&t.config.Requests[class], t.frames[class].wanted())
	}
	first := a.bytes == 0
	if first && plan.SpokenTLS(b) {
		return len(b), false, record.FailedRead, plan.ErrSpokenTLS
	}
	used, done, err = a.stream.Parse(b)
	if err != nil { // that nothing of it was of use does not mean that nothing came
		used = len(b)
	}
	a.bytes += int64(used)
	if !done || err != nil {
		return used, done, record.FailedRead, err
	}
	kind = a.verdict()
	a.keeps = a.stream.KeepAlive()
	t.frames[class].learn(b[:used], a.parser.Status(), first && kind == record.Answered && a.keeps && a.compared())
	return used, true, kind, nil
}

// served counts an answer for the connection.
func (t *thread) served(s *slot) {
	if s.answers++; s.answers > 1 {
		t.kept++
	}
}

// keepsAlive tells whether the connection can carry another request after the
// answer that has just come to its end.
func (t *thread) keepsAlive(s *slot) bool {
	switch {
	case !s.answer.keeps, t.config.Fresh:
		return false
	case s.congested && s.n-s.unsent == 1: // answered before it was whole, so refused
		return false
	case t.closes[t.at(s, 0).class]: // the request said so
		return false
	case t.kept == 0 && t.closed >= plan.ManyClosed: // it never keeps one, and does not say so
		return false
	}
	return true
}

// answered ends the oldest request, whose answer is whole. Unless the
// connection can be kept, what is behind it in the queue moves to a new one.
func (t *thread) answered(s *slot, kind record.Kind, at int64, keep bool) {
	t.seen++
	t.waited += at - t.at(s, 0).intended
	s.fails = 0
	bytes := s.answer.bytes
	s.answer.end()
	t.finish(s, kind, at, bytes)
	if !keep {
		why := ours
		if !s.answer.keeps {
			why = announced
		}
		sent := s.n - s.unsent
		t.drop(s)
		t.move(s, sent, why, at)
	}
	if t.config.Model == plan.Closed && !s.free && at < t.window.End.Load() {
		s.readyAt = at
		t.start(s, at, t.mix.Draw())
	}
	t.release(s, at) // there is room for more where requests were lost
}

// lose ends the oldest request, or the attempt to connect for it, without an
// answer; cause, where not nil, has more to say than kind. The connection is of
// no use any more, and what is behind the request moves to a new one.
//
// Where the server has closed a connection between two requests, the oldest
// moves as well: a server may do so at any time, and a client that sends at
// that moment cannot know (RFC 9112 section 9.3.1). The requests stay due when
// they were. On a new connection the same is a failure. What a server may
// already have acted upon is not sent twice unless its method is idempotent
// (RFC 9110 section 9.2.2).
func (t *thread) lose(s *slot, kind record.Kind, at int64, cause error) {
	lost := kind == record.FailedRead || kind == record.FailedWrite
	idle := lost && s.answer.bytes == 0 && s.answers > 0
	bytes, sent := s.answer.bytes, s.n-s.unsent
	t.drop(s)
	if idle {
		t.closed++
	}
	if !idle || !t.idempotent[t.at(s, 0).class] {
		t.finish(s, kind, at, bytes)
		if cause != nil {
			t.rec.Cause = cause
		}
		sent--
		s.fails++
		for kind == record.TimedOut && t.overdue(s, at) { // of one failure, and no reason to connect in between
			t.finish(s, record.TimedOut, at, 0)
			sent--
		}
	}
	t.move(s, sent, unannounced, at)
	if s.fails > 1 {
		t.wait(s, at+min(netio.BackoffMin<<min(s.fails-2, 10), backoffMax))
		return
	}
	t.release(s, at)
	t.pump(s)
}

// An ending is how a connection came to its end.
type ending uint8

const (
	announced   ending = iota // the answer said that it was the last one (RFC 9112 section 9.6)
	ours                      // the generator has ended it
	unannounced               // the server has cut it
)

// move makes the queue ready for a new connection. The first ones had been
// sent on the old one. A server that has announced the end acts upon none of
// them (RFC 9112 section 9.6); after any other end it may have.
func (t *thread) move(s *slot, sent int, end ending, at int64) {
	// What stays goes from the front to the back, so that the order is kept.
	for range s.n {
		q := *t.at(s, 0)
		sent--
		if sent >= 0 && end != announced && !t.idempotent[q.class] {
			t.finish(s, record.FailedRead, at, 0)
			continue
		}
		q.resent = q.resent || sent >= 0 && end == unannounced
		if q.sent != 0 {
			t.rec.Run.Again++
			q.sent = 0
		}
		if s.head++; s.head == t.depth {
			s.head = 0
		}
		*t.at(s, s.n-1) = q
	}
	s.unsent = s.n
}

// wait keeps the slot from doing anything until the time.
func (t *thread) wait(s *slot, until int64) {
	s.state, s.retryAt = waiting, until
	t.waiting++
	t.nextTick = min(t.nextTick, max(until, record.Now()+t.nap))
}

// resume ends the waiting.
func (t *thread) resume(s *slot, at int64) {
	s.state = down
	t.waiting--
	if t.opening {
		t.connect(s)
		return
	}
	t.release(s, at)
	t.pump(s)
}

// finish takes the oldest request from the queue and records its end.
func (t *thread) finish(s *slot, kind record.Kind, at, bytes int64) {
	q := t.at(s, 0)
	t.rec.Record(&record.Outcome{
		Kind: kind, Class: q.class, Conn: int(s.index), Intended: q.intended, Ready: q.ready,
		Acted: q.acted, Sent: q.sent, Done: at, Bytes: bytes, Resent: q.resent, Status: s.answer.status(),
	})
	if s.head++; s.head == t.depth {
		s.head = 0
	}
	s.n--
	s.unsent = min(s.unsent, s.n)
	t.outstanding--
	if q.intended >= t.window.Start.Load() {
		t.counted--
	}
}

// underWay tells of a slot's first connection that it may still come.
func (s *slot) underWay() bool {
	return s.state == connecting || s.state == securing || s.state == waiting
}

// release gives the slot out for what is due next, if there is room.
func (t *thread) release(s *slot, at int64) {
	if s.free || s.n == t.depth || s.state == waiting {
		return
	}
	s.free, s.readyAt = true, at
	t.free.push(s.index)
}

// drop closes the connection, if there is one, and forgets what has come of an
// answer.
func (t *thread) drop(s *slot) {
	if s.fd >= 0 {
		t.transport.drop(s, nil)
		s.fd = -1
	}
	if s.state == waiting {
		t.waiting--
	}
	s.state = down
	s.answer.end()
}
