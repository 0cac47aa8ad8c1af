package supervise

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/dynobench/dyno/engines"
	"github.com/dynobench/dyno/engines/kernel"
)

const (
	quickLife  = time.Second // a worker that lives less has failed to start
	quickMost  = 5           // so often in a row, and a program that has never served is given up
	firstPause = 20 * time.Millisecond
	lastPause  = 2 * time.Second
	startTime  = 30 * time.Second // for a worker to be ready to follow another
	startTries = 50               // for it, where a signal that was the master's ends it before it can know
	lastCall   = time.Second      // how long a worker that is followed keeps idle connections
)

// place is where one worker at a time serves. Its fields without a word on
// them are written before the first worker only.
type place struct {
	m      *Master
	index  int
	socket *os.File
	cpu    int // −1: any
	orders chan order
	first  sync.Once // its first worker is ready

	mu       sync.Mutex
	now      *worker // nil: none
	asleep   bool    // there is to be none
	respawns int64
	harakiri int64
	gone     engines.Stats // of the workers before
	again    time.Time     // when a worker that has come to a limit may be replaced, after an attempt that failed
	patience time.Duration // between such attempts
}

// order is what keep is to do with its worker. done gets the outcome, once.
type order struct {
	what byte
	of   *worker // only with this one, and nobody waits for the outcome; nil: with whichever there is
	done chan error
}

const (
	replace = iota // start another one, and retire this one when that serves
	rest           // retire this one
	wake           // start one again
)

// keep has a worker running at p until ctx ends. It gives up on a program that
// has never served and ends as soon as it starts, time and again.
func (m *Master) keep(ctx context.Context, p *place, keepers *sync.WaitGroup) error {
	quick := 0
	pause := time.Duration(0)
	for ctx.Err() == nil {
		if p.rests() {
			select {
			case o := <-p.orders:
				p.sleep(o.what == rest || o.what == replace)
				o.done <- nil
			case <-ctx.Done():
			}
			continue
		}
		w, err := m.start(p)
		if err == nil {
			w, err = m.attend(ctx, p, w, keepers)
		}
		switch {
		case ctx.Err() != nil:
			return nil
		case err == nil:
			continue // it rests
		case w != nil && (w.old() || !w.spared()):
			quick, pause = 0, 0
		case w != nil && w.strayed():
			quick, pause = 0, firstPause
		default:
			quick++
			pause = min(max(2*pause, firstPause), lastPause)
		}
		if quick >= quickMost && !m.proven() {
			return fmt.Errorf("supervisor: worker %d ended %d times within %v of its start, last with: %w", p.index+1, quick, quickLife, err)
		}
		m.svc.Log.Warn("supervisor: a worker has ended and is replaced", "worker", p.index+1, "error", err, "in_a_row", quick, "pause", pause)
		if (kernel.Park{}).Sleep(ctx, pause) != nil {
			return nil
		}
		m.respawns.Add(1)
		p.count(func() { p.respawns++ })
	}
	return nil
}

// attend accompanies the worker w, and those that follow it, until one ends
// unasked, and returns it and how that was; a nil error means that p rests, or
// that ctx has ended.
func (m *Master) attend(ctx context.Context, p *place, w *worker, keepers *sync.WaitGroup) (*worker, error) {
	for {
		select {
		case <-w.ended:
			if w.how != nil {
				return w, w.how
			}
			return w, errors.New("it ended unasked, with exit code 0")
		case <-ctx.Done():
			<-w.ended // drain tells it to
			return w, nil
		case o := <-p.orders:
			if o.of != nil && o.of != w {
				o.done <- nil
				continue
			}
			old := w
			switch o.what {
			case wake:
				o.done <- nil
				continue
			case rest:
				p.sleep(true)
			case replace:
				next, err := m.follow(ctx, p, w)
				p.count(func() { p.postpone(err) })
				if err != nil {
					if o.of != nil && ctx.Err() == nil {
						m.svc.Log.Error("supervisor: a worker is not replaced", "worker", p.index+1, "error", err)
					}
					o.done <- err
					continue
				}
				w = next
			}
			keepers.Go(func() {
				m.retire(old)
				o.done <- nil
			})
			if o.what == rest {
				return w, nil
			}
		}
	}
}

