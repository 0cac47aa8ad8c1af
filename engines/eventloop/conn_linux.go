package eventloop

import (
	"errors"
	"os"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/dynobench/dyno/engines"
	"github.com/dynobench/dyno/engines/kernel"
	"github.com/dynobench/dyno/internal/iouring"
	"github.com/dynobench/dyno/protocol"
)

var errExited = errors.New("the app has ended the goroutine of its request")

// conn is one connection. It belongs to its loop.
type conn struct {
	l          *loop
	fd         int
	generation int32
	s          *protocol.Session

	// What the descriptor can do, as far as epoll and the last call have told.
	readable, writable bool
	ended              bool // there is an end to be read

	under   int  // bytes of the read or write that is in the loop's batch
	fresh   bool // opened in the drain: nothing has been read
	yielded bool // a turn is to come
	due     bool // in which the app runs
	queued  bool // waits for a slot
	slotted bool // has one
	closed  bool

	lingerEnd time.Time // not zero: refused, what comes is dropped until then
	dropped   int

	co        *coroutine // of the request that runs; nil between requests
	suspended bool       // it waits
	lost      error      // what has ended the connection while it did
	wait      wait
}

func (k *conn) lingers() bool { return !k.lingerEnd.IsZero() }

// begin is the connection's first moment on the loop.
func (k *conn) begin() {
	l := k.l
	l.e.Queue.Add(-1)
	l.e.Busy.Add(1)
	l.generation = (l.generation + 1) & (1<<31 - 1)
	k.generation = max(l.generation, 1)
	l.mu.Lock()
	l.conns[int32(k.fd)] = k
	k.fresh = l.half.Load() != nil
	l.mu.Unlock()
	ev := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLOUT | unix.EPOLLRDHUP | unix.EPOLLET, Fd: int32(k.fd), Pad: k.generation}
	if err := unix.EpollCtl(l.set, unix.EPOLL_CTL_ADD, k.fd, &ev); err != nil {
		l.e.svc.Log.Error("cannot watch a connection", "error", os.NewSyscallError("epoll_ctl", err))
		l.e.svc.Counters.Errors.Add(1)
		k.close()
	}
}

