package null

import (
	"bytes"
	"os"
	"runtime"

	"golang.org/x/sys/unix"

	"github.com/dynobench/dyno/protocol"
)

// epollLoop is a loop on the set.
func (e *Engine) epollLoop(set, ln, wake int, svc *protocol.Service) error {
	runtime.LockOSThread()
	add := func(fd int, events uint32) error {
		return os.NewSyscallError("epoll_ctl", unix.EpollCtl(set, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: events, Fd: int32(fd)}))
	}
	if err := add(wake, unix.EPOLLIN); err != nil {
		return err
	}
	// Without a descriptor for the next connection the listener would stay
	// ready for ever: it is taken out until there may be one again.
	listens, timeout := false, -1
	listen := func() error {
		if listens {
			return nil
		}
		listens, timeout = true, -1
		return add(ln, unix.EPOLLIN|unix.EPOLLEXCLUSIVE)
	}
	pause := func() {
		listens, timeout = false, pauseMS
		unix.EpollCtl(set, unix.EPOLL_CTL_DEL, ln, nil)
	}
	if err := listen(); err != nil {
		return err
	}
	open := make(map[int]struct{})
	var q *line // nil where answers leave at once
	hangUp := func(fd int) {
		unix.Close(fd)
		delete(open, fd)
		if q != nil {
			q.forget(fd)
		}
		e.Busy.Add(-1)
	}
	answerTo := func(fd int) {
		if k, _ := unix.Write(fd, answer); k < len(answer) {
			hangUp(fd) // it does not read
			return
		}
		svc.Counters.Requests.Add(1)
	}
	timer := -1
	if e.server != nil {
		var err error
		if q, err = newLine(e.server); err != nil {
			return err
		}
		defer q.close()
		timer = q.timer
		if err := add(timer, unix.EPOLLIN); err != nil {
			return err
		}
	}
	defer func() {
		for fd := range open {
			hangUp(fd)
		}
	}()
	events := make([]unix.EpollEvent, 256)
	buf := make([]byte, 64<<10)
	for {
		n, err := unix.EpollWait(set, events, timeout)
		if err != nil && err != unix.EINTR {
			return os.NewSyscallError("epoll_wait", err)
		}
		if n == 0 { // time is up
			if err := listen(); err != nil {
				return err
			}
		}
		if q != nil {
			q.arrive()
		}
		for i := range max(n, 0) {
			fd := int(events[i].Fd)
			switch fd {
			case wake:
				return nil
			case timer:
				q.release(answerTo)
			case ln:
				c, _, err := unix.Accept4(ln, unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK)
				switch err {
				case nil:
				case unix.EMFILE, unix.ENFILE, unix.ENOBUFS, unix.ENOMEM:
					pause()
					continue
				default:
					continue
				}
				if unix.EpollCtl(set, unix.EPOLL_CTL_ADD, c, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(c)}) != nil {
					unix.Close(c)
					continue
				}
				open[c] = struct{}{}
				if q != nil {
					q.greet(c)
				}
				e.Accepted.Add(1)
				e.Busy.Add(1)
			default:
				if q != nil && !q.queue.has(fd) {
					continue // an answer has just found it gone
				}
				n, err := unix.Read(fd, buf)
				switch {
				case err == unix.EAGAIN || err == unix.EINTR:
				case err != nil || n == 0:
					hangUp(fd)
					if err := listen(); err != nil {
						return err
					}
				case q != nil:
					q.join(fd, bytes.Count(buf[:n], endOfHeader))
				case bytes.Contains(buf[:n], endOfHeader):
					answerTo(fd)
				}
			}
		}
	}
}
