package blocking

import (
	"io"
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/dynobench/dyno/engines/kernel"
	"github.com/dynobench/dyno/protocol"
	"github.com/dynobench/dyno/protocol/gateway"
)

// Conn is a connection as the loop needs it. Read and Write are the owner's,
// one goroutine at a time; Wake and Cut may come from any goroutine, and only
// before Close.
type Conn interface {
	// Read and Write are as net.Conn has them: io.EOF at the end of the
	// stream, os.ErrDeadlineExceeded (wrapped or not) when the time given by
	// ReadBy or WriteBy has come. They may say so earlier: the loop looks at
	// the clock itself. A Write that was interrupted tells what it wrote.
	Read(p []byte) (int, error)
	Write(p []byte) (int, error)
	// ReadInto is Read into the Buffer of s. A Conn that many may wait in asks for
	// the buffer when there are bytes for it, and not before: the memory of an
	// idle connection is mostly that.
	ReadInto(s *protocol.Session) (int, error)
	// ReadBy and WriteBy set a time, until they set another, for Reads and
	// Writes to return by.
	ReadBy(t time.Time)
	WriteBy(t time.Time)
	// CloseWrite tells the client that there is no more to come.
	CloseWrite() error
	// Wake makes a Read that blocks, or the next one, return early, as if time were up.
	Wake()
	// Cut makes all Reads and Writes, those that block and those to come, fail,
	// and resets the connection as Reset does.
	Cut()
	// Gone tells when the client goes; see gateway.Watcher.
	gateway.Watcher
	// Waited is kernel.Waited of its descriptor, 0 where that is not known.
	Waited() time.Duration
	// Close closes the connection.
	Close()
	// Reset closes it so that the client sees an error and not an end, where
	// the kind of socket can tell (a unix socket cannot).
	Reset()
}

// Net makes a Conn of a connection of Go's net package, on which a goroutine
// that blocks parks in the Go scheduler.
func Net(c net.Conn) Conn {
	n := &netConn{Conn: c}
	if h, ok := c.(syscall.Conn); ok {
		n.raw, _ = h.SyscallConn() // nil of one that is closed: its Read says so
		n.reading = n.tryRead      // once, so that a read allocates nothing
	}
	return n
}

type netConn struct {
	net.Conn
	woken atomic.Bool

	raw     syscall.RawConn // nil: there is no descriptor to be had
	reading func(fd uintptr) bool
	s       *protocol.Session // that is to be filled
	n       int               // what the last read returned
	failed  error

	answered bool // s waits for a further request
	peek     [1]byte
}

var _ Conn = (*netConn)(nil)

func (c *netConn) ReadInto(s *protocol.Session) (int, error) {
	if c.raw == nil {
		return c.Read(s.Buffer())
	}
	c.answered = c.s != nil && s.Idle()
	c.s = s
	err := c.raw.Read(c.reading)
	switch {
	case err != nil:
		return 0, err
	case c.failed != nil:
		return 0, os.NewSyscallError("read", c.failed)
	case c.n == 0:
		return 0, io.EOF
	}
	return c.n, nil
}

// tryRead is called when there may be something to read, and tells whether
// there was. After an answer there mostly is nothing yet; to find that out with
// a buffer would cost taking one and giving it back for each request.
func (c *netConn) tryRead(fd uintptr) bool {
	if c.answered {
		c.answered = false
		if _, _, err := unix.Recvfrom(int(fd), c.peek[:], unix.MSG_PEEK); err == unix.EAGAIN {
			return false
		}
	}
	for {
		c.n, c.failed = unix.Read(int(fd), c.s.Buffer())
		switch c.failed {
		case unix.EINTR:
		case unix.EAGAIN:
			c.s.Received(0)
			return false
		default:
			return true
		}
	}
}

func (c *netConn) ReadBy(t time.Time) {
	c.SetReadDeadline(t)
	// A Wake just before this call was undone by it, unless its flag is seen here.
	if c.woken.Load() && c.woken.CompareAndSwap(true, false) {
		c.SetReadDeadline(past)
	}
}

func (c *netConn) WriteBy(t time.Time) { c.SetWriteDeadline(t) }

func (c *netConn) CloseWrite() error {
	if h, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return h.CloseWrite()
	}
	return nil
}

func (c *netConn) Wake() {
	c.woken.Store(true)
	c.SetReadDeadline(past)
}

func (c *netConn) Waited() (d time.Duration) {
	if c.raw != nil {
		c.raw.Control(func(fd uintptr) { d = kernel.Waited(int(fd)) })
	}
	return d
}

func (c *netConn) Gone(tell func()) (stop func()) {
	stop = func() {}
	if c.raw != nil {
		c.raw.Control(func(fd uintptr) { stop = kernel.Gone(int(fd), tell) }) //nolint:errcheck // closed: nobody is told
	}
	return stop
}

func (c *netConn) Cut()   { c.Reset() }
func (c *netConn) Close() { c.Conn.Close() }

func (c *netConn) Reset() {
	if h, ok := c.Conn.(interface{ SetLinger(int) error }); ok {
		h.SetLinger(0)
	}
	c.Conn.Close()
}

// past is a deadline that has passed.
var past = time.Unix(1, 0)
