package crowd

import (
	"io"

	"golang.org/x/sys/unix"

	"github.com/dynobench/dyno/bench/load/netio"
	"github.com/dynobench/dyno/bench/load/plan"
	"github.com/dynobench/dyno/bench/load/record"
)

// What differs for the groups of https: a connection is being dialled until its
// handshake is done, pieces are sealed one by one, and what comes is opened. To
// a server the pieces of a slow sender are as many records of a few bytes; a
// slow reader takes its few bytes of what is sealed.

// secure begins the handshake of a connection that stands.
func (w *crowd) secure(s *slot, at int64) {
	if s.tls == nil {
		s.tls = new(netio.Session)
	}
	s.tls.Begin(w.tls, at)
	s.securing = true
	w.alarms.set(s.index, s.since+int64(plan.ConnectTimeout(w.config)))
	w.shake(s, at)
}

// shake goes on with the handshake.
func (w *crowd) shake(s *slot, at int64) {
	c := s.tls
	done := c.Shake()
	errno := w.flush(s)
	switch {
	case errno != 0 && errno != unix.EAGAIN:
		w.refused(s, plan.HandshakeError(errno), at)
	case !done:
		w.watchFlushed(s)
	case c.Err != nil:
		w.refused(s, plan.HandshakeError(c.Err), at)
	default:
		generation := s.generation
		s.securing = false
		w.watchFlushed(s)
		if w.connected(s, record.Now()); s.generation == generation && s.standing() {
			w.opened(s, at) // what came with the end of the handshake
		}
	}
}

// shakeWith takes what has come of a handshake.
func (w *crowd) shakeWith(s *slot, at int64) {
	n, errno := netio.Read(int(s.fd), w.buf)
	switch {
	case errno == unix.EAGAIN:
		if errno := w.flush(s); errno != 0 && errno != unix.EAGAIN {
			w.refused(s, plan.HandshakeError(errno), at)
			return
		}
		w.watchFlushed(s)
	case errno != 0:
		w.refused(s, plan.HandshakeError(errno), at)
	case n == 0:
		w.refused(s, plan.HandshakeError(io.ErrUnexpectedEOF), at)
	default:
		c := s.tls
		c.In = w.buf[:n]
		w.shake(s, at)
		c.In = nil
	}
}

// write sends b, or with TLS what it is sealed to; then all of b is taken where
// any is.
func (w *crowd) write(s *slot, b []byte) (int, unix.Errno) {
	if s.tls == nil {
		return netio.Write(int(s.fd), b)
	}
	if errno := w.flush(s); errno != 0 {
		return 0, errno
	}
	if _, err := s.tls.Conn.Write(b); err != nil {
		return 0, unix.EPROTO
	}
	if errno := w.flush(s); errno != 0 && errno != unix.EAGAIN {
		return 0, errno
	}
	return len(b), 0
}

// flush sends what is sealed, as far as there is room.
func (w *crowd) flush(s *slot) unix.Errno {
	if s.tls == nil {
		return 0
	}
	for c := s.tls; len(c.Out) > 0; {
		n, errno := netio.Write(int(s.fd), c.Out)
		if errno != 0 {
			return errno
		}
		c.Out = c.Out[:copy(c.Out, c.Out[n:])]
	}
	return 0
}

// watchFlushed watches for room where there is something left to send.
func (w *crowd) watchFlushed(s *slot) {
	events := uint32(unix.EPOLLIN)
	if len(s.tls.Out) > 0 {
		events |= unix.EPOLLOUT
	}
	_ = w.watch(s, events)
}

// arrived handles what a read has brought and tells whether the request has
// ended.
func (w *crowd) arrived(s *slot, n int, errno unix.Errno, at int64) bool {
	switch {
	case s.tls == nil:
		return w.take(s, w.buf[:max(n, 0)], errno, at)
	case errno != 0 || n == 0: // whoever has cut it, it was not TLS
		w.lost(s, at)
		return true
	}
	c := s.tls
	c.In = w.buf[:n]
	ended := w.opened(s, at)
	c.In = nil
	return ended
}

// opened takes what can be opened and tells whether the request has ended, or the
// connection.
func (w *crowd) opened(s *slot, at int64) bool {
	c := s.tls
	for {
		n, err := c.Open(w.plain)
		if errno := w.flush(s); errno != 0 && errno != unix.EAGAIN {
			w.lost(s, at)
			return true
		}
		s.moved = at
		switch {
		case n > 0 && s.state == held: // to nobody's question
			w.lost(s, at)
			return true
		case n > 0 && w.take(s, w.plain[:n], 0, at):
			return true
		}
		switch {
		case err == netio.ErrDrained:
			return false
		case err == nil:
		case err == io.EOF:
			c.Hung = true
			if s.state == held {
				w.lost(s, at)
				return true
			}
			return w.take(s, nil, 0, at)
		default:
			c.Hung = true
			w.lost(s, at)
			return true
		}
	}
}

// look takes what comes on a connection that waits for nothing: tickets of TLS,
// or that the server has had enough.
func (w *crowd) look(s *slot, at int64) {
	n, errno := netio.Read(int(s.fd), w.buf)
	switch {
	case errno == unix.EAGAIN && s.tls != nil:
		if errno := w.flush(s); errno != 0 && errno != unix.EAGAIN {
			w.lost(s, at)
			return
		}
		w.watchFlushed(s)
	case errno == unix.EAGAIN:
	case s.tls != nil:
		w.arrived(s, n, errno, at)
	default:
		w.lost(s, at)
	}
}

// unsecure ends the TLS of a connection, in form where it is in order.
func (w *crowd) unsecure(s *slot, abort bool) {
	c := s.tls
	if c == nil || c.Conn == nil {
		return
	}
	if s.standing() && !abort && !c.Hung && len(c.Out) == 0 {
		_ = c.Conn.Close() // says so to the session
		_ = w.flush(s)
	}
	c.Stop()
	s.tls, s.securing = nil, false // a session is large beside its slot
}
