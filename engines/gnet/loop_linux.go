package gnet

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/panjf2000/gnet/v2"
	"golang.org/x/sys/unix"

	"github.com/dynobench/dyno/engines"
	"github.com/dynobench/dyno/engines/kernel"
	"github.com/dynobench/dyno/protocol"
)

// loop is one event loop. Fields without a word on it are the loop's own: its
// callbacks, and what do runs, are one after the other.
type loop struct {
	gnet.BuiltinEventEngine
	e      *Engine
	client *gnet.Client

	feed    chan pending // to be enrolled
	feeding sync.WaitGroup
	quit    chan struct{}
	open    atomic.Int64  // connections, from accept to close
	running atomic.Bool   // the app is, on the loop
	turns   []*conn       // that have let others go first
	taking  bool          // take is at it
	held    atomic.Int64  // how many that are
	nudge   chan struct{} // turns are to be taken

	// el is gnet's side of the loop, known from the first connection on.
	el   atomic.Pointer[gnet.EventLoop]
	half atomic.Pointer[time.Time] // set in the drain: when half a request is given up

	mu    sync.Mutex // for Drain, which does not wait for the loop
	conns map[*conn]struct{}
}

// pending is a connection that has been accepted.
type pending struct {
	c        net.Conn
	spare    int           // a descriptor that keeps room for gnet's duplicate
	enrolled chan struct{} // if not nil, closed when room is needed no more
}

func (e *Engine) newLoop() (*loop, error) {
	l := &loop{e: e, feed: make(chan pending, 256), nudge: make(chan struct{}, 1), quit: make(chan struct{}), conns: make(map[*conn]struct{})}
	var err error
	l.client, err = gnet.NewClient(l, gnet.WithNumEventLoop(1), gnet.WithLogger(logger{e.svc.Log}))
	if err != nil {
		return nil, err
	}
	if err := l.client.Start(); err != nil {
		return nil, err
	}
	l.feeding.Go(func() {
		for {
			select {
			case p := <-l.feed:
				l.enrol(p)
			case <-l.quit:
				return
			}
		}
	})
	l.feeding.Go(func() {
		for {
			select {
			case <-l.nudge:
				l.do(l.take)
			case <-l.quit:
				return
			}
		}
	})
	return l, nil
}

// later has k's turn come when the loop has looked for events. What it gives
// itself to do it does before, all of it, and so never comes to that while some
// of it comes again: another goroutine has to ask for it.
func (l *loop) later(k *conn) {
	l.turns = append(l.turns, k)
	l.held.Store(int64(len(l.turns)))
	if !l.taking {
		l.ask()
	}
}

func (l *loop) ask() {
	select {
	case l.nudge <- struct{}{}:
	default:
	}
}

// take takes the turns that are due.
func (l *loop) take() {
	due := l.turns
	l.turns, l.taking = nil, true
	for i, k := range due {
		l.held.Store(int64(len(due) - i - 1 + len(l.turns)))
		k.yielded = false
		if !k.closed {
			k.act(k.turn())
		}
	}
	if l.taking = false; len(l.turns) > 0 {
		l.ask()
	}
}

// enrol gives a connection to gnet, which works on a duplicate of the
// descriptor and closes c. It waits for the loop.
func (l *loop) enrol(p pending) {
	if p.enrolled != nil {
		defer close(p.enrolled)
	}
	c := p.c
	k := &conn{l: l}
	local := c.LocalAddr()
	if a, ok := local.(*net.UnixAddr); ok {
		copied := *a // gnet writes to the original
		local = &copied
	}
	k.s = l.e.svc.NewSession(protocol.Peer{Local: local, Remote: c.RemoteAddr(), Wait: kernel.Park{}, Watch: k, Context: l.e.ctx})
	unix.Close(p.spare)
	if _, err := l.client.EnrollContext(c, k); err != nil {
		l.e.svc.Log.Error("cannot enrol a connection", "error", err)
		k.s.Release()
		l.refuse(c)
	}
}

// refuse closes a connection that has not been opened on the loop.
func (l *loop) refuse(c net.Conn) {
	c.Close()
	l.e.svc.Counters.Errors.Add(1)
	l.e.Queue.Add(-1)
	l.done()
}

// done accounts for a connection that is gone.
func (l *loop) done() {
	l.open.Add(-1)
	l.e.open.Done()
}

// do runs f on the loop, and tells whether it will: not before the first
// connection, nor after the end.
func (l *loop) do(f func()) bool {
	el := l.el.Load()
	return el != nil && (*el).Execute(context.Background(), gnet.RunnableFunc(func(context.Context) error {
		f()
		return nil
	})) == nil
}

