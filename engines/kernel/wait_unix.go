//go:build unix

package kernel

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// bell is a descriptor that can be made readable from another goroutine: a
// pipe, made at the first use. The zero value has none.
type bell struct {
	r, w int
	made bool
}

func (b *bell) open() error {
	if b.made {
		return nil
	}
	var p [2]int
	if err := unix.Pipe(p[:]); err != nil {
		return os.NewSyscallError("pipe", err)
	}
	for _, fd := range p {
		unix.CloseOnExec(fd)
	}
	b.r, b.w, b.made = p[0], p[1], true
	return nil
}

func (b *bell) ring()  { unix.Write(b.w, []byte{0}) }
func (b *bell) quiet() { unix.Read(b.r, make([]byte, 1)) }

func (b *bell) close() {
	if b.made {
		unix.Close(b.r)
		unix.Close(b.w)
		*b = bell{}
	}
}

// poll blocks until fd is ready, the bell has rung, time is up or a signal
// comes.
func (b *bell) poll(fd int, to direction, until time.Time) (ready bool, err error) {
	fds := make([]unix.PollFd, 0, 2)
	if b.made {
		fds = append(fds, unix.PollFd{Fd: int32(b.r), Events: unix.POLLIN})
	}
	if fd >= 0 {
		events := int16(unix.POLLIN)
		if to == toWrite {
			events = unix.POLLOUT
		}
		fds = append(fds, unix.PollFd{Fd: int32(fd), Events: events})
	}
	left := time.Duration(-1)
	if !until.IsZero() {
		left = max(time.Until(until), 0)
	}
	n, err := sysPoll(fds, left)
	if err == unix.EINTR {
		return false, nil
	}
	if err != nil {
		return false, os.NewSyscallError("poll", err)
	}
	if n == 0 || fd < 0 {
		return false, nil
	}
	revents := fds[len(fds)-1].Revents
	if revents&unix.POLLNVAL != 0 {
		return false, os.NewSyscallError("poll", unix.EBADF)
	}
	return revents != 0, nil
}
