package prefork

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/dynobench/dyno/engines"
	"github.com/dynobench/dyno/protocol"
)

const (
	quickLife  = time.Second // a worker that lives less has failed to start
	quickMost  = 5           // so often in a row, and the engine gives up
	firstPause = 20 * time.Millisecond
	lastPause  = time.Second
	exitGrace  = 2 * engines.CutGrace // for workers to end, beyond their own drain
)

// Engine is the supervisor.
type Engine struct {
	inner     engines.Spec
	processes int
	socket    string

	respawns atomic.Int64

	mu       sync.Mutex
	workers  map[*worker]struct{}
	gone     engines.Stats // of workers that have ended
	draining bool
	bad      bool // a worker failed in the drain
}

var _ engines.Engine = (*Engine)(nil)

// New returns an Engine with the settings p and workers that serve with inner.
func New(p *engines.Params, inner engines.Spec) (engines.Engine, error) {
	e := &Engine{
		inner:     inner,
		processes: p.Int("processes", 1, 1024),
		socket:    p.Choice("socket", "auto", "reuseport", "inherited"),
		workers:   make(map[*worker]struct{}),
	}
	if e.socket == "auto" {
		e.socket = "reuseport"
		if inner.Name == "sync" {
			e.socket = "inherited"
		}
	}
	return e, p.Err()
}

// Serve implements engines.Engine.
func (e *Engine) Serve(ctx context.Context, sock *engines.Socket, svc *protocol.Service) error {
	defer sock.Close()
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	sockets, err := e.sockets(sock, svc)
	if err != nil {
		return err
	}
	svc.Log.Info("prefork", "workers", e.processes, "engine", e.inner.String(), "socket", e.socket)
	f := newForker()
	var keepers sync.WaitGroup
	for i := range e.processes {
		keepers.Go(func() {
			if err := e.keep(ctx, f, sockets[i], svc, i); err != nil {
				stop(err)
			}
		})
	}
	<-ctx.Done()
	failed := context.Cause(ctx)
	if errors.Is(failed, context.Canceled) || errors.Is(failed, context.DeadlineExceeded) {
		failed = nil
	}
	// First our descriptors, so that the last worker to stop closes the socket.
	// Not while one of them is being passed on.
	f.do(func() {
		for _, s := range sockets {
			s.Close()
		}
	})
	sock.Close()
	drained := e.drain(&keepers, svc)
	f.stop()
	if failed != nil {
		return failed
	}
	return drained
}

// sockets returns a listening descriptor for each worker. The supervisor keeps
// them open: what waits in the queue of a worker that dies is served by the
// next one.
func (e *Engine) sockets(sock *engines.Socket, svc *protocol.Service) ([]*os.File, error) {
	var files []*os.File
	fail := func(err error) ([]*os.File, error) {
		for _, f := range files {
			f.Close()
		}
		return nil, fmt.Errorf("prefork: sockets of the workers: %w", err)
	}
	for len(files) < e.processes {
		from := sock
		if e.socket == "reuseport" && len(files) > 0 {
			sibling, err := sock.Sibling()
			if err != nil {
				svc.Log.Warn("prefork: no SO_REUSEPORT on this socket; the workers share one", "error", err)
				e.socket = "inherited"
				for _, f := range files[1:] {
					f.Close()
				}
				files = files[:1]
				continue
			}
			from = sibling
		}
		f, err := from.File()
		if from != sock {
			from.Close()
		}
		if err != nil {
			return fail(err)
		}
		files = append(files, f)
	}
	return files, nil
}

// keep has worker i running until ctx ends. It gives up on one that ends as
// soon as it starts, time and again.
func (e *Engine) keep(ctx context.Context, f *forker, socket *os.File, svc *protocol.Service, i int) error {
	quick := 0
	pause := time.Duration(0)
	for {
		began := time.Now()
		err := e.run(f, socket, i)
		if ctx.Err() != nil {
			return nil
		}
		if time.Since(began) >= quickLife {
			quick, pause = 0, 0
		} else {
			quick++
			pause = min(max(2*pause, firstPause), lastPause)
		}
		if quick >= quickMost {
			return fmt.Errorf("prefork: worker %d ended %d times within %v of its start, last with: %w", i, quick, quickLife, err)
		}
		svc.Log.Warn("prefork: a worker has ended and is replaced", "worker", i, "error", err, "pause", pause)
		if (engines.Park{}).Sleep(ctx, pause) != nil {
			return nil
		}
		e.respawns.Add(1)
	}
}

// run is the life of one worker; its error says how it ended.
func (e *Engine) run(f *forker, socket *os.File, i int) error {
	w, err := f.fork(i, e.inner.String(), max(engines.Processors()/e.processes, 1), socket)
	if err != nil {
		return err
	}
	e.mu.Lock()
	e.workers[w] = struct{}{}
	if e.draining {
		w.signal(syscall.SIGTERM)
	}
	e.mu.Unlock()

	err = w.wait()

	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.workers, w)
	last := w.last()
	e.gone.Accepted += last.Accepted
	e.gone.Requests += last.Requests
	e.gone.Errors += last.Errors
	if e.draining && err != nil && !w.endedBy(syscall.SIGTERM) { // SIGTERM: it had not begun to serve
		e.bad = true
	}
	if err == nil {
		err = errors.New("it ended unasked, with exit code 0")
	}
	return err
}

// drain asks all workers to end, and after the time for that, makes them.
func (e *Engine) drain(keepers *sync.WaitGroup, svc *protocol.Service) error {
	e.mu.Lock()
	e.draining = true
	for w := range e.workers {
		w.signal(syscall.SIGTERM)
	}
	e.mu.Unlock()
	done := make(chan struct{})
	go func() { keepers.Wait(); close(done) }()
	limit := engines.DrainTime(svc)
	if limit < 1<<62 {
		limit += exitGrace
	}
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
		e.mu.Lock()
		e.bad = true
		for w := range e.workers {
			w.signal(syscall.SIGKILL)
		}
		e.mu.Unlock()
		<-done
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.bad {
		return engines.ErrDrainTimeout
	}
	return nil
}

// Stats implements engines.Engine: the sum over the workers, each of which is
// asked. What one has counted since it was last asked is lost if it is killed.
func (e *Engine) Stats() engines.Stats {
	e.mu.Lock()
	sum := e.gone
	workers := make([]*worker, 0, len(e.workers))
	for w := range e.workers {
		workers = append(workers, w)
	}
	e.mu.Unlock()
	sum.Processes, sum.Respawns = int64(len(workers)), e.respawns.Load()
	var asking sync.WaitGroup
	for _, w := range workers {
		asking.Go(w.ask)
	}
	asking.Wait()
	for _, w := range workers {
		s := w.last()
		sum.Slots += s.Slots
		sum.Busy += s.Busy
		sum.Queue += s.Queue
		sum.Accepted += s.Accepted
		sum.Requests += s.Requests
		sum.Errors += s.Errors
	}
	return sum
}

// Workers returns the process ids of the workers that run.
func (e *Engine) Workers() []int {
	e.mu.Lock()
	defer e.mu.Unlock()
	var pids []int
	for w := range e.workers {
		pids = append(pids, w.cmd.Process.Pid)
	}
	return pids
}
