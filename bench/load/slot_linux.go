package load

import (
	"errors"
	"io"

	"golang.org/x/sys/unix"

	"github.com/dynobench/dyno/protocol/http1"
)

// A slot is one connection, or the place for one: where a server closes after
// each answer, a slot sees a connection per request, and the time it takes to
// connect is part of the latency.
type slot struct {
	index      int32
	generation int32 // of the connection: events of an earlier one are stale
	fd         int   // −1 without a connection
	state      state
	polled     uint32 // the events that epoll watches

	request // the one under way

	readyAt int64 // since when the slot is free
	retryAt int64 // when it may go on after a failure
	fails   int   // in a row
	stale   bool  // connected before, so that connecting is connecting again
	served  int   // answers on this connection

	parser http1.ResponseParser
	check  checker
}

type state uint8

const (
	idle       state = iota // in the ring of free slots
	waiting                 // after a failure, until retryAt
	connecting              // from here on there is a request, but for the first connections
	sending
	receiving
)

// request is what a slot remembers of the request under way.
type request struct {
	class    int // −1: none, only the connection is wanted
	intended int64
	ready    int64
	acted    int64
	sent     int64
	written  int   // bytes of it
	read     int64 // bytes of the answer
	resent   bool
}

// Waiting after the second failure in a row and those that follow.
const (
	backoffMin = int64(1e6)
	backoffMax = int64(100e6)
)

func (s *slot) init(i int, t *thread) {
	s.index, s.fd, s.class = int32(i), -1, -1
	s.check.init(t.config.Requests)
}

// start begins a request on a free slot.
func (t *thread) start(s *slot, intended int64, class int) {
	at := now()
	s.request = request{class: class, intended: intended, ready: max(intended, s.readyAt), acted: at}
	t.outstanding++
	if s.fd < 0 {
		t.connectFor(s, at)
		return
	}
	t.launch(s, at)
}

// launch sends the request on a connection that stands.
func (t *thread) launch(s *slot, at int64) {
	s.sent = at
	s.parser.Reset(t.config.Requests[s.class].Method == "HEAD")
	s.check.begin(s.class, &s.parser)
	t.send(s)
}

// connect opens the connection of a slot without a request.
func (t *thread) connect(s *slot, at int64) {
	if s.class < 0 && s.state == idle {
		t.outstanding++
	}
	t.connectFor(s, at)
}

func (t *thread) connectFor(s *slot, at int64) {
	s.state = connecting
	fd, err := unix.Socket(t.family, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.refuse(s, err, at)
		return
	}
	s.fd = fd
	s.served = 0
	s.generation++
	if t.family != unix.AF_UNIX {
		_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1) // slower without, no less right
	}
	switch err = unix.Connect(fd, t.addr); err {
	case nil:
		if err = t.poll.control(unix.EPOLL_CTL_ADD, fd, unix.EPOLLIN, s.index, s.generation); err == nil {
			s.polled = unix.EPOLLIN
			t.connected(s)
			return
		}
	case unix.EINPROGRESS, unix.EINTR:
		s.polled = unix.EPOLLIN | unix.EPOLLOUT
		if err = t.poll.control(unix.EPOLL_CTL_ADD, fd, s.polled, s.index, s.generation); err == nil {
			return
		}
	case unix.EAGAIN: // a Unix socket with a full backlog tells nobody when it has room
		t.drop(s)
		s.state, s.retryAt = connecting, at+backoffMin
		return
	}
	t.refuse(s, err, at)
}

// refuse ends an attempt to connect.
func (t *thread) refuse(s *slot, err error, at int64) {
	if s.class >= 0 {
		t.fail(s, failedConnect, at)
		return
	}
	t.refusal = err
	t.drop(s)
	s.state = idle
	t.outstanding--
}

// connected goes on with the request that the connection is for.
func (t *thread) connected(s *slot) {
	if s.class < 0 { // a first connection
		s.state, s.stale = idle, true
		t.outstanding--
		return
	}
	at := now()
	if s.stale && t.window.holds(at) {
		t.rec.reconnects++
	}
	s.stale = true
	t.launch(s, at)
}

// send writes what is left of the request.
func (t *thread) send(s *slot) {
	b := t.requests[s.class]
	for s.written < len(b) {
		n, errno := write(s.fd, b[s.written:])
		if errno == unix.EAGAIN {
			s.state = sending
			t.watch(s, unix.EPOLLIN|unix.EPOLLOUT)
			return
		}
		if errno != 0 {
			// The server may have answered and closed before it had read all.
			if s.state = sending; !t.receive(s) {
				t.fail(s, failedWrite, now())
			}
			return
		}
		s.written += n
	}
	s.state = receiving
	t.watch(s, unix.EPOLLIN)
}

// watch sets the events that matter. It does nothing in the usual case.
func (t *thread) watch(s *slot, events uint32) {
	if s.polled != events {
		s.polled = events
		_ = t.poll.control(unix.EPOLL_CTL_MOD, s.fd, events, s.index, s.generation)
	}
}

