package blocking

import (
	"net"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/dynobench/dyno/engines"
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
	// Waited is engines.Waited of its descriptor, 0 where that is not known.
	Waited() time.Duration
	// Close closes the connection.
	Close()
	// Reset closes it so that the client sees an error and not an end, where
	// the kind of socket can tell (a unix socket cannot).
	Reset()
}

// Net makes a Conn of a connection of Go's net package, on which a goroutine
// that blocks parks in the Go scheduler.
func Net(c net.Conn) Conn { return &netConn{Conn: c} }

type netConn struct {
	net.Conn
	woken atomic.Bool
}

var _ Conn = (*netConn)(nil)

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
	if h, ok := c.Conn.(syscall.Conn); ok {
		if raw, err := h.SyscallConn(); err == nil {
			raw.Control(func(fd uintptr) { d = engines.Waited(int(fd)) })
		}
	}
	return d
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
