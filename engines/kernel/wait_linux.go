package kernel

import (
	"context"
	"errors"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/dynobench/dyno/protocol/gateway"
)

// sysPoll is poll with a timeout in nanoseconds; negative means none.
func sysPoll(fds []unix.PollFd, timeout time.Duration) (int, error) {
	if timeout < 0 {
		return unix.Ppoll(fds, nil, nil)
	}
	ts := unix.NsecToTimespec(int64(timeout))
	return unix.Ppoll(fds, &ts, nil)
}

// park waits in Go's poller without taking fd over: that would make it
// non-blocking, and could be done only once. fd is put into an epoll set of
// its own, and the set, which is readable when fd is ready, into the poller.
func park(ctx context.Context, fd int, to direction, timeout time.Duration) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	set, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return os.NewSyscallError("epoll_create1", err)
	}
	if err := unix.SetNonblock(set, true); err != nil {
		unix.Close(set)
		return os.NewSyscallError("fcntl", err)
	}
	f := os.NewFile(uintptr(set), "epoll")
	defer f.Close()
	event := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLRDHUP, Fd: int32(fd)}
	if to == toWrite {
		event.Events = unix.EPOLLOUT
	}
	switch err := unix.EpollCtl(set, unix.EPOLL_CTL_ADD, fd, &event); err {
	case nil:
	case unix.EPERM:
		return nil // a file: always ready
	default:
		return os.NewSyscallError("epoll_ctl", err)
	}
	if timeout > 0 {
		if err := f.SetReadDeadline(time.Now().Add(timeout)); err != nil {
			return err
		}
	}
	stop := context.AfterFunc(ctx, func() { f.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	c, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = c.Read(func(set uintptr) bool {
		var events [1]unix.EpollEvent
		n, err := unix.EpollWait(int(set), events[:], 0)
		if err != nil && err != unix.EINTR {
			failed = os.NewSyscallError("epoll_wait", err)
			return true
		}
		return n > 0
	})
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case failed != nil:
		return failed
	case errors.Is(err, os.ErrDeadlineExceeded):
		return gateway.ErrWaitTimeout
	}
	return err
}
