package load

import (
	"io"

	"golang.org/x/sys/unix"
)

// What differs for the groups of https: a connection is being dialled until its
// handshake is done, pieces are sealed one by one, and what comes is opened. To
// a server the pieces of a slow sender are as many records of a few bytes; a
// slow reader takes its few bytes of what is sealed.

// secure begins the handshake of a connection that stands.
func (w *crowd) secure(s *crowdSlot, at int64) {
	if s.tls == nil {
		s.tls = new(session)
	}
	s.tls.begin(w.tls, at)
	s.securing = true
	w.alarms.set(s.index, s.since+int64(connectTimeout(w.config)))
	w.shake(s, at)
}

// shake goes on with the handshake.
func (w *crowd) shake(s *crowdSlot, at int64) {
	c := s.tls
	done := c.shake()
	errno := w.flush(s)
	switch {
	case errno != 0 && errno != unix.EAGAIN:
		w.refused(s, handshakeError(errno), at)
	case !done:
		w.watchFlushed(s)
	case c.err != nil:
		w.refused(s, handshakeError(c.err), at)
	default:
		generation := s.generation
		s.securing = false
		w.watchFlushed(s)
		if w.connected(s, now()); s.generation == generation && s.standing() {
			w.opened(s, at) // what came with the end of the handshake
		}
	}
}

// shakeWith takes what has come of a handshake.
func (w *crowd) shakeWith(s *crowdSlot, at int64) {
	n, errno := read(int(s.fd), w.buf)
	switch {
	case errno == unix.EAGAIN:
		if errno := w.flush(s); errno != 0 && errno != unix.EAGAIN {
			w.refused(s, handshakeError(errno), at)
			return
		}
		w.watchFlushed(s)
	case errno != 0:
		w.refused(s, handshakeError(errno), at)
	case n == 0:
		w.refused(s, handshakeError(io.ErrUnexpectedEOF), at)
	default:
		c := s.tls
		c.in = w.buf[:n]
		w.shake(s, at)
		c.in = nil
	}
}

// write sends b, or with TLS what it is sealed to; then all of b is taken where
// any is.
func (w *crowd) write(s *crowdSlot, b []byte) (int, unix.Errno) {
	if s.tls == nil {
		return write(int(s.fd), b)
	}
	if errno := w.flush(s); errno != 0 {
		return 0, errno
	}
	if _, err := s.tls.conn.Write(b); err != nil {
		return 0, unix.EPROTO
	}
	if errno := w.flush(s); errno != 0 && errno != unix.EAGAIN {
		return 0, errno
	}
	return len(b), 0
}

// flush sends what is sealed, as far as there is room.
func (w *crowd) flush(s *crowdSlot) unix.Errno {
	if s.tls == nil {
		return 0
	}
	for c := s.tls; len(c.out) > 0; {
		n, errno := write(int(s.fd), c.out)
		if errno != 0 {
			return errno
		}
		c.out = c.out[:copy(c.out, c.out[n:])]
	}
	return 0
}

// watchFlushed watches for room where there is something left to send.
func (w *crowd) watchFlushed(s *crowdSlot) {
	events := uint32(unix.EPOLLIN)
	if len(s.tls.out) > 0 {
		events |= unix.EPOLLOUT
	}
	_ = w.watch(s, events)
}

// arrived handles what a read has brought and tells whether the request has
// ended.
func (w *crowd) arrived(s *crowdSlot, n int, errno unix.Errno, at int64) bool {
	switch {
	case s.tls == nil:
		return w.take(s, w.buf[:max(n, 0)], errno, at)
	case errno != 0 || n == 0: // whoever has cut it, it was not TLS
		w.lost(s, at)
		return true
	}
	c := s.tls
	c.in = w.buf[:n]
	ended := w.opened(s, at)
	c.in = nil
	return ended
}

// opened takes what can be opened and tells whether the request has ended, or the
// connection.
func (w *crowd) opened(s *crowdSlot, at int64) bool {
	c := s.tls
	for {
		n, err := c.open(w.plain)
		if errno := w.flush(s); errno != 0 && errno != unix.EAGAIN {
			w.lost(s, at)
			return true
		}
		s.moved = at
		switch {
		case n > 0 && s.state == crowdHeld: // to nobody's question
			w.lost(s, at)
			return true
		case n > 0 && w.take(s, w.plain[:n], 0, at):
			return true
		}
		switch {
		case err == errDrained:
			return false
		case err == nil:
		case err == io.EOF:
			c.hung = true
			if s.state == crowdHeld {
				w.lost(s, at)
				return true
			}
			return w.take(s, nil, 0, at)
		default:
			c.hung = true
			w.lost(s, at)
			return true
		}
	}
}

// look takes what comes on a connection that waits for nothing: tickets of TLS,
// or that the server has had enough.
func (w *crowd) look(s *crowdSlot, at int64) {
	n, errno := read(int(s.fd), w.buf)
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
func (w *crowd) unsecure(s *crowdSlot, abort bool) {
	c := s.tls
	if c == nil || c.conn == nil {
		return
	}
	if s.standing() && !abort && !c.hung && len(c.out) == 0 {
		_ = c.conn.Close() // says so to the session
		_ = w.flush(s)
	}
	c.stop()
	s.tls, s.securing = nil, false // a session is large beside its slot
}