// ready handles an event on a connection.
func (t *thread) ready(s *slot, events uint32) {
	switch s.state {
	case connecting:
		if errno, err := unix.GetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_ERROR); err != nil {
			t.refuse(s, err, now())
		} else if errno != 0 {
			t.refuse(s, unix.Errno(errno), now())
		} else if events&(unix.EPOLLOUT|unix.EPOLLERR|unix.EPOLLHUP) != 0 {
			t.watch(s, unix.EPOLLIN)
			t.connected(s)
		}
	case sending:
		if events&^unix.EPOLLOUT == 0 || !t.receive(s) {
			if s.state == sending {
				t.send(s)
			}
		}
	case receiving:
		t.receive(s)
	default:
		t.idleRead(s)
	}
}

// idleRead is for a connection without a request: usually the server has had
// enough of it. Bytes are an answer to nothing.
func (t *thread) idleRead(s *slot) {
	n, errno := read(s.fd, t.buf)
	if errno == unix.EAGAIN {
		return
	}
	if errno == 0 && n > 0 && t.window.holds(now()) {
		t.rec.stray++
	}
	t.drop(s)
}

// receive takes what has come and tells whether the request has come to its
// end. A short read has drained the socket: more bytes make a new event.
func (t *thread) receive(s *slot) bool {
	for {
		n, errno := read(s.fd, t.buf)
		at := now() // before parsing
		switch {
		case errno == unix.EAGAIN:
			return false
		case errno != 0:
			t.fail(s, failedRead, at)
			return true
		case n == 0:
			if err := s.parser.EOF(); err == nil {
				t.answer(s, at, true)
			} else if s.state == sending && errors.Is(err, io.EOF) {
				t.fail(s, failedWrite, at)
			} else {
				t.fail(s, failedRead, at)
			}
			return true
		}
		s.read += int64(n)
		used, done, err := s.parser.Parse(t.buf[:n])
		switch {
		case err != nil:
			t.fail(s, failedRead, at)
			return true
		case done:
			t.answer(s, at, used == n)
			return true
		case n < len(t.buf):
			return false
		}
	}
}

// answer ends a request whose answer is whole; clean tells that nothing came
// behind it.
func (t *thread) answer(s *slot, at int64, clean bool) {
	kind := s.check.verdict(&s.parser)
	if !clean && kind == answered {
		kind = wrongBody // longer than announced
	}
	whole := s.written == len(t.requests[s.class]) // it may be refused before that
	if s.served++; s.served > 1 {
		t.kept++
	}
	if !s.parser.KeepAlive() || !clean || !whole || t.kept == 0 && t.closed >= manyClosed {
		t.drop(s)
	}
	t.seen++
	s.fails = 0
	t.finish(s, kind, at)
	t.follow(s, at)
}

// follow puts a slot that is free since at to its next request.
func (t *thread) follow(s *slot, at int64) {
	if t.config.Model == Closed && at < t.window.end.Load() {
		s.readyAt = at
		t.start(s, at, t.mix.draw())
		return
	}
	t.release(s, at)
}

// again sends a request once more, on a new connection, where the server has
// closed the old one between two requests: it may do so at any time, and a
// client that sends at that moment cannot know (RFC 9112 section 9.3.1). The
// request stays due when it was. On a new connection the same is a failure.
func (t *thread) again(s *slot, kind kind, at int64) bool {
	lost := kind == failedRead || kind == failedWrite
	if !lost || s.read > 0 || s.served == 0 || !t.idempotent[s.class] {
		return false
	}
	t.closed++
	t.drop(s)
	s.written, s.resent = 0, true
	t.connectFor(s, at)
	return true
}

// fail ends a request without an answer. The connection is of no use any more.
func (t *thread) fail(s *slot, kind kind, at int64) {
	if t.again(s, kind, at) {
		return
	}
	t.drop(s)
	t.finish(s, kind, at)
	if s.fails++; s.fails == 1 {
		t.release(s, at)
		return
	}
	s.state = waiting
	s.retryAt = at + min(backoffMin<<min(s.fails-2, 10), backoffMax)
}

// finish records the request's end.
func (t *thread) finish(s *slot, kind kind, at int64) {
	t.rec.record(&outcome{
		kind: kind, class: s.class, conn: int(s.index), intended: s.intended, ready: s.ready,
		acted: s.acted, sent: s.sent, done: at, bytes: s.read, resent: s.resent, status: s.parser.Status(),
	})
	t.outstanding--
	s.class, s.state = -1, idle
}

// release makes the slot free for what is due next.
func (t *thread) release(s *slot, at int64) {
	s.state, s.readyAt = idle, at
	t.free.push(s.index)
}

// drop closes the connection, if there is one.
func (t *thread) drop(s *slot) {
	if s.fd >= 0 {
		unix.Close(s.fd)
		s.fd = -1
	}
}
