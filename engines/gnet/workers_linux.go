package gnet

import (
	"errors"
	"sync"
	"time"

	"github.com/panjf2000/ants/v2"

	"github.com/dynobench/dyno/engines"
	"github.com/dynobench/dyno/protocol"
)

// workers run the app for loops that only do the I/O (half-sync/half-async):
// a pool of goroutines with a queue before it. A connection is at most once in
// either, so that its requests run one after the other and its answers are in
// order, whatever it pipelines.
type workers struct {
	pool       *ants.PoolWithFuncGeneric[*conn]
	size, most int // workers; places in the queue
	full       engines.Full
	mu         sync.Mutex
	room       sync.Cond // the queue has places again, or is about to end
	running    int
	queue      []*conn
	over       bool
}

func newWorkers(size, most int, full engines.Full) (*workers, error) {
	w := &workers{size: size, most: most, full: full}
	w.room.L = &w.mu
	var err error
	// Workers stay as long as the pool: without it ants wakes up once a second
	// to look for idle ones.
	w.pool, err = ants.NewPoolWithFuncGeneric(size, w.work, ants.WithDisablePurge(true))
	return w, err
}

var errExited = errors.New("the app has ended the goroutine of its request")

// submit has k's request run, and tells whether it will be. One that has begun
// always will.
func (w *workers) submit(k *conn) bool {
	w.mu.Lock()
	if w.running == w.size {
		defer w.mu.Unlock()
		if len(w.queue) >= w.most && w.full != engines.FullWait && !k.s.Busy() {
			return false
		}
		w.queue = append(w.queue, k)
		k.l.e.Queue.Add(1)
		return true
	}
	w.running++
	w.mu.Unlock()
	// It may have to wait for a worker that has just left off to be back.
	return w.pool.Invoke(k) == nil
}

// work is what a worker does, until nothing is queued.
func (w *workers) work(k *conn) {
	defer func() {
		if k == nil {
			return
		}
		// The app has ended the goroutine: another one is the worker now.
		k.lost = errExited
		k.ran()
		if next := w.next(); next != nil {
			go w.work(next)
		}
	}()
	for k != nil {
		k.work()
		k.ran()
		k = w.next()
	}
}

func (w *workers) next() *conn {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.room.Signal()
	if len(w.queue) == 0 {
		w.running--
		return nil
	}
	k := w.queue[0]
	k.l.e.Queue.Add(-1)
	w.queue[0], w.queue = nil, w.queue[1:]
	return k
}

// addLoad adds to s the workers that work. Those that wait for one are counted.
func (w *workers) addLoad(s *engines.Stats) {
	w.mu.Lock()
	defer w.mu.Unlock()
	s.Busy += int64(w.running)
}

// await holds up the accepting while the queue is full and what is too much is
// to wait: then in the kernel's.
func (w *workers) await() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for w.full == engines.FullWait && w.running == w.size && len(w.queue) >= max(w.most, 1) && !w.over {
		w.room.Wait()
	}
}

// finish releases everyone blocked in await.
func (w *workers) finish() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.over = true
	w.room.Broadcast()
}

// close ends the workers. One that is stuck in an app is not waited for.
func (w *workers) close() { w.pool.ReleaseTimeout(engines.CutGrace) } //nolint:errcheck // that is told by the drain

// work runs the app, on a worker: as far as it goes without the loop. Here and
// not before the queue it is known for how long the request has waited.
func (k *conn) work() {
	for range engines.ShareRuns {
		if gate := k.l.e.gate; gate == nil || k.s.Busy() || gate.Admit(time.Since(k.came)) {
			k.s.Run()
		} else {
			k.l.e.overload.Refuse(k.s)
		}
		if k.s.Busy() || k.s.Next() != protocol.Run {
			return
		}
	}
}

// ran is called when a worker has left the Session to the loop again.
func (k *conn) ran() {
	if !k.l.do(k.back) {
		k.back() // the loop is over
	}
}

func (k *conn) back() {
	k.running = false
	switch {
	case k.rest != nil:
		k.rest()
	case k.closed:
		if k.lost != nil {
			k.s.Abort(k.lost)
		}
		k.release()
	case k.lost != nil:
		k.s.Abort(k.lost)
		k.close()
	case k.s.Busy() && k.s.Next() == protocol.Run:
		k.act(k.yield()) // an empty chunk: the app says, others first
	default:
		k.act(k.turn())
	}
}

// abort is Session.Abort, at once or when the app is done.
func (k *conn) abort(cause error) {
	if k.running {
		k.lost = cause
		k.s.Cancel(cause)
	} else {
		k.s.Abort(cause)
	}
}

// runStep runs the app one step and returns when that is done, for a
// connection that is not the loop's any more.
func (k *conn) runStep() bool {
	done := make(chan struct{})
	if w := k.l.e.workers; w != nil {
		go func() { defer close(done); k.s.Run() }()
	} else if !k.l.do(func() { defer close(done); k.l.run(k.s) }) {
		return false
	}
	<-done
	return true
}

// NewPool returns an Engine whose apps run on workers, with the settings p.
func NewPool(p *engines.Params) (engines.Engine, error) {
	o := p.Overload()
	e := &Engine{count: p.Int("loops", 1, 1024), overload: o}
	size, most := p.Int("workers", 1, 1<<20), p.Int("queue", 0, 1<<20)
	e.Slots = int64(size)
	if err := p.Err(); err != nil {
		return nil, err
	}
	e.makeWorkers = func() (*workers, error) { return newWorkers(size, most, o.Full) }
	return e, nil
}
