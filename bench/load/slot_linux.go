package load

import "golang.org/x/sys/unix"

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
	free       bool   // in the ring of slots that may take a request
	polled     uint32 // the events that epoll watches

	head, n int    // of the queue, in thread.queue
	unsent  int    // of those, the last ones: not yet given to the system
	rest    []byte // of what was given to it and did not fit

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
	up
)

// request is one that is under way.
type request struct {
	intended int64
	ready    int64 // due, and room for it: what comes after is the generator's own delay
	acted    int64 // sent, or the connection for it begun; 0 before
	sent     int64
	class    int
	resent   bool
}

// Waiting after the second failure in a row and those that follow.
const (
	backoffMin = int64(1e6)
	backoffMax = int64(100e6)
)

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
	*t.at(s, s.n-1) = request{class: class, intended: intended, ready: max(intended, s.readyAt)}
	t.outstanding++
	if intended >= t.window.start.Load() {
		t.counted++
	}
}

// pump does what can be done for the queue at the moment.
func (t *thread) pump(s *slot) {
	switch {
	case s.unsent == 0:
	case s.state == up && len(s.rest) == 0:
		t.send(s)
	case s.state == down:
		t.connect(s)
	}
}

// send writes the requests that have not been sent yet, all at once.
func (t *thread) send(s *slot) {
	var b []byte
	if s.unsent == 1 {
		b = t.requests[t.at(s, s.n-1).class]
	} else {
		b = t.out[:0]
		for i := s.n - s.unsent; i < s.n; i++ {
			b = append(b, t.requests[t.at(s, i).class]...)
		}
		t.out = b
	}
	at := now()
	for ; s.unsent > 0; s.unsent-- {
		q := t.at(s, s.n-s.unsent)
		q.sent = at
		if q.acted == 0 {
			q.acted = at
		}
	}
	t.write(s, b)
}

// write gives b to the system. What does not fit is kept and goes when there
// is room.
func (t *thread) write(s *slot, b []byte) {
	n, errno := 0, unix.Errno(0)
	for n < len(b) && errno == 0 {
		var k int
		if k, errno = write(s.fd, b[n:]); errno == 0 {
			n += k
		}
	}
	if n == len(b) {
		if len(s.rest) > 0 {
			s.rest = s.rest[:0]
			t.watch(s, unix.EPOLLIN)
		}
		return
	}
	if len(s.rest) > 0 { // b is its end
		n = copy(s.rest, b[n:])
		s.rest = s.rest[:n]
	} else {
		s.rest = append(s.rest, b[n:]...)
	}
	if errno == unix.EAGAIN {
		t.watch(s, unix.EPOLLIN|unix.EPOLLOUT)
		return
	}
	// The server may have answered and closed before it had read all.
	if generation := s.generation; t.receive(s) && s.generation == generation && s.state == up {
		t.lose(s, failedWrite, now())
	}
}

// watch sets the events that matter. It does nothing in the usual case.
func (t *thread) watch(s *slot, events uint32) {
	if s.polled != events {
		s.polled = events
		_ = t.poll.control(unix.EPOLL_CTL_MOD, s.fd, events, s.index, s.generation)
	}
}

// connect opens a connection, for the queue or for its own sake.
func (t *thread) connect(s *slot) {
	at := now()
	for i := range s.n {
		if q := t.at(s, i); q.acted == 0 {
			q.acted = at
		}
	}
	s.generation++
	s.answers = 0
	s.state = connecting
	fd, err := t.dialer.dial()
	if err != nil && err != unix.EINPROGRESS {
		if err == unix.EAGAIN { // a Unix socket with a full backlog tells nobody when it has room
			t.wait(s, at+backoffMin)
			return
		}
		t.refuse(s, err, at)
		return
	}
	s.fd = fd
	s.polled = unix.EPOLLIN
	if err != nil {
		s.polled |= unix.EPOLLOUT
	}
	if failed := t.poll.control(unix.EPOLL_CTL_ADD, fd, s.polled, s.index, s.generation); failed != nil {
		t.refuse(s, failed, at)
	} else if err == nil {
		t.connected(s)
	}
}

