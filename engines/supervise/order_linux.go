package supervise

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"

	"github.com/dynobench/dyno/engines"
	"github.com/dynobench/dyno/engines/kernel"
)

// reloads does what SIGHUP asks for. Those that come during a reload are one.
func (m *Master) reloads(ctx context.Context, stop context.CancelCauseFunc) {
	for {
		select {
		case <-m.hangups:
			if m.hungUp() {
				m.svc.Log.Info("supervisor: its terminal has hung up")
				stop(context.Canceled)
				return
			}
			known := m.unready.Load() <= 0 // a manager that still waits for us is told of nothing else
			if known {
				m.onReload(true)
			}
			if err := m.reload(ctx); err != nil && ctx.Err() == nil {
				m.svc.Log.Error("supervisor: reload failed", "error", err)
			}
			if known && ctx.Err() == nil {
				m.onReload(false)
			}
		case <-ctx.Done():
			return
		}
	}
}

// reports does what SIGUSR1 asks for, during a reload, too.
func (m *Master) reports(ctx context.Context) {
	for {
		select {
		case <-m.askers:
			m.report()
		case <-ctx.Done():
			return
		}
	}
}

// startedFrom is the path by which this process was started, links in it not
// resolved: what is there after a deployment is what is to be run next. If the
// name that the process was given does not lead to its program, it is the path
// that the kernel tells.
var startedFrom = sync.OnceValue(func() string {
	name := os.Args[0]
	if !strings.ContainsRune(name, '/') {
		name, _ = exec.LookPath(name) // "" if it fails
	}
	// The path of a descriptor, as of /proc/self/exe, is no place to put a new program.
	if path, err := filepath.Abs(name); name != "" && err == nil && !strings.HasPrefix(path, "/proc/") {
		ours, e1 := os.Stat("/proc/self/exe")
		there, e2 := os.Stat(path)
		if e1 == nil && e2 == nil && os.SameFile(ours, there) {
			return path
		}
	}
	path, err := os.Executable()
	if err != nil {
		return "/proc/self/exe"
	}
	return path
})

// Before the app has run, which may change the working directory.
func init() { startedFrom() }

// reload replaces the workers one after the other by processes of the program
// that is now where ours was started from. It stops at the first that cannot be
// replaced: what is broken does not get any further.
func (m *Master) reload(ctx context.Context) error {
	program, err := os.Open(m.path)
	if err != nil {
		return fmt.Errorf("the program of the workers: %w", err)
	}
	old := m.program
	m.forker.do(func() { m.program, program = program, old })
	m.svc.Log.Info("supervisor: reload", "program", m.path)
	for i, p := range m.places {
		if p.rests() {
			continue
		}
		if err := p.do(ctx, order{what: replace}); err != nil {
			if i == 0 { // none of them runs it
				m.forker.do(func() { m.program, program = old, m.program })
			}
			program.Close()
			return fmt.Errorf("worker %d: %w", p.index+1, err)
		}
	}
	program.Close()
	m.svc.Log.Info("supervisor: reloaded")
	return nil
}

// report logs how the workers do.
func (m *Master) report() {
	s, workers := m.Stats(), m.Workers()
	var respawns int64 // for whatever reason, as those of a worker
	for _, w := range workers {
		respawns += w.Respawns
	}
	m.svc.Log.Info("stats", "requests", s.Requests, "errors", s.Errors, "accepted", s.Accepted, "busy", s.Busy,
		"queue", s.Queue, "processes", s.Processes, "respawns", respawns, "ended_unasked", s.Respawns)
	for _, w := range workers {
		m.svc.Log.Info("stats of a worker", "worker", w.ID, "pid", w.PID, "asleep", w.Asleep, "requests", w.Requests,
			"errors", w.Errors, "accepted", w.Accepted, "busy", w.Busy, "rss", w.RSS, "respawns", w.Respawns, "harakiri", w.Harakiri)
	}
}

// Stats implements engines.Engine: the sum over the workers, each of which is
// asked. What one has counted since it was last asked is lost if it is killed.
func (m *Master) Stats() engines.Stats {
	m.mu.Lock()
	sum := m.gone
	all := make([]*worker, 0, len(m.workers))
	for w := range m.workers {
		all = append(all, w)
	}
	m.mu.Unlock()
	askAll(all)
	for _, w := range all {
		s := w.last()
		sum.AddCounts(&s)
		sum.Slots += s.Slots
		sum.Busy += s.Busy
		sum.Held += s.Held
		sum.Queue += s.Queue
	}
	sum.Processes, sum.Respawns = int64(len(all)), m.respawns.Load()
	return sum
}

// Waiting is how many connections wait in the kernel to be accepted by the
// workers, and how many may; −1 if it does not tell.
func (m *Master) Waiting() (waiting, most int64) {
	m.mu.Lock()
	places := m.places
	m.mu.Unlock()
	waiting, most = -1, -1
	for i, p := range places {
		if i > 0 && m.socket != "reuseport" {
			break // they share one
		}
		if n, of := kernel.Backlog(p.socket); n >= 0 {
			waiting, most = max(waiting, 0)+n, max(most, 0)+of
		}
	}
	return waiting, most
}

// Workers returns the places for workers as they are now, their counts over
// all workers that have been there. It does not ask the workers: Stats does.
func (m *Master) Workers() []Worker {
	m.mu.Lock()
	places := m.places
	m.mu.Unlock()
	all := make([]Worker, 0, len(places))
	for _, p := range places {
		p.mu.Lock()
		v := Worker{ID: p.index + 1, Asleep: p.asleep, Respawns: p.respawns, Harakiri: p.harakiri, RSS: -1, VSZ: -1}
		now, gone := p.now, p.gone
		p.mu.Unlock()
		if now != nil {
			v.PID, v.Began, v.Stats = now.pid(), now.began, now.last()
			v.RSS, v.VSZ = Memory(v.PID)
		}
		v.AddCounts(&gone)
		v.Before = gone.Requests
		all = append(all, v)
	}
	return all
}
