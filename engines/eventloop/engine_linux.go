package eventloop

import (
	"context"
	"errors"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/dynobench/dyno/engines"
	"github.com/dynobench/dyno/engines/kernel"
	"github.com/dynobench/dyno/protocol"
)

// config says what an Engine is.
type config struct {
	Loops      int
	Coroutines bool // run each request on a coroutine, not on the loop
	Batch      bool // read and write by io_uring, for many connections at once
	Slots      int  // requests in flight on each loop; 0 unbounded
	Overload   engines.Overload
}

// Engine serves any number of connections on a few loops.
type Engine struct {
	engines.Meter
	config config
	gate   *engines.Gate // nil: all are let in

	svc    *protocol.Service
	ctx    context.Context // parent of the requests' Contexts
	cancel context.CancelCauseFunc
	tick   time.Duration
	loops  engines.Loops[*loop]
	load   atomic.Pointer[func(*engines.Stats)] // adds what the loops have to do, once all are there
	open   sync.WaitGroup                       // connections, and the goroutine that accepts them
}

var _ engines.Engine = (*Engine)(nil)

func newEngine(c config) *Engine {
	e := &Engine{config: c, gate: c.Overload.Gate()}
	e.Meter.Slots = int64(c.Slots * c.Loops)
	if !c.Coroutines {
		e.Meter.Slots = int64(c.Loops)
	}
	return e
}

// Stats implements engines.Engine. Slots in use are loops, where these run the
// app themselves, else the requests for which there are slots or, if there is any
// number of them, connections.
func (e *Engine) Stats() engines.Stats {
	s := e.Meter.Stats()
	if s.Slots > 0 {
		s.Busy = 0
		if add := e.load.Load(); add != nil {
			(*add)(&s)
		}
	}
	return s
}

// Serve implements engines.Engine.
func (e *Engine) Serve(ctx context.Context, sock *engines.Socket, svc *protocol.Service) error {
	own := *svc
	own.Flags.MultiThread = e.config.Loops > 1
	own.Flags.NonBlocking = true
	e.svc = &own
	e.Watch(svc)
	e.tick = engines.Tick(&own.Limits)
	e.ctx, e.cancel = context.WithCancelCause(context.Background())
	defer e.cancel(context.Canceled)
	defer sock.Close()

	file, err := sock.File()
	if err != nil {
		return err
	}
	defer file.Close()
	ln, err := file.SyscallConn()
	if err != nil {
		return err
	}
	defer e.stop()
	for range e.config.Loops {
		l, err := newLoop(e)
		if err != nil {
			return err
		}
		e.loops = append(e.loops, l)
		go l.run()
	}
	load := e.loops.AddLoad
	e.load.Store(&load)
	ended := make(chan error, 1)
	e.open.Go(func() {
		ended <- kernel.Accept(ctx, e.svc.Log, func() error { return e.accept(ln, sock) })
	})
	var failed error
	select {
	case <-ctx.Done():
	case failed = <-ended:
	}
	hangUp := func() {
		file.Close()
		sock.Close()
	}
	if err := e.loops.End(&own, &e.open, hangUp, e.cancel); failed == nil {
		failed = err
	}
	return failed
}

// accept hands the next connection to the loop that has the fewest.
func (e *Engine) accept(ln syscall.RawConn, sock *engines.Socket) error {
	done, err := sock.Turn()
	if err != nil {
		return err
	}
	fd, local, remote, err := kernel.AcceptRaw(ln, sock.Addr(), unix.SOCK_NONBLOCK)
	done()
	if err != nil {
		return err
	}
	l := e.loops.Fewest()
	e.Accepted.Add(1)
	e.Queue.Add(1)
	e.open.Add(1)
	l.open.Add(1)
	k := &conn{l: l, fd: fd, writable: true}
	peer := protocol.Peer{Local: local, Remote: remote, Wait: kernel.Park{}, Watch: k, Context: e.ctx}
	if e.config.Coroutines {
		peer.Wait = k
	}
	k.s = e.svc.NewSession(peer)
	l.do(k.begin)
	return nil
}

// stop ends the loops. One that is stuck in an app ends when that returns,
// which is not waited for.
func (e *Engine) stop() {
	for _, l := range e.loops {
		l.do(func() { l.over = true })
	}
	for _, l := range e.loops {
		if e.ctx.Err() == nil || !errors.Is(context.Cause(e.ctx), engines.ErrDrainTimeout) {
			<-l.ended
		} else {
			engines.Within(l.ended, engines.CutGrace)
		}
	}
}

func newLoop(e *Engine) (l *loop, err error) {
	l = &loop{e: e, ended: make(chan struct{}), conns: make(map[int32]*conn), waits: make(map[int32]*conn)}
	if e.config.Batch {
		if l.batch, err = newBatch(); err != nil {
			return nil, err
		}
		defer func() {
			if err != nil {
				l.batch.ring.Close()
			}
		}()
	}
	if l.set, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	if l.bell, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		unix.Close(l.set)
		return nil, os.NewSyscallError("eventfd", err)
	}
	if err = unix.EpollCtl(l.set, unix.EPOLL_CTL_ADD, l.bell, &unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLET, Fd: int32(l.bell)}); err != nil {
		unix.Close(l.bell)
		unix.Close(l.set)
		return nil, os.NewSyscallError("epoll_ctl", err)
	}
	return l, nil
}
