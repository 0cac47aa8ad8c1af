package native

import (
	"golang.org/x/sys/unix"

	"github.com/dynobench/dyno/bench/load/netio"
	"github.com/dynobench/dyno/bench/load/record"
)

// epoll is the transport that every Linux has: it waits for sockets to be
// ready, and then reads and writes. Sockets are registered once, and watched
// for room to write only after a short write; level-triggered, since the edge
// saves nothing here: a short read counts as drained either way.
type epoll struct {
	*thread
	up   events
	poll *netio.Poll
	buf  []byte
}

var _ transport = (*epoll)(nil)

func newEpoll(t *thread, up events) (*epoll, error) {
	p, err := netio.NewPoll(t.config.Spin)
	if err != nil {
		return nil, err
	}
	return &epoll{thread: t, up: up, poll: p, buf: make([]byte, netio.ReadBuffer)}, nil
}

func (e *epoll) close() { e.poll.Close() }

func (e *epoll) open(s *slot, connecting bool) {
	s.polled = unix.EPOLLIN
	if connecting {
		s.polled |= unix.EPOLLOUT
	}
	if err := e.poll.Control(unix.EPOLL_CTL_ADD, s.fd, s.polled, s.index, s.generation); err != nil {
		e.up.refuse(s, err, record.Now())
	} else if !connecting {
		e.up.connected(s)
	}
}

func (e *epoll) drop(s *slot, last []byte) {
	if len(last) > 0 {
		_, _ = netio.Write(s.fd, last)
	}
	unix.Close(s.fd)
	s.congested, s.cut, s.rest = false, false, s.rest[:0]
}

// watch sets the events that matter. It does nothing in the usual case.
func (e *epoll) watch(s *slot, events uint32) {
	if s.polled != events {
		s.polled = events
		_ = e.poll.Control(unix.EPOLL_CTL_MOD, s.fd, events, s.index, s.generation)
	}
}

func (e *epoll) send(s *slot, b []byte, _ bool) {
	n, errno := e.write(s, b)
	if n == len(b) {
		return
	}
	s.congested = true
	s.rest = append(s.rest[:0], b[n:]...)
	e.stopped(s, errno)
}

// write writes what there is room for.
func (e *epoll) write(s *slot, b []byte) (n int, errno unix.Errno) {
	for n < len(b) {
		k, errno := netio.Write(s.fd, b[n:])
		if errno != 0 {
			return n, errno
		}
		n += k
	}
	return n, 0
}

// stopped goes on where not all could be written.
func (e *epoll) stopped(s *slot, errno unix.Errno) {
	if errno == unix.EAGAIN {
		e.watch(s, unix.EPOLLIN|unix.EPOLLOUT)
		return
	}
	// The server may have answered and closed before it had read all. With
	// EPIPE it has closed the connection in form, with anything else cut it.
	s.cut = errno != unix.EPIPE
	if e.receive(s) {
		e.up.lose(s, record.FailedWrite, record.Now(), errno)
	}
}

func (e *epoll) wait(until int64) {
	events := e.poll.Wait(until)
	for i := range events {
		ev := &events[i]
		if s := &e.slots[ev.Fd]; s.fd >= 0 && s.generation == ev.Pad {
			e.ready(s, ev.Events)
		}
	}
}

// ready handles an event on a connection.
func (e *epoll) ready(s *slot, events uint32) {
	if s.state == connecting {
		if err := socketError(s.fd); err != nil {
			e.up.refuse(s, err, record.Now())
		} else if events&(unix.EPOLLOUT|unix.EPOLLERR|unix.EPOLLHUP) != 0 {
			e.watch(s, unix.EPOLLIN)
			e.up.connected(s)
		}
		return
	}
	if events&^unix.EPOLLOUT != 0 && !e.receive(s) {
		return
	}
	if events&unix.EPOLLOUT == 0 || !s.congested {
		return
	}
	n, errno := e.write(s, s.rest)
	if n < len(s.rest) {
		s.rest = s.rest[:copy(s.rest, s.rest[n:])]
		e.stopped(s, errno)
		return
	}
	s.congested, s.rest = false, s.rest[:0]
	e.watch(s, unix.EPOLLIN)
	e.up.pump(s)
}

// receive takes what has come. It tells whether the socket is drained and the
// connection still stands.
func (e *epoll) receive(s *slot) bool {
	generation := s.generation
	for {
		n, errno := netio.Read(s.fd, e.buf)
		at := record.Now() // before parsing
		switch {
		case errno == unix.EAGAIN:
			return true
		case errno != 0 || n == 0:
			e.up.hungUp(s, errno, at)
			return false
		}
		e.up.received(s, e.buf[:n], at)
		if s.generation != generation || !s.stands() {
			return false
		}
		if n < len(e.buf) { // more bytes make a new event
			return true
		}
	}
}

// socketError is why a connection could not be made, or nil.
func socketError(fd int) error {
	errno, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR)
	if err == nil && errno != 0 {
		err = unix.Errno(errno)
	}
	return err
}