var _ engines.Loop = (*loop)(nil)

// Open implements engines.Loop.
func (l *loop) Open() int64 { return l.open.Load() }

// Load implements engines.Loop.
func (l *loop) Load() (busy, waiting int64) {
	if !l.running.Load() {
		return 0, 0
	}
	l.mu.Lock()
	fds := make([]int32, 0, len(l.conns))
	for k := range l.conns {
		fds = append(fds, int32(k.fd))
	}
	l.mu.Unlock()
	return 1, l.held.Load() + kernel.Unread(fds)
}

// run runs the app one step, on the loop.
func (l *loop) run(s *protocol.Session) {
	l.running.Store(true)
	defer l.running.Store(false) // also if the app ends the goroutine
	s.Run()
}

// Look implements engines.Loop.
func (l *loop) Look() { l.do(l.scan) }

// OnOpen implements gnet.EventHandler.
func (l *loop) OnOpen(c gnet.Conn) ([]byte, gnet.Action) {
	if l.el.Load() == nil {
		el := c.EventLoop()
		l.el.Store(&el)
	}
	k := c.Context().(*conn)
	k.c, k.fd = c, c.Fd()
	l.mu.Lock()
	k.fresh = l.half.Load() != nil
	l.conns[k] = struct{}{}
	l.mu.Unlock()
	l.e.Queue.Add(-1)
	return nil, gnet.None
}

// OnTraffic implements gnet.EventHandler: there is something to read.
func (l *loop) OnTraffic(c gnet.Conn) gnet.Action { return c.Context().(*conn).turn() }

// OnClose implements gnet.EventHandler. The descriptor is still open.
func (l *loop) OnClose(c gnet.Conn, err error) gnet.Action {
	k := c.Context().(*conn)
	l.mu.Lock()
	delete(l.conns, k)
	l.mu.Unlock()
	l.e.writes.forget(k)
	k.closed = true
	k.hungUp()
	switch {
	case err == nil:
	case errors.Is(err, io.EOF):
		if k.finish() {
			return gnet.None
		}
	default:
		k.abort(err)
	}
	if k.running {
		return gnet.None // back will release it
	}
	if k.s.Broken() {
		k.reset()
	}
	k.release()
	return gnet.None
}

// scan acts on deadlines that have passed.
func (l *loop) scan() {
	now := time.Now()
	half := l.half.Load()
	for k := range l.conns {
		if k.running {
			continue
		}
		if k.lingers() {
			if now.After(k.lingerEnd) || half != nil {
				k.close()
			}
			continue
		}
		if half != nil && k.unread() {
			continue // the turn for it is due
		}
		k.s.Expire(now)
		next := k.s.Next()
		if half != nil && !now.Before(*half) && next == protocol.Read {
			k.s.EOF()
			next = k.s.Next()
		}
		if next == protocol.Close || next == protocol.Write && !k.blocked {
			k.act(k.turn())
		}
	}
}

// Drain implements engines.Loop. The Sessions are told at once, even if the loop
// is in an app, so that its answer says that it is the last one.
func (l *loop) Drain(half time.Time) {
	l.mu.Lock()
	l.half.Store(&half)
	for k := range l.conns {
		k.s.Drain()
	}
	l.mu.Unlock()
	l.do(func() {
		for k := range l.conns {
			if k.running {
				continue
			}
			if k.lingers() || !k.fresh && k.s.Next() == protocol.Close && !k.unread() {
				k.close()
			}
		}
	})
}

// Cut implements engines.Loop. The connections of a loop that is stuck in an app end
// with the process, which must not look like the end of an answer either.
func (l *loop) Cut() {
	l.mu.Lock()
	for k := range l.conns {
		k.reset()
	}
	l.mu.Unlock()
	l.do(func() {
		for k := range l.conns {
			k.abort(engines.ErrDrainTimeout)
			k.close()
		}
	})
}

// logger has gnet log where the engine does. gnet reports nothing that would
// be an error of ours: what it prints about connections that end is for debugging.
type logger struct{ log *slog.Logger }

func (l logger) Debugf(format string, a ...any) {}
func (l logger) Infof(format string, a ...any)  {}
func (l logger) Warnf(format string, a ...any)  { l.printf(slog.LevelDebug, format, a) }
func (l logger) Errorf(format string, a ...any) { l.printf(slog.LevelDebug, format, a) }
func (l logger) Fatalf(format string, a ...any) { l.printf(slog.LevelError, format, a) }
