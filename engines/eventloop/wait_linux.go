package eventloop

import (
	"container/heap"
	"context"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/dynobench/dyno/engines/kernel"
	"github.com/dynobench/dyno/protocol/gateway"
)

// wait is what a connection's request waits for.
type wait struct {
	due   time.Duration // on clock
	place int           // among the timers; negative if there is none
	turn  uint64        // counts the waits
	err   error         // with which it ended
}

var _ gateway.Waiter = (*conn)(nil)

// Sleep implements gateway.Waiter.
func (k *conn) Sleep(ctx context.Context, d time.Duration) error {
	if k.l.current != k { // in Close, say, after the client has gone
		return kernel.Park{}.Sleep(ctx, d)
	}
	if err := ctx.Err(); err != nil || d <= 0 {
		return err
	}
	if err := k.suspend(ctx, d); err != gateway.ErrWaitTimeout {
		return err
	}
	return nil
}

// Readable implements gateway.Waiter.
func (k *conn) Readable(ctx context.Context, fd int, timeout time.Duration) error {
	if k.l.current != k {
		return kernel.Park{}.Readable(ctx, fd, timeout)
	}
	return k.ready(ctx, fd, unix.EPOLLIN|unix.EPOLLRDHUP, timeout)
}

// Writable implements gateway.Waiter.
func (k *conn) Writable(ctx context.Context, fd int, timeout time.Duration) error {
	if k.l.current != k {
		return kernel.Park{}.Writable(ctx, fd, timeout)
	}
	return k.ready(ctx, fd, unix.EPOLLOUT, timeout)
}

// ready waits for fd in the loop's own set. A descriptor is there once: for
// another one who waits for it, a duplicate is.
func (k *conn) ready(ctx context.Context, fd int, events uint32, timeout time.Duration) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	set, ev := k.l.set, unix.EpollEvent{Events: events | unix.EPOLLONESHOT, Fd: int32(fd), Pad: -1}
	err := unix.EpollCtl(set, unix.EPOLL_CTL_ADD, fd, &ev)
	if err == unix.EEXIST {
		if fd, err = unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0); err != nil {
			return os.NewSyscallError("fcntl", err)
		}
		defer unix.Close(fd)
		ev.Fd = int32(fd)
		err = unix.EpollCtl(set, unix.EPOLL_CTL_ADD, fd, &ev)
	}
	switch err {
	case nil:
	case unix.EPERM:
		return nil // a file: always ready
	default:
		return os.NewSyscallError("epoll_ctl", err)
	}
	k.l.waits[int32(fd)] = k
	defer func() {
		delete(k.l.waits, int32(fd))
		unix.EpollCtl(set, unix.EPOLL_CTL_DEL, fd, nil)
	}()
	return k.suspend(ctx, timeout)
}

// suspend switches to the loop, until wake switches back, and returns its
// error: ErrWaitTimeout after d, unless that is 0 or less.
func (k *conn) suspend(ctx context.Context, d time.Duration) error {
	l := k.l
	w := &k.wait
	w.turn++
	w.place = -1
	if d > 0 {
		w.due = kernel.Clock() + min(d, 1<<62)
		heap.Push(&l.timers, k)
	}
	if ctx != k.s.Context() { // the end of its own is the loop's doing
		turn := w.turn
		defer context.AfterFunc(ctx, func() {
			l.do(func() {
				if k.suspended && w.turn == turn {
					k.wake(ctx.Err())
				}
			})
		})()
	}
	k.suspended = true
	k.co.yield(struct{}{})
	return w.err
}

// wake ends the wait and runs the request on. It is called on the loop.
func (k *conn) wake(err error) {
	if k.wait.place >= 0 {
		heap.Remove(&k.l.timers, k.wait.place)
	}
	k.suspended, k.wait.err = false, err
	k.run()
	if !k.suspended {
		k.turn()
	}
}

// fire wakes those whose time has come.
func (l *loop) fire(now time.Duration) {
	for len(l.timers) > 0 && l.timers[0].wait.due <= now {
		l.timers[0].wake(gateway.ErrWaitTimeout)
	}
}

// timers is a heap of those who wait, by when they are due.
type timers []*conn

func (t timers) Len() int           { return len(t) }
func (t timers) Less(i, j int) bool { return t[i].wait.due < t[j].wait.due }

func (t timers) Swap(i, j int) {
	t[i], t[j] = t[j], t[i]
	t[i].wait.place, t[j].wait.place = i, j
}

func (t *timers) Push(x any) {
	k := x.(*conn)
	k.wait.place = len(*t)
	*t = append(*t, k)
}

func (t *timers) Pop() any {
	last := len(*t) - 1
	k := (*t)[last]
	(*t)[last], *t = nil, (*t)[:last]
	k.wait.place = -1
	return k
}
