package crowd

import (
	"os"

	"golang.org/x/sys/unix"

	"github.com/dynobench/dyno/bench/load/netio"
	"github.com/dynobench/dyno/bench/load/plan"
	"github.com/dynobench/dyno/protocol/http1"
	"github.com/dynobench/dyno/scenarios/workload"
)

// A slot is the place of one connection of a group. There may be tens of
// thousands: it is small, and holds no buffer.
type slot struct {
	index      int32
	generation int32 // of the connection, see slot
	fd         int32 // absent without a connection
	place      int32 // in the heap of alarms, or absent
	written    int32 // bytes of the request
	polled     uint32
	group      uint8
	state      state
	securing   bool  // dialing: TLS is being agreed on
	fails      uint8 // connections in a row that came to nothing

	wake  int64 // the alarm
	since int64 // the connection was begun, then: it stands
	took  int64 // to connect, ns
	due   int64 // the next piece, or request
	sent  int64 // first byte of the request
	moved int64 // something was last sent or received

	tls    *netio.Session // https: of the connection
	parser http1.ResponseParser
}

type state uint8

const (
	resting state = iota // without a connection
	queued               // likewise, with its turn to open one fixed
	dialing
	held // a connection without a request
	sending
	receiving
)

const (
	absent = -1

	// A connection that was lost is made again after reopenMin, twice as long
	// after each further one that has not lasted for a second, and not more
	// than one each reopenGap in the whole crowd: a server that closes all of
	// them at once shall not get them all back at once.
	reopenMin = int64(100e6)
	reopenMax = int64(5e9)
	reopenGap = int64(1e6)
	lasting   = int64(1e9)

	// A slow reader's socket takes little, so that the server's writes block
	// soon: this, or twice a piece, so that the rate is reached.
	slowReceiveBuffer = 4096
)

func (s *slot) init(index int32, group int) {
	s.index, s.group, s.fd, s.place = index, uint8(group), absent, absent
}

// standing tells whether there is a connection.
func (s *slot) standing() bool { return s.state >= held }

// dial begins to open the connection of a slot.
func (w *crowd) dial(s *slot, at int64) {
	s.state, s.since = dialing, at
	w.dialing++
	w.attempt(s, at)
}

func (w *crowd) attempt(s *slot, at int64) {
	s.generation++
	m, receive := w.member(s), 0
	if m.Kind == workload.SlowRead {
		receive = max(slowReceiveBuffer, 2*m.bytes)
	}
	fd, err := w.dialer.Dial(receive)
	s.fd = int32(fd)
	switch err {
	case nil:
		if err = w.watch(s, unix.EPOLLIN); err == nil {
			w.reached(s, at)
			return
		}
	case unix.EINPROGRESS:
		if err = w.watch(s, unix.EPOLLIN|unix.EPOLLOUT); err == nil {
			w.alarms.set(s.index, s.since+int64(plan.ConnectTimeout(w.config)))
			return
		}
	case unix.EAGAIN: // a Unix socket with a full backlog, see slot
		if at-s.since < int64(plan.ConnectTimeout(w.config)) {
			w.alarms.set(s.index, at+netio.BackoffMin)
			return
		}
		err = os.ErrDeadlineExceeded
	}
	w.refused(s, err, at)
}

// refused ends an attempt to connect.
func (w *crowd) refused(s *slot, err error, at int64) {
	w.member(s).rec.Refuse(err, w.counting)
	w.rest(s, at)
}

// reached goes on with a connection of the transport.
func (w *crowd) reached(s *slot, at int64) {
	if w.tls != nil {
		w.secure(s, at)
		return
	}
	w.connected(s, at)
}

func (w *crowd) connected(s *slot, at int64) {
	m := w.member(s)
	w.dialing--
	w.stoodAt = at
	s.took, s.since = at-s.since, at
	s.state = held
	w.alarms.cancel(s.index)
	if w.counting {
		m.rec.Open(s.took)
	}
	switch {
	case m.Kind == workload.Storm && !m.Request:
		w.rest(s, at)
	case m.Kind == workload.Idle:
		s.due = w.apart(s, at) - m.every
		w.hold(s, at)
	default:
		w.ask(s, at)
	}
}

