// Package yardstick is what the servers that are not ours, net/http and
// fasthttp, need to be engines: their connections counted, and a drain that
// keeps the Engine's contract.
package yardstick

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dynobench/dyno/engines"
	"github.com/dynobench/dyno/engines/kernel"
	"github.com/dynobench/dyno/protocol"
)

// Listener accepts Conns and knows those that are open.
type Listener struct {
	net.Listener
	sock  *engines.Socket // whose that is
	meter *engines.Meter
	ctx   context.Context // of Serve
	log   *slog.Logger
	write time.Duration // limit on the progress of a write; 0 none
	first time.Duration // limit on the silence of a new client; 0 none

	mu   sync.Mutex
	open map[*Conn]struct{}
}

// listen wraps the listener of sock. It waits a lack of descriptors out until
// ctx ends: one of the servers would end with the first.
func listen(ctx context.Context, sock *engines.Socket, meter *engines.Meter, svc *protocol.Service) *Listener {
	return &Listener{
		Listener: sock.Listener(),
		sock:     sock,
		meter:    meter,
		ctx:      ctx,
		log:      svc.Log,
		write:    limit(svc.Limits.WriteTime, 60*time.Second),
		first:    limit(svc.Limits.HeaderTime, 10*time.Second),
		open:     make(map[*Conn]struct{}),
	}
}

// Conn is a connection of a server that tells whether it has a request in flight.
type Conn struct {
	net.Conn
	ln   *Listener
	once sync.Once
	// Busy is for the server to set from the end of a request's header to the
	// end of the answer.
	Busy atomic.Bool

	remoteAddr, remotePort string // as CGI has them, once Remote has been asked

	// Until the client has said something, reads end by due at the latest. The
	// servers may have asked for a later time, which holds from then on.
	due   time.Time // zero: no such limit, or no longer
	asked time.Time
}

// Read implements net.Conn.
func (c *Conn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n > 0 && !c.due.IsZero() {
		c.due = time.Time{}
		c.Conn.SetReadDeadline(c.asked) //nolint:errcheck // the next read tells
	}
	return n, err
}

// SetReadDeadline implements net.Conn.
func (c *Conn) SetReadDeadline(t time.Time) error {
	c.asked = t
	if !c.due.IsZero() && (t.IsZero() || c.due.Before(t)) {
		t = c.due
	}
	return c.Conn.SetReadDeadline(t)
}

// SetDeadline implements net.Conn.
func (c *Conn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

// Remote is the client's address and port in text, "" for a unix socket. It is
// for the goroutine that serves the connection, and formats them once.
func (c *Conn) Remote() (addr, port string) {
	if tcp, ok := c.RemoteAddr().(*net.TCPAddr); ok && c.remoteAddr == "" {
		c.remoteAddr, c.remotePort = tcp.IP.String(), strconv.Itoa(tcp.Port)
	}
	return c.remoteAddr, c.remotePort
}

// Accept implements net.Listener.
func (l *Listener) Accept() (net.Conn, error) {
	var inner net.Conn
	err := kernel.AcceptOne(l.ctx, l.log, func() (err error) {
		inner, err = l.Listener.Accept()
		return err
	})
	switch {
	case err != nil && l.ctx.Err() != nil:
		return nil, net.ErrClosed // or will be at once
	case err != nil:
		return nil, err
	}
	c := &Conn{Conn: inner, ln: l}
	if l.first > 0 {
		c.due = time.Now().Add(l.first)
		c.SetReadDeadline(time.Time{}) //nolint:errcheck // reading tells
	}
	if l.write > 0 {
		c.SetWriteDeadline(time.Now().Add(l.write)) // for the first Write that blocks
	}
	l.meter.Accepted.Add(1)
	l.meter.Busy.Add(1)
	l.mu.Lock()
	l.open[c] = struct{}{}
	l.mu.Unlock()
	return c, nil
}

// Write implements net.Conn. The servers limit an answer as a whole or not at
// all, and a client that takes nothing would keep its goroutine: it is given
// up once it has taken next to nothing for the time of a write. No write sets
// a deadline; one that finds that of an earlier write passed sets the next, so
// that a client has up to twice the time.
func (c *Conn) Write(p []byte) (n int, err error) {
	for again := false; ; again = true {
		m, err := c.Conn.Write(p[n:])
		n += m
		if c.ln.write == 0 || !errors.Is(err, os.ErrDeadlineExceeded) || again && m < leastProgress {
			return n, err
		}
		if err := c.SetWriteDeadline(time.Now().Add(c.ln.write)); err != nil {
			return n, err
		}
	}
}

// SetWriteDeadline implements net.Conn. net/http takes a deadline away after
// each answer, which must not be ours.
func (c *Conn) SetWriteDeadline(t time.Time) error {
	if t.IsZero() && c.ln.write > 0 {
		return nil
	}
	return c.Conn.SetWriteDeadline(t)
}

// leastProgress is the Session's.
const leastProgress = 16 << 10

// Close implements net.Listener. To close it again is no error.
func (l *Listener) Close() error {
	if err := l.sock.Close(); !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}

// CloseWrite shuts the writing half down, which net/http does before it
// closes a connection whose client is still sending.
func (c *Conn) CloseWrite() error {
	if h, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return h.CloseWrite()
	}
	return errors.ErrUnsupported
}

