package native

import (
	"math/bits"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/dynobench/dyno/bench/load/netio"
	"github.com/dynobench/dyno/bench/load/record"
	"github.com/dynobench/dyno/internal/iouring"
)

// uring is the transport on io_uring: what is to be sent is collected and
// given to the kernel in one system call, which waits for answers as well and
// leaves their bytes in memory. Where system calls are dear, a busy generator
// spends half of what epoll does; see docs/load.md for the measurement.
//
// A request's clock is read when it is put into the ring. It leaves with the
// rest of its batch, some microseconds later: what io_uring hides, it adds to
// the latency and never takes from it.
//
// Waiting for more than one answer at a time would save still more. It would
// also hold answers back before their clock is read.
type uring struct {
	*thread
	up     events
	ring   *iouring.Ring
	spin   int64
	widest int // bytes that a request counts with, where others are outstanding
	wake   netio.Wake
	tells  bool                 // the kernel is to tell of sends that they are done
	later  []iouring.Completion // what is handled after those
}

var _ transport = (*uring)(nil)

// What an operation was, in its user data beside slot and generation.
const (
	opConnect = iota
	opReceive
	opSend
)

const (
	// uringBuffers are shared by all connections of a thread. When they run
	// out the kernel says so, and goes on when it is asked again.
	uringBuffers    = 512
	uringBufferSize = 8 << 10
	// smallSend always fits into a socket that nothing else waits in, so that
	// nobody needs to be told that it has been taken. The kernel counts at
	// least leastSend for each piece.
	smallSend = 8 << 10
	leastSend = 512
)

func newUring(t *thread, up events, slots int, spin time.Duration) (*uring, error) {
	n := uint32(1) << bits.Len32(uint32(max(slots, 32)))
	q, err := iouring.New(min(n, 4096), min(4*n, 1<<16), uringBuffers, uringBufferSize)
	if err != nil {
		return nil, err
	}
	u := &uring{thread: t, up: up, ring: q, spin: int64(spin), widest: leastSend}
	for i := range t.wires {
		b := t.wires[i].Fixed()
		if u.widest = max(u.widest, len(b)); b == nil {
			u.widest = smallSend + 1
		}
	}
	u.tells = t.depth > 1 || u.widest > smallSend || t.to.Tls
	return u, nil
}

// prepare is a submission for the connection of s.
func (u *uring) prepare(s *slot, op uint64) *iouring.Submission {
	e := u.ring.Next()
	e.FD = int32(s.fd)
	e.UserData = op<<56 | uint64(uint32(s.generation)&0xffffff)<<32 | uint64(uint32(s.index))
	return e
}

func (u *uring) close() { u.ring.Close() }

func (u *uring) open(s *slot, connecting bool) {
	if !connecting {
		u.stands(s)
		return
	}
	e := u.prepare(s, opConnect)
	e.Opcode, e.OpFlags = iouring.OpPoll, unix.POLLOUT
}

// stands goes on with a connection that is there.
func (u *uring) stands(s *slot) {
	u.receive(s)
	u.up.connected(s)
}

// receive asks for all that will come on the connection, until further notice.
func (u *uring) receive(s *slot) {
	e := u.prepare(s, opReceive)
	e.Opcode, e.Flags, e.Ioprio = iouring.OpRecv, iouring.BufferSelect, iouring.RecvMultishot
}

func (u *uring) send(s *slot, b []byte, lasting bool) {
	if !lasting {
		s.rest = append(s.rest[:0], b...)
		b = s.rest
	}
	e := u.prepare(s, opSend)
	e.Opcode, e.OpFlags = iouring.OpSend, unix.MSG_NOSIGNAL|unix.MSG_WAITALL
	e.Addr, e.Len = uint64(uintptr(unsafe.Pointer(unsafe.SliceData(b)))), uint32(len(b))
	if lasting && u.fits(s, b) {
		e.Flags = iouring.SkipSuccess
	} else {
		s.congested, s.sending = true, int32(len(b))
	}
}