// refuse ends an attempt to connect.
func (t *thread) refuse(s *slot, err error, at int64) {
	if s.n > 0 {
		t.lose(s, failedConnect, at)
		return
	}
	t.refusal = err
	t.drop(s)
}

// connected goes on with the requests that the connection is for.
func (t *thread) connected(s *slot) {
	s.state = up
	if s.stale && t.window.holds(now()) {
		t.rec.reconnects++
	}
	s.stale = true
	t.pump(s)
}

// ready handles an event on a connection.
func (t *thread) ready(s *slot, events uint32) {
	if s.state == connecting {
		if errno, err := unix.GetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_ERROR); err != nil {
			t.refuse(s, err, now())
		} else if errno != 0 {
			t.refuse(s, unix.Errno(errno), now())
		} else if events&(unix.EPOLLOUT|unix.EPOLLERR|unix.EPOLLHUP) != 0 {
			t.watch(s, unix.EPOLLIN)
			t.connected(s)
		}
		return
	}
	generation := s.generation
	if events&^unix.EPOLLOUT != 0 {
		t.receive(s)
	}
	if events&unix.EPOLLOUT != 0 && s.generation == generation && s.state == up && len(s.rest) > 0 {
		if t.write(s, s.rest); s.generation == generation && s.state == up {
			t.pump(s)
		}
	}
}

// receive takes what has come. A short read has drained the socket: more bytes
// make a new event. It tells whether the socket is drained and the connection
// stands.
func (t *thread) receive(s *slot) bool {
	generation := s.generation
	for {
		n, errno := read(s.fd, t.buf)
		at := now() // before parsing
		switch {
		case errno == unix.EAGAIN:
			return true
		case errno != 0 || n == 0:
			t.hungUp(s, errno, at)
			return false
		}
		t.received(s, t.buf[:n], at)
		if s.generation != generation || s.state != up {
			return false
		}
		if n < len(t.buf) {
			return true
		}
	}
}

// hungUp is called when the server has closed the connection, or with errno
// cut it.
func (t *thread) hungUp(s *slot, errno unix.Errno, at int64) {
	switch {
	case s.n == s.unsent: // between two requests: it has had enough
		t.drop(s)
		t.pump(s)
	case errno == 0 && s.answer.endsHere():
		t.served(s)
		t.answered(s, s.answer.verdict(), at, false)
		t.pump(s)
	case errno == 0 && len(s.rest) > 0 && s.answer.bytes == 0:
		t.lose(s, failedWrite, at)
	default:
		t.lose(s, failedRead, at)
	}
}

// received takes bytes that have come at the time.
func (t *thread) received(s *slot, b []byte, at int64) {
	generation := s.generation
	for len(b) > 0 {
		if s.n == s.unsent { // an answer to nothing
			if t.window.holds(at) {
				t.rec.stray++
			}
			t.drop(s)
			t.pump(s)
			return
		}
		used, done, kind, err := t.take(s, b)
		if err != nil {
			t.lose(s, failedRead, at)
			return
		}
		if !done {
			break
		}
		b = b[used:]
		t.served(s)
		keep := t.keepsAlive(s)
		if len(b) > 0 && s.n-s.unsent == 1 { // longer than announced
			keep = false
			if kind == answered {
				kind = wrongBody
			}
		}
		t.answered(s, kind, at, keep)
		if s.generation != generation || s.state != up {
			break
		}
	}
	t.pump(s)
}

