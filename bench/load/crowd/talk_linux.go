package crowd

import (
	"golang.org/x/sys/unix"

	"github.com/dynobench/dyno/bench/load/netio"
	"github.com/dynobench/dyno/scenarios/workload"
)

// ask begins a request on a connection that stands.
func (w *crowd) ask(s *slot, at int64) {
	s.state, s.written, s.sent, s.moved = sending, 0, at, at
	s.parser.Reset(false)
	if m := w.member(s); m.Kind == workload.SlowSend && m.swift == 0 {
		w.later(s, w.apart(s, at))
		return
	}
	w.send(s, at)
}

// later makes the next piece due at t.
func (w *crowd) later(s *slot, t int64) {
	s.due = t
	w.alarms.set(s.index, t)
}

// nextPiece makes the piece after this one due. A crowd that is late does not
// make up for it by more than one piece.
func (w *crowd) nextPiece(s *slot, at int64) { w.later(s, max(s.due+w.member(s).every, at)) }

// goOn is called when a piece is due, or a connection on which nothing moves
// has to be looked at.
func (w *crowd) goOn(s *slot, at int64) {
	m := w.member(s)
	switch {
	case s.state == sending && m.Kind == workload.SlowSend && int(s.written) >= m.swift:
		w.send(s, at)
	case s.state == receiving && m.Kind == workload.SlowRead:
		w.sip(s, at)
	case !w.overdue(s, at):
		w.alarms.set(s.index, s.moved+w.timeout)
	}
}

// overdue ends a request that the server has not moved for too long. Its own
// slowness is not held against a connection.
func (w *crowd) overdue(s *slot, at int64) bool {
	if at-s.moved < w.timeout {
		return false
	}
	if w.counting {
		w.member(s).rec.Errors++
	}
	w.rest(s, at)
	return true
}

// send writes what is due of the request.
func (w *crowd) send(s *slot, at int64) {
	m := w.member(s)
	for int(s.written) < len(m.request) {
		b, slow := m.request[s.written:], false
		if m.Kind == workload.SlowSend {
			if slow = int(s.written) >= m.swift; slow {
				b = b[:min(m.bytes, len(b))]
			} else {
				b = m.request[s.written:m.swift]
			}
		}
		n, errno := w.write(s, b)
		switch {
		case errno == unix.EAGAIN && slow:
			if !w.overdue(s, at) {
				w.nextPiece(s, at)
			}
			return
		case errno == unix.EAGAIN:
			_ = w.watch(s, unix.EPOLLIN|unix.EPOLLOUT)
			w.alarms.set(s.index, s.moved+w.timeout)
			return
		case errno != 0: // the server may have answered and closed before it had read all
			if !w.receive(s, at) {
				w.lost(s, at)
			}
			return
		}
		if s.written == 0 {
			s.sent = at
		}
		s.written, s.moved = s.written+int32(n), at
		if w.counting {
			m.rec.BytesSent += int64(n)
		}
		if m.Kind == workload.SlowSend && int(s.written) < len(m.request) {
			_ = w.watch(s, unix.EPOLLIN)
			if slow {
				w.nextPiece(s, at)
			} else if int(s.written) == m.swift {
				w.later(s, w.apart(s, at))
			} else {
				continue
			}
			return
		}
	}
	switch errno := w.flush(s); {
	case errno == unix.EAGAIN:
		_ = w.watch(s, unix.EPOLLIN|unix.EPOLLOUT)
		w.alarms.set(s.index, s.moved+w.timeout)
		return
	case errno != 0:
		if !w.receive(s, at) {
			w.lost(s, at)
		}
		return
	}
	s.state = receiving
	if m.Kind == workload.SlowRead {
		_ = w.watch(s, 0)
		w.later(s, w.apart(s, at))
		return
	}
	_ = w.watch(s, unix.EPOLLIN)
	w.alarms.set(s.index, s.moved+w.timeout)
}

// sip takes a slow reader's next piece.
func (w *crowd) sip(s *slot, at int64) {
	n, errno := netio.Read(int(s.fd), w.buf[:w.member(s).bytes])
	if errno == unix.EAGAIN {
		if !w.overdue(s, at) {
			w.nextPiece(s, at)
		}
		return
	}
	if !w.arrived(s, n, errno, at) {
		w.nextPiece(s, at)
	}
}

// receive takes what has come and tells whether the request has come to its end.
func (w *crowd) receive(s *slot, at int64) bool {
	for {
		n, errno := netio.Read(int(s.fd), w.buf)
		if errno == unix.EAGAIN {
			return false
		}
		if w.arrived(s, n, errno, at) {
			return true
		}
		if n < len(w.buf) {
			return false
		}
	}
}

// take judges the outcome of a read, the end of the connection where b is empty,
// and tells whether the request has ended.
func (w *crowd) take(s *slot, b []byte, errno unix.Errno, at int64) bool {
	m := w.member(s)
	switch {
	case errno != 0:
		w.lost(s, at)
		return true
	case len(b) == 0:
		if s.parser.EOF() != nil {
			w.lost(s, at)
		} else {
			w.answer(s, at, true)
		}
		return true
	}
	s.moved = at
	if w.counting {
		m.rec.BytesRead += int64(len(b))
	}
	used, done, err := s.parser.Parse(b)
	switch {
	case err != nil:
		if w.counting {
			m.rec.Errors++
		}
		w.rest(s, at)
	case done:
		w.answer(s, at, used+netio.EmptyLines(b[used:]) == len(b))
	default:
		return false
	}
	return true
}

// answer ends a request whose answer is whole; clean tells that nothing came
// behind it.
func (w *crowd) answer(s *slot, at int64, clean bool) {
	m := w.member(s)
	whole := int(s.written) == len(m.request)
	right := clean && whole && s.parser.Status()/100 == 2
	if w.counting {
		m.rec.Answer(at-s.sent, right)
	}
	if right {
		s.fails = 0
	}
	keeps := s.parser.KeepAlive()
	switch {
	case m.Kind == workload.Storm:
		w.rest(s, at)
	case !keeps:
		if w.counting {
			m.rec.Close(at - s.since)
		}
		w.rest(s, at)
	case !clean || !whole:
		w.rest(s, at)
	case m.Kind == workload.Idle:
		w.hold(s, at)
	default:
		w.ask(s, at)
	}
}

// lost is for a connection that the server has closed or reset while it was in
// use. Between two requests it may; where one of an idle connection was on its
// way just then, nobody is to blame.
func (w *crowd) lost(s *slot, at int64) {
	m := w.member(s)
	if w.counting {
		m.rec.Close(at - s.since)
		if s.state != held && (m.Kind != workload.Idle || s.parser.Started()) {
			m.rec.Errors++
		}
	}
	w.rest(s, at)
}