// event takes note of what has happened to the descriptor.
func (k *conn) event(events uint32) {
	if events&(unix.EPOLLIN|unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0 {
		k.readable = true
		k.ended = k.ended || events&^(unix.EPOLLIN|unix.EPOLLOUT) != 0
	}
	if events&(unix.EPOLLOUT|unix.EPOLLHUP|unix.EPOLLERR) != 0 {
		k.writable = true
	}
	switch {
	case events&unix.EPOLLERR != 0 && k.suspended: // reset by the client
		errno, _ := unix.GetsockoptInt(k.fd, unix.SOL_SOCKET, unix.SO_ERROR)
		k.lose(os.NewSyscallError("read", unix.Errno(errno)))
	case k.suspended, k.queued, k.yielded, k.under > 0:
	default:
		k.turn()
	}
}

// turn does what the Session asks for until it can go no further.
func (k *conn) turn() {
	if k.lingers() {
		k.drop()
		return
	}
	if k.l.half.Load() != nil && k.readable && k.s.Idle() {
		// The Session, told to drain, wants to close. But this had been sent
		// while the loop was busy with others.
		k.read()
	}
	var share engines.Share
	for {
		switch k.s.Next() {
		case protocol.Read:
			if !k.readable || k.l.batch.add(k, iouring.OpRecv, k.s.Buffer) {
				return
			}
			k.read()
		case protocol.Run:
			if share.Over() {
				k.yield()
				return
			}
			share.Ran()
			if !k.s.Busy() && !k.admit() {
				if k.queued {
					return
				}
				continue
			}
			k.run()
			if k.suspended {
				return
			}
			if k.s.Busy() && k.s.Next() == protocol.Run {
				k.yield() // an empty chunk: the app says, others first
				return
			}
		case protocol.Write:
			if !k.writable || k.l.batch.add(k, iouring.OpSend, k.s.Output) {
				return
			}
			share.Wrote(k.write())
		case protocol.Close:
			if k.s.Linger() && k.l.half.Load() == nil && unix.Shutdown(k.fd, unix.SHUT_WR) == nil {
				k.lingerEnd = time.Now().Add(engines.LingerTime)
				k.drop()
				return
			}
			k.close()
			return
		}
	}
}

func (k *conn) read() {
	buf := k.s.Buffer()
	n, errno := sysRead(k.fd, buf)
	k.received(n, len(buf), errno)
}

// received feeds the Session with what has been read. Less than there was room
// for is all that there was, but for an end.
func (k *conn) received(n, room int, errno unix.Errno) {
	if n < room && !k.ended {
		k.readable = false
	}
	switch {
	case errno == unix.EAGAIN:
		k.readable = false
		k.s.Received(0)
	case errno == unix.EINTR:
		k.readable = true
	case errno != 0:
		k.s.Abort(os.NewSyscallError("read", errno))
	case n == 0:
		k.readable = false
		k.s.EOF()
	default:
		k.s.Received(n)
	}
	if k.fresh {
		k.fresh = false
		k.s.Drain()
	}
}

// Gone implements gateway.Watcher.
func (k *conn) Gone(tell func()) (stop func()) { return kernel.Gone(k.fd, tell) }

// unread tells whether an idle client has sent what epoll has not told of yet.
// For the drain, in which the loop comes late to connections that it left waiting.
func (k *conn) unread() bool {
	if !k.s.Idle() {
		return false
	}
	var b [1]byte
	n, _, _ := unix.Recvfrom(k.fd, b[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
	k.readable = n > 0
	return k.readable
}

func (k *conn) write() (n int) {
	n, errno := sysWrite(k.fd, k.s.Output())
	k.written(n, errno)
	return n
}

// written tells the Session what has been taken.
func (k *conn) written(n int, errno unix.Errno) {
	k.s.Sent(n)
	switch errno {
	case 0, unix.EINTR:
	case unix.EAGAIN:
		k.writable = false
	default:
		k.s.Abort(os.NewSyscallError("write", errno))
	}
}

// drop reads and drops what a client sends that has been refused.
func (k *conn) drop() {
	buf := make([]byte, 16<<10)
	for {
		n, errno := sysRead(k.fd, buf)
		switch k.dropped += n; {
		case errno == unix.EAGAIN:
			return
		case errno == unix.EINTR:
		case errno != 0, n == 0, k.dropped > engines.LingerBytes:
			k.close()
			return
		}
	}
}

// yield has the rest of the turn come after what the loop has to do now.
func (k *conn) yield() {
	if !k.yielded {
		k.yielded = true
		k.l.turns = append(k.l.turns, k)
		if k.due = k.s.Next() == protocol.Run; k.due {
			k.l.due++
		}
	}
}

// run runs the app one step.
func (k *conn) run() {
	l := k.l
	l.current = k
	if !l.e.config.Coroutines {
		l.tell()
		k.s.Run()
	} else {
		if k.co == nil {
			k.co = l.take()
			k.co.k = k
		}
		k.co.next()
	}
	l.current = nil
	k.settle()
}

// settle gives back, once the app is not in the middle of a request, what it
// took, and ends a connection that was lost meanwhile.
func (k *conn) settle() {
	if k.suspended {
		return
	}
	if k.lost != nil {
		k.s.Abort(k.lost)
	}
	if k.s.Busy() {
		return
	}
	if k.co != nil {
		k.l.give(k.co)
		k.co = nil
	}
	k.leave()
}

// exited is called when the app has ended the goroutine that it ran on, and
// with it its coroutine.
func (k *conn) exited() {
	k.co = nil
	k.s.Abort(errExited)
	k.close()
}

// lose ends the connection, as soon as the app lets it.
func (k *conn) lose(cause error) {
	if k.suspended {
		k.lost = cause
		k.s.Cancel(cause)
		k.wake(k.s.Context().Err())
		return
	}
	k.s.Abort(cause)
	k.close()
}

// reset makes the end of the connection an error for the client.
func (k *conn) reset() {
	unix.SetsockoptLinger(k.fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
}

func (k *conn) close() {
	if k.closed {
		return
	}
	k.closed = true
	l := k.l
	l.mu.Lock()
	delete(l.conns, int32(k.fd))
	l.mu.Unlock()
	if k.s.Broken() {
		k.reset()
	}
	k.s.Release()
	if k.co != nil {
		l.give(k.co)
		k.co = nil
	}
	k.leave()
	unix.Close(k.fd)
	l.e.Busy.Add(-1)
	l.open.Add(-1)
	l.e.open.Done()
}

// sysRead and sysWrite never block, and so need no word to the Go scheduler.

func sysRead(fd int, p []byte) (int, unix.Errno) {
	n, _, errno := unix.RawSyscall(unix.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)))
	if errno != 0 {
		return 0, errno
	}
	return int(n), 0
}

func sysWrite(fd int, p []byte) (int, unix.Errno) {
	n, _, errno := unix.RawSyscall(unix.SYS_WRITE, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)))
	if errno != 0 {
		return 0, errno
	}
	return int(n), 0
}
