package supervise

import (
	"context"
	"fmt"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// tick is how often the limits are looked at.
const tick = 250 * time.Millisecond

// watch holds the workers to the limits.
func (m *Master) watch(ctx context.Context) {
	t := time.NewTicker(tick)
	defer t.Stop()
	load := newLoad(m)
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		var all []*worker
		for _, p := range m.places {
			if w := p.current(); w != nil {
				all = append(all, w)
			}
		}
		askAll(all)
		for _, w := range all {
			m.judge(w)
		}
		if m.limits.Cheaper > 0 {
			load.look(all)
		}
	}
}

// judge replaces a worker that has come to a limit, and kills one that is
// beyond answering.
func (m *Master) judge(w *worker) {
	stats := w.last()
	rss, _ := Memory(w.pid())
	log := m.svc.Log.With("worker", w.place.index+1, "pid", w.pid())
	next := order{what: replace, of: w}
	switch l := &m.limits; {
	case w.place.patient():
	case w.most > 0 && stats.Requests >= w.most && w.place.try(next):
		log.Info("supervisor: a worker has served its time and is replaced", "requests", stats.Requests)
	case l.MaxRSS > 0 && rss > l.MaxRSS && w.place.try(next):
		log.Info("supervisor: a worker has grown too large and is replaced", "rss", rss)
	}
	if limit := m.limits.Harakiri; limit > 0 && w.silent() > limit+4*tick && w.isReady() {
		w.die("a worker has not responded to its supervisor for this long", "silence", w.silent())
	}
}

// overdue is told by the worker of a request that takes too long.
func (w *worker) overdue(request string, took time.Duration) {
	w.die("harakiri: a request takes too long, its worker is killed", "request", request, "took", took)
}

func (w *worker) die(why string, args ...any) {
	if !w.spared() {
		return // it has been told
	}
	p := w.place
	p.count(func() { p.harakiri++ })
	p.m.svc.Log.Error("supervisor: "+why, append(args, "worker", p.index+1, "pid", w.pid())...)
	w.kill()
}

// silent is how long the worker has not answered.
func (w *worker) silent() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	return time.Since(w.heard)
}

func (w *worker) isReady() bool {
	select {
	case <-w.ready:
		return true
	default:
		return false
	}
}

// askAll asks all of them at once.
func askAll(all []*worker) {
	var asking sync.WaitGroup
	for _, w := range all {
		asking.Go(w.ask)
	}
	asking.Wait()
}

// Memory is what a process has in use and what it has mapped, in bytes; −1 if
// there is no such process.
func Memory(pid int) (rss, vsz int64) {
	var size, resident int64
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return -1, -1
	}
	if _, err := fmt.Sscan(string(b), &size, &resident); err != nil {
		return -1, -1
	}
	page := int64(unix.Getpagesize())
	return resident * page, size * page
}