// follow starts a worker beside w and returns when it serves. If it does not,
// w stays.
func (m *Master) follow(ctx context.Context, p *place, w *worker) (*worker, error) {
	for tries := 1; ; tries++ {
		next, err := m.start(p)
		if err != nil {
			return nil, err
		}
		timer := time.NewTimer(startTime)
		select {
		case <-next.ready:
			timer.Stop()
			p.count(func() { p.respawns++ })
			return next, nil
		case <-next.ended:
			if err = next.how; next.strayed() && tries < startTries {
				timer.Stop()
				continue
			}
		case <-timer.C:
			err = fmt.Errorf("not ready after %v", startTime)
			next.kill()
		case <-ctx.Done():
			err = ctx.Err() // drain has told it to end; it may have begun to serve
		}
		timer.Stop()
		<-next.ended
		p.set(w)
		return nil, fmt.Errorf("the new worker does not serve; the old one stays: %w", err)
	}
}

// Pauses between attempts to replace a worker that has come to a limit.
const (
	firstPatience = time.Second
	lastPatience  = time.Minute
)

// postpone takes note of how an attempt to replace the worker has ended; p.mu is held.
func (p *place) postpone(err error) {
	if err == nil {
		p.patience, p.again = 0, time.Time{}
		return
	}
	p.patience = min(max(2*p.patience, firstPatience), lastPatience)
	p.again = time.Now().Add(p.patience)
}

// patient tells whether a worker that has come to a limit must wait to be replaced.
func (p *place) patient() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return time.Now().Before(p.again)
}

// retire ends w in a way that its clients do not notice.
func (m *Master) retire(w *worker) {
	w.order(orderRetire)
	if !engines.Within(w.ended, m.drainTime()) {
		m.svc.Log.Warn("supervisor: a worker does not end and is killed", "worker", w.place.index+1, "pid", w.pid())
		w.kill()
		<-w.ended
	}
	select {
	case <-w.ready: // it has served until it was told not to
		if w.how == nil {
			m.mu.Lock()
			m.served = true
			m.mu.Unlock()
		}
	default:
	}
}

// start starts a worker at p.
func (m *Master) start(p *place) (*worker, error) {
	w, err := m.fork(p)
	if err != nil {
		return nil, err
	}
	p.set(w)
	m.mu.Lock()
	m.workers[w] = struct{}{}
	if m.draining {
		w.drain()
	}
	m.mu.Unlock()
	w.reading.Go(w.read)
	go func() {
		w.how = w.wait()
		m.end(w)
		close(w.ended)
	}()
	return w, nil
}

// end accounts for a worker that has ended.
func (m *Master) end(w *worker) {
	last := w.last()
	p := w.place
	p.count(func() {
		p.gone.AddCounts(&last)
		if p.now == w {
			p.now = nil
		}
	})
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.workers, w)
	m.gone.AddCounts(&last)
	if w.old() {
		m.served = true
	}
	if m.draining && w.how != nil && w.spared() && w.isReady() {
		m.bad = true
	}
}

// proven tells whether some worker has lived long enough, or until it was
// replaced, to say that the program can serve.
func (m *Master) proven() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	for w := range m.workers {
		m.served = m.served || w.old()
	}
	return m.served
}

// old tells whether the worker has not ended as soon as it started.
func (w *worker) old() bool { return time.Since(w.began) >= quickLife }

// serves is called when a worker at p is ready.
func (p *place) serves() {
	p.first.Do(func() {
		if p.m.unready.Add(-1) == 0 {
			p.m.onReady()
		}
	})
}

func (p *place) set(w *worker) { p.count(func() { p.now = w }) }

func (p *place) current() *worker {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.now
}

func (p *place) rests() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.asleep
}

func (p *place) sleep(asleep bool) { p.count(func() { p.asleep = asleep }) }

// count changes what others read of p.
func (p *place) count(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f()
}

// do has keep carry out o, and returns the outcome.
func (p *place) do(ctx context.Context, o order) error {
	o.done = make(chan error, 1)
	select {
	case p.orders <- o:
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-o.done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// try has keep carry out o, unless it is busy, and does not wait for it.
func (p *place) try(o order) bool {
	o.done = make(chan error, 1)
	select {
	case p.orders <- o:
		return true
	default:
		return false
	}
}