// Break makes Close a reset, as an answer that is not whole needs: see
// protocol.Session.Broken.
func (c *Conn) Break() {
	if h, ok := c.Conn.(interface{ SetLinger(int) error }); ok {
		h.SetLinger(0)
	}
}

// Close implements net.Conn.
func (c *Conn) Close() error {
	c.once.Do(func() {
		c.ln.mu.Lock()
		delete(c.ln.open, c)
		c.ln.mu.Unlock()
		c.ln.meter.Busy.Add(-1)
	})
	return c.Conn.Close()
}

// closeIf closes the connections for which cond holds.
func (l *Listener) closeIf(cond func(*Conn) bool) {
	l.mu.Lock()
	var closing []*Conn
	for c := range l.open {
		if cond(c) {
			closing = append(closing, c)
		}
	}
	l.mu.Unlock()
	for _, c := range closing {
		c.Close()
	}
}

// lastCall is engines.LastCall for a server whose connections end by themselves.
func (l *Listener) lastCall(svc *protocol.Service) {
	if svc.LastCall() == 0 {
		return
	}
	l.Listener.Close()
	end := time.Now().Add(svc.LastCall())
	for time.Now().Before(end) {
		l.mu.Lock()
		n := len(l.open)
		l.mu.Unlock()
		if n == 0 {
			return
		}
		kernel.Park{}.Sleep(context.Background(), 5*time.Millisecond)
	}
}

// Server is one of the two.
type Server interface {
	// Serve accepts until Shutdown closes the listener.
	Serve(ln net.Listener) error
	// ShutdownWithContext closes the listener and idle connections and waits
	// for the others, at most until ctx ends. It may be called again, to wait longer.
	ShutdownWithContext(ctx context.Context) error
}

// Terms are what both servers are made from, beside their Service.
type Terms struct {
	InFlight           context.Context // the parent of all requests' Contexts: it ends when they are given up
	Header, Body, Idle time.Duration   // time limits; 0 is none
}

// Serve runs the server that build makes on sock until ctx ends, and drains it
// then. name is the engine's, for the error where svc is not HTTP's.
func Serve(ctx context.Context, name string, sock *engines.Socket, meter *engines.Meter, svc *protocol.Service, build func(Terms) Server) error {
	if err := engines.HTTPOnly(name, svc); err != nil {
		sock.Close()
		return err
	}
	meter.Watch(svc)
	inFlight, cancel := context.WithCancelCause(context.Background())
	defer cancel(context.Canceled)
	l := svc.Limits
	srv := build(Terms{
		InFlight: inFlight,
		Header:   limit(l.HeaderTime, 10*time.Second), Body: limit(l.BodyTime, 60*time.Second), Idle: limit(l.IdleTime, 75*time.Second),
	})
	return serve(ctx, srv, listen(ctx, sock, meter, svc), svc, cancel)
}

// serve runs srv on ln. cancel ends the Contexts of the requests in flight.
func serve(ctx context.Context, srv Server, ln *Listener, svc *protocol.Service, cancel context.CancelCauseFunc) error {
	ended := make(chan error, 1)
	go func() { ended <- srv.Serve(ln) }()
	select {
	case <-ctx.Done():
	case err := <-ended:
		if ctx.Err() != nil {
			ended <- nil // it has seen the end first
			break
		}
		ln.closeIf(func(*Conn) bool { return true })
		return err
	}
	ln.lastCall(svc)
	// The servers let connections whose request has not come yet take their
	// time in a shutdown, one of them until its read timeout.
	half := time.AfterFunc(engines.HalfGrace, func() { ln.closeIf(func(c *Conn) bool { return !c.Busy.Load() }) })
	defer half.Stop()
	limit, stop := context.WithTimeout(context.Background(), engines.DrainTime(svc))
	defer stop()
	err := srv.ShutdownWithContext(limit)
	if limit.Err() == nil {
		<-ended
		// fasthttp is done with a connection a moment before it closes it.
		ln.closeIf(func(*Conn) bool { return true })
		return err
	}
	cancel(engines.ErrDrainTimeout)
	ln.closeIf(func(c *Conn) bool {
		c.Break()
		return true
	})
	grace, stop := context.WithTimeout(context.Background(), engines.CutGrace)
	defer stop()
	srv.ShutdownWithContext(grace)
	return engines.ErrDrainTimeout
}

// limit is a time limit as these servers have it: the default for 0, and 0, no
// limit, for a negative one.
func limit(d, byDefault time.Duration) time.Duration {
	if d == 0 {
		return byDefault
	}
	return max(d, 0)
}
