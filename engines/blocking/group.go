package blocking

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dynobench/dyno/engines"
	"github.com/dynobench/dyno/protocol"
	"github.com/dynobench/dyno/protocol/gateway"
)

// Group is the connections of one engine. It is told of each one by Open and
// ends all of them by Drain.
type Group struct {
	// Request, if set before the first Open, is handed each request that is
	// to run, and returns when it has run it, on whatever goroutine.
	Request func(run func())

	// Overload, if set before the first Open, says when requests and
	// connections are refused.
	Overload engines.Overload

	svc   *protocol.Service
	meter *engines.Meter
	gate  *engines.Gate // of Overload

	refusing atomic.Int64 // connections that are answered 503

	ctx    context.Context // parent of the requests' Contexts
	cancel context.CancelCauseFunc

	half atomic.Pointer[time.Time] // set in the drain: when half a request is given up

	mu   sync.Mutex
	live map[*Talk]struct{}
	wg   sync.WaitGroup
}

// NewGroup returns the Group of an engine that serves svc.
func NewGroup(svc *protocol.Service, meter *engines.Meter) *Group {
	g := &Group{svc: svc, meter: meter, live: make(map[*Talk]struct{})}
	g.ctx, g.cancel = context.WithCancelCause(context.Background())
	meter.Watch(svc)
	return g
}

// Hold makes Drain wait until done is called, as for an open connection.
func (g *Group) Hold() (done func()) {
	g.wg.Add(1)
	return g.wg.Done
}

// Open takes a connection that has been accepted. The caller holds the Group.
func (g *Group) Open(conn Conn, local, remote net.Addr) *Talk {
	t := &Talk{g: g, conn: conn, local: local, remote: remote, opened: time.Now(), silent: true}
	g.meter.Accepted.Add(1)
	g.meter.Queue.Add(1)
	g.wg.Add(1)
	g.mu.Lock()
	g.live[t] = struct{}{}
	g.mu.Unlock()
	return t
}

// Limit returns a dispatch for Serve that serves n connections at a time by
// serve, which returns at once, and treats others as Overload says; 0 is any number.
func (g *Group) Limit(n int, serve func(*Talk)) func(*Talk) {
	if n == 0 {
		return serve
	}
	slots := make(chan struct{}, n)
	return func(t *Talk) {
		select {
		case slots <- struct{}{}:
		default:
			if g.Overload.Full != engines.FullWait {
				t.Refuse()
				return
			}
			select {
			case slots <- struct{}{}:
			case <-g.ctx.Done():
				t.Refuse()
				return
			}
		}
		t.leave = func() { <-slots }
		serve(t)
	}
}

// begin makes t's Session.
func (g *Group) begin(t *Talk, wait gateway.Waiter) {
	svc := g.svc
	if t.shed {
		once := *svc
		once.NoKeepAlive, once.Limits.IdleTime = true, engines.LingerTime
		svc = &once
	}
	s := svc.NewSession(protocol.Peer{Local: t.local, Remote: t.remote, Wait: wait, Watch: t.conn, Context: g.ctx})
	g.mu.Lock()
	t.s = s
	t.queued, t.looked = time.Since(t.opened), g.meter.Slots == 0
	t.fresh = g.half.Load() != nil
	g.mu.Unlock()
}

func (g *Group) forget(t *Talk) {
	g.mu.Lock()
	delete(g.live, t)
	g.mu.Unlock()
}

// Drain ends what is open: see engines.Engine. The engine has stopped
// accepting, or is just about to.
func (g *Group) Drain() error {
	defer g.cancel(context.Canceled)
	done := make(chan struct{})
	go func() { g.wg.Wait(); close(done) }()
	engines.LastCall(g.svc, done)
	half := time.Now().Add(engines.HalfGrace)
	g.mu.Lock()
	g.half.Store(&half)
	for t := range g.live {
		if t.s != nil {
			t.s.Drain()
			t.conn.Wake()
		}
	}
	g.mu.Unlock()

	if engines.Within(done, engines.DrainTime(g.svc)) {
		return nil
	}
	g.cancel(engines.ErrDrainTimeout)
	g.mu.Lock()
	for t := range g.live {
		t.conn.Cut()
	}
	g.mu.Unlock()
	engines.Within(done, engines.CutGrace)
	return engines.ErrDrainTimeout
}

// Context ends when the drain gives up on what is in flight, or has ended.
func (g *Group) Context() context.Context { return g.ctx }