// take takes what b has of the oldest request's answer.
func (t *thread) take(s *slot, b []byte) (used int, done bool, kind kind, err error) {
	class := t.at(s, 0).class
	a := &s.answer
	if !a.begun {
		if f := &t.frames[class]; f.matches(b) {
			a.bytes, a.keeps, a.framed = int64(len(f.bytes)), true, f.status
			return len(f.bytes), true, answered, nil
		}
		a.begin(&t.config.Requests[class], t.frames[class].wanted())
	}
	first := a.bytes == 0
	used, done, err = a.parser.Parse(b)
	a.bytes += int64(used)
	if !done || err != nil {
		return used, done, failedRead, err
	}
	kind = a.verdict()
	a.keeps = a.parser.KeepAlive()
	t.frames[class].learn(b[:used], a.parser.Status(), first && kind == answered && a.keeps && a.compared())
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
	case len(s.rest) > 0: // answered before it was whole, so refused
		return false
	case t.kept == 0 && t.closed >= manyClosed: // it never keeps one, and does not say so
		return false
	}
	return true
}

// answered ends the oldest request, whose answer is whole. Unless the
// connection can be kept, what is behind it in the queue moves to a new one.
func (t *thread) answered(s *slot, kind kind, at int64, keep bool) {
	t.seen++
	s.fails = 0
	bytes := s.answer.bytes
	s.answer.end()
	t.finish(s, kind, at, bytes)
	if !keep {
		sent := s.n - s.unsent
		t.drop(s)
		t.move(s, sent, false, at)
	}
	if t.config.Model == Closed && !s.free && at < t.window.end.Load() {
		s.readyAt = at
		t.start(s, at, t.mix.draw())
		return
	}
	t.release(s, at)
}

// lose ends the oldest request, or the attempt to connect for it, without an
// answer. The connection is of no use any more, and what is behind the request
// moves to a new one.
//
// Where the server has closed a connection between two requests, the oldest
// moves as well: a server may do so at any time, and a client that sends at
// that moment cannot know (RFC 9112 section 9.3.1). The requests stay due when
// they were. On a new connection the same is a failure. What a server may
// already have acted upon is not sent twice unless its method is idempotent
// (RFC 9110 section 9.2.2).
func (t *thread) lose(s *slot, kind kind, at int64) {
	lost := kind == failedRead || kind == failedWrite
	idle := lost && s.answer.bytes == 0 && s.answers > 0 && t.idempotent[t.at(s, 0).class]
	bytes, sent := s.answer.bytes, s.n-s.unsent
	t.drop(s)
	if idle {
		t.closed++
	} else {
		t.finish(s, kind, at, bytes)
		sent--
		s.fails++
	}
	t.move(s, sent, true, at)
	if s.fails > 1 {
		t.wait(s, at+min(backoffMin<<min(s.fails-2, 10), backoffMax))
		return
	}
	t.release(s, at)
	t.pump(s)
}

// move makes the queue ready for a new connection. The first ones had been
// sent on the old one: again tells that nobody had said that they would be for
// nothing.
func (t *thread) move(s *slot, sent int, again bool, at int64) {
	// What stays goes from the front to the back, so that the order is kept.
	for range s.n {
		q := *t.at(s, 0)
		sent--
		if sent >= 0 && !t.idempotent[q.class] {
			t.finish(s, failedRead, at, 0)
			continue
		}
		q.resent = q.resent || sent >= 0 && again
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
func (t *thread) finish(s *slot, kind kind, at, bytes int64) {
	q := t.at(s, 0)
	t.rec.record(&outcome{
		kind: kind, class: q.class, conn: int(s.index), intended: q.intended, ready: q.ready,
		acted: q.acted, sent: q.sent, done: at, bytes: bytes, resent: q.resent, status: s.answer.status(),
	})
	if s.head++; s.head == t.depth {
		s.head = 0
	}
	s.n--
	s.unsent = min(s.unsent, s.n)
	t.outstanding--
	if q.intended >= t.window.start.Load() {
		t.counted--
	}
}

// underWay tells of a slot's first connection that it may still come.
func (s *slot) underWay() bool { return s.state == connecting || s.state == waiting }

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
		unix.Close(s.fd)
		s.fd = -1
	}
	if s.state == waiting {
		t.waiting--
	}
	s.state = down
	s.rest = s.rest[:0]
	s.answer.end()
}