// apart is a time for a slot within one gap of its group from now: those of a
// group are spread evenly, so that not all of them do something at once.
func (w *crowd) apart(s *slot, at int64) int64 {
	m := w.member(s)
	return at + int64(float64(m.every)*float64(s.index-m.from+1)/float64(m.n))
}

// hold lets an idle connection stand until its next request is due.
func (w *crowd) hold(s *slot, at int64) {
	s.state = held
	if m := w.member(s); m.every > 0 {
		if s.due += m.every; s.due <= at {
			s.due = at + m.every
		}
		w.alarms.set(s.index, s.due)
		return
	}
	w.alarms.cancel(s.index)
}

// wake is called when the slot's alarm is due.
func (w *crowd) wake(s *slot, at int64) {
	switch s.state {
	case resting:
		if w.reopenAt > at {
			s.state = queued
			w.alarms.set(s.index, w.reopenAt)
			w.reopenAt += reopenGap
			return
		}
		w.reopenAt = at + reopenGap
		w.dial(s, at)
	case queued:
		w.dial(s, at)
	case dialing:
		if s.fd == absent {
			w.attempt(s, at)
		} else {
			w.refused(s, os.ErrDeadlineExceeded, at)
		}
	case held:
		w.ask(s, at)
	case sending, receiving:
		w.goOn(s, at)
	}
}

// ready handles an event on a connection.
func (w *crowd) ready(s *slot, events uint32, at int64) {
	switch s.state {
	case dialing:
		if s.securing {
			w.shakeWith(s, at)
		} else if errno, err := unix.GetsockoptInt(int(s.fd), unix.SOL_SOCKET, unix.SO_ERROR); err != nil {
			w.refused(s, err, at)
		} else if errno != 0 {
			w.refused(s, unix.Errno(errno), at)
		} else if events&(unix.EPOLLOUT|unix.EPOLLERR|unix.EPOLLHUP) != 0 {
			_ = w.watch(s, unix.EPOLLIN)
			w.reached(s, at)
		}
	case held:
		w.look(s, at)
	case sending:
		if events&^unix.EPOLLOUT == 0 || !w.receive(s, at) {
			if s.state == sending && events&unix.EPOLLOUT != 0 {
				w.send(s, at)
			}
		}
	case receiving:
		w.receive(s, at)
	}
}

// watch sets the events that matter; with none the connection is not looked
// at, as a slow reader's, which has something to read all the time.
func (w *crowd) watch(s *slot, events uint32) error {
	op := unix.EPOLL_CTL_MOD
	switch {
	case s.polled == events:
		return nil
	case s.polled == 0:
		op = unix.EPOLL_CTL_ADD
	case events == 0:
		op = unix.EPOLL_CTL_DEL
	}
	s.polled = events
	return w.poll.Control(op, int(s.fd), events, s.index, s.generation)
}

// rest takes the connection away. A slot that is to hold one gets another one
// in time, that of a storm is free for the next.
func (w *crowd) rest(s *slot, at int64) {
	m := w.member(s)
	if s.state == dialing {
		w.dialing--
	} else if s.standing() && at-s.since >= lasting {
		s.fails = 0
	}
	w.drop(s, m.Abort)
	s.state = resting
	if m.Kind == workload.Storm {
		w.alarms.cancel(s.index)
		m.free = append(m.free, s.index)
		return
	}
	w.alarms.set(s.index, at+min(reopenMin<<min(s.fails, 6), reopenMax))
	s.fails = min(s.fails+1, 6)
}

// drop closes the connection, if there is one; abort does it by a reset.
func (w *crowd) drop(s *slot, abort bool) {
	if s.fd == absent {
		return
	}
	w.unsecure(s, abort)
	if abort {
		_ = unix.SetsockoptLinger(int(s.fd), unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
	}
	unix.Close(int(s.fd))
	s.fd, s.polled = absent, 0
}