// fits tells whether all requests outstanding on the connection have room in
// its socket, b being the last. With more of them b may have to wait for room,
// and what waits in the kernel at the same time goes on in any order.
func (u *uring) fits(s *slot, b []byte) bool {
	return s.n == 1 && len(b) <= smallSend || s.n*u.widest <= smallSend
}

// drop closes the socket. What is prepared for it goes out before: the next
// socket may get the same number. The kernel keeps a socket open as long as it
// is to receive on it, so that closing alone would not end the connection.
func (u *uring) drop(s *slot, last []byte) {
	if len(last) > 0 { // behind what else is prepared
		u.send(s, last, false)
	}
	u.ring.Submit()
	_ = unix.Shutdown(s.fd, unix.SHUT_RDWR)
	unix.Close(s.fd)
	s.congested, s.cut = false, false
}

func (u *uring) wait(until int64) {
	alarm := u.wake.Alarm(until - u.spin)
	if left := alarm - record.Now(); left <= 0 {
		u.ring.Look()
	} else if u.ring.Wait(left) {
		u.wake.Woke(alarm, record.Now())
	}
	if u.broken = u.ring.Err(); u.broken != nil {
		return
	}
	for at := record.Now(); u.ring.Empty() && (u.wake.Dozes(until, at) || u.spin > 0 && at < until); at = record.Now() {
		u.ring.Look()
	}
	if !u.tells {
		for {
			c, ok := u.ring.Take()
			if !ok {
				return
			}
			u.complete(c)
		}
	}
	u.completeInOrder()
}

// completeInOrder handles first what the kernel has sent. It may tell of an
// answer before it tells that the last of its request has been taken, and an
// answer to half a request is a refusal.
func (u *uring) completeInOrder() {
	u.later = u.later[:0]
	for {
		c, ok := u.ring.Take()
		if !ok {
			break
		}
		if c.UserData>>56 == opSend {
			u.complete(c)
		} else {
			u.later = append(u.later, c)
		}
	}
	for _, c := range u.later {
		u.complete(c)
	}
}

// complete handles what has come of an operation.
func (u *uring) complete(c iouring.Completion) {
	s := &u.slots[uint32(c.UserData)]
	current := s.fd >= 0 && uint32(s.generation)&0xffffff == uint32(c.UserData>>32)&0xffffff
	switch c.UserData >> 56 {
	case opConnect:
		if current && s.state == connecting {
			if err := socketError(s.fd); err != nil {
				u.up.refuse(s, err, record.Now())
			} else {
				u.stands(s)
			}
		}
	case opSend:
		switch {
		case !current:
		case s.congested && c.Res == s.sending:
			s.congested = false
			u.up.pump(s)
		default: // failed, or cut in the middle
			s.congested = true // for ever: what comes of it is told by what is received
			s.cut = s.cut || unix.Errno(-c.Res) != unix.EPIPE
		}
	case opReceive:
		u.arrived(s, c, current)
	}
}

// arrived handles what was received on a connection, if it still is the slot's.
func (u *uring) arrived(s *slot, c iouring.Completion, current bool) {
	at := record.Now() // before parsing
	if c.Flags&iouring.HasBuffer != 0 {
		if current && c.Res > 0 {
			generation := s.generation
			u.up.received(s, u.ring.Bytes(c.Buffer(), c.Res), at)
			current = s.generation == generation && s.stands()
		}
		u.ring.GiveBack(c.Buffer())
	}
	switch {
	case !current:
	case c.Res == 0:
		u.up.hungUp(s, 0, at)
	case c.Res < 0 && unix.Errno(-c.Res) != unix.ENOBUFS:
		u.up.hungUp(s, unix.Errno(-c.Res), at)
	case c.Flags&iouring.HasMore == 0:
		u.receive(s)
	}
}
