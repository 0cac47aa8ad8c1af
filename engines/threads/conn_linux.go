package threads

import (
	"io"
	"os"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/dynobench/dyno/engines/blocking"
	"github.com/dynobench/dyno/engines/kernel"
	"github.com/dynobench/dyno/protocol"
)

// conn is a blocking descriptor. Its system calls return once per tick
// (SO_RCVTIMEO and SO_SNDTIMEO, set at accept), so that the loop can look at
// the clock: a time limit costs no call.
type conn struct {
	fd    int
	tcp   bool
	tick  time.Duration
	woken atomic.Bool
	by    time.Time // of ReadBy, for one read: later ones go by the tick
}

var _ blocking.Conn = (*conn)(nil)

// retry is how often, after Wake, an empty socket is looked at.
const retry = 5 * time.Millisecond

func (c *conn) Gone(tell func()) (stop func()) { return kernel.Gone(c.fd, tell) }

func (c *conn) Waited() time.Duration { return kernel.Waited(c.fd) }

func (c *conn) Read(p []byte) (int, error) {
	if !c.by.IsZero() {
		left := time.Until(c.by)
		c.by = time.Time{}
		if left < c.tick && !c.readable(left) {
			return 0, os.ErrDeadlineExceeded
		}
	}
	for {
		n, err := unix.Read(c.fd, p)
		switch {
		case n > 0:
			return n, nil
		case err == unix.EINTR:
		case err == unix.EAGAIN:
			return 0, os.ErrDeadlineExceeded
		case err != nil:
			return 0, os.NewSyscallError("read", err)
		case c.woken.Load():
			// Wake has shut the reading side down. What the client sends is
			// still to be had, but its end looks like no data yet: the loop
			// gives up when the time for half a request is over.
			time.Sleep(retry)
			return 0, os.ErrDeadlineExceeded
		default:
			return 0, io.EOF
		}
	}
}

// readable waits for something to read, for less than a tick.
func (c *conn) readable(wait time.Duration) bool {
	n, err := unix.Poll([]unix.PollFd{{Fd: int32(c.fd), Events: unix.POLLIN}}, int(max(wait, 0).Milliseconds())+1)
	return n > 0 || err != nil
}

// ReadInto holds the buffer while it waits: there are no more threads than slots.
func (c *conn) ReadInto(s *protocol.Session) (int, error) { return c.Read(s.Buffer()) }

func (c *conn) Write(p []byte) (int, error) {
	done := 0
	for done < len(p) {
		n, err := unix.Write(c.fd, p[done:])
		if n > 0 {
			done += n
		}
		switch {
		case err == unix.EINTR:
		case err == unix.EAGAIN, err == nil && done < len(p): // a tick has passed with nothing, or little, taken
			return done, os.ErrDeadlineExceeded
		default:
			return done, os.NewSyscallError("write", err)
		}
	}
	return done, nil
}

func (c *conn) ReadBy(t time.Time) { c.by = t }
func (*conn) WriteBy(time.Time)    {}

func (c *conn) CloseWrite() error { return unix.Shutdown(c.fd, unix.SHUT_WR) }

// Wake ends a blocked read. On a unix socket that would also refuse the
// client's next bytes; there the read ends with its tick.
func (c *conn) Wake() {
	if c.tcp {
		c.woken.Store(true)
		unix.Shutdown(c.fd, unix.SHUT_RD)
	}
}

// Cut leaves the descriptor open, which the thread may be about to use. To
// connect a socket to nothing resets it; the kernel may refuse that.
func (c *conn) Cut() {
	if !c.tcp || c.disconnect() != nil {
		unix.Shutdown(c.fd, unix.SHUT_RDWR)
	}
}

func (c *conn) disconnect() error {
	nowhere := unix.RawSockaddr{Family: unix.AF_UNSPEC}
	_, _, errno := unix.Syscall(unix.SYS_CONNECT, uintptr(c.fd), uintptr(unsafe.Pointer(&nowhere)), unsafe.Sizeof(nowhere))
	if errno != 0 {
		return errno
	}
	return nil
}

func (c *conn) Close() { unix.Close(c.fd) }

func (c *conn) Reset() {
	unix.SetsockoptLinger(c.fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
	unix.Close(c.fd)
}
