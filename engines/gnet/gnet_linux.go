package gnet

import (
	"context"
	"errors"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/dynobench/dyno/engines"
	"github.com/dynobench/dyno/engines/kernel"
	"github.com/dynobench/dyno/protocol"
)

// Engine serves any number of connections on a few loops.
type Engine struct {
	engines.Meter
	count       int
	overload    engines.Overload
	makeWorkers func() (*workers, error) // nil: the app runs on the loops

	gate    *engines.Gate
	workers *workers
	svc     *protocol.Service
	ctx     context.Context // parent of the requests' Contexts
	cancel  context.CancelCauseFunc
	tick    time.Duration
	writes  *watcher
	loops   engines.Loops[*loop]
	load    atomic.Pointer[func(*engines.Stats)] // adds what the slots have to do, once all are there
	open    sync.WaitGroup                       // connections, and the goroutine that accepts them
}

var _ engines.Engine = (*Engine)(nil)

// New returns the engine gnet with the settings p.
func New(p *engines.Params) (engines.Engine, error) {
	e := &Engine{count: p.Int("loops", 1, 1024), overload: p.Overload()}
	e.Slots = int64(e.count)
	return e, p.Err()
}

// Stats implements engines.Engine. Slots are workers or, without any, loops.
func (e *Engine) Stats() engines.Stats {
	s := e.Meter.Stats()
	if add := e.load.Load(); add != nil {
		(*add)(&s)
	}
	return s
}

// waited is for how long a request has, if that matters.
func (e *Engine) waited(fd int) time.Duration {
	if e.gate == nil {
		return 0
	}
	return kernel.Waited(fd)
}

// Serve implements engines.Engine.
func (e *Engine) Serve(ctx context.Context, sock *engines.Socket, svc *protocol.Service) error {
	own := *svc
	own.Flags.MultiThread = e.count > 1 || e.makeWorkers != nil
	own.Flags.NonBlocking = e.makeWorkers == nil
	e.svc = &own
	e.Watch(svc)
	e.tick = engines.Tick(&own.Limits)
	e.ctx, e.cancel = context.WithCancelCause(context.Background())
	defer e.cancel(context.Canceled)
	defer sock.Close()

	var err error
	e.gate = e.overload.Gate()
	if e.makeWorkers != nil {
		w, err := e.makeWorkers()
		if err != nil {
			return err
		}
		e.workers = w
		defer w.close()
		defer context.AfterFunc(ctx, w.finish)()
	}
	if e.writes, err = newWatcher(); err != nil {
		return err
	}
	defer e.writes.close()
	for range e.count {
		l, err := e.newLoop()
		if err != nil {
			e.stop()
			return err
		}
		e.loops = append(e.loops, l)
	}
	load := e.loops.AddLoad
	if e.workers != nil {
		load = e.workers.addLoad
	}
	e.load.Store(&load)
	ended := make(chan error, 1)
	e.open.Go(func() { ended <- e.accept(ctx, sock.Listener()) })
	ticks := make(chan struct{})
	var ticking sync.WaitGroup
	ticking.Go(func() { e.ticker(ticks) })

	var failed error
	select {
	case <-ctx.Done():
	case failed = <-ended:
	}
	err = e.loops.End(&own, &e.open, func() { sock.Close() }, e.cancel)
	close(ticks)
	ticking.Wait()
	if !errors.Is(err, engines.ErrDrainTimeout) {
		e.stop()
	} else {
		// A loop that is stuck in an app cannot be stopped; it is not waited for.
		stopped := make(chan struct{})
		go func() { e.stop(); close(stopped) }()
		engines.Within(stopped, engines.CutGrace)
	}
	if failed != nil {
		return failed
	}
	return err
}

// accept hands each connection to the loop that has the fewest. gnet works on
// a duplicate of the descriptor and closes the connection if there is none: so
// room for it is kept before a connection is taken.
func (e *Engine) accept(ctx context.Context, ln net.Listener) error {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return os.NewSyscallError("getrlimit", err)
	}
	spare := -1
	defer func() { unix.Close(spare) }()
	return kernel.Accept(ctx, e.svc.Log, func() error {
		if e.workers != nil {
			e.workers.await()
		}
		if spare < 0 {
			var err error
			if spare, err = unix.FcntlInt(uintptr(e.writes.set), unix.F_DUPFD_CLOEXEC, 0); err != nil {
				return os.NewSyscallError("fcntl", err)
			}
		}
		c, err := ln.Accept()
		if err != nil {
			return err
		}
		p := pending{c: c, spare: spare}
		if uint64(spare)+fewSpare > limit.Cur {
			p.enrolled = make(chan struct{})
		}
		spare = -1
		l := e.loops.Fewest()
		e.Accepted.Add(1)
		e.Queue.Add(1)
		e.open.Add(1)
		l.open.Add(1)
		select {
		case l.feed <- p:
		case <-e.ctx.Done(): // the loop is stuck, and the drain out of time
			unix.Close(p.spare)
			l.refuse(c)
			return nil
		}
		if p.enrolled != nil {
			select {
			case <-p.enrolled:
			case <-e.ctx.Done():
			}
		}
		return nil
	})
}

// fewSpare is with how many descriptors left connections are taken one at a
// time, so that none gets what is kept for another.
const fewSpare = 64

// ticker has every loop look for deadlines.
func (e *Engine) ticker(end <-chan struct{}) {
	t := time.NewTicker(e.tick)
	defer t.Stop()
	for {
		select {
		case <-end:
			return
		case <-t.C:
			for _, l := range e.loops {
				if l.Open() > 0 {
					l.Look()
				}
			}
		}
	}
}

func (e *Engine) stop() {
	for _, l := range e.loops {
		close(l.quit)
		l.feeding.Wait()
		if err := l.client.Stop(); err != nil {
			e.svc.Log.Error("event loop", "error", err)
		}
	}
}
