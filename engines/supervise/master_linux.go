package supervise

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/dynobench/dyno/engines"
	"github.com/dynobench/dyno/protocol"
)

const exitGrace = 2 * engines.CutGrace // for workers to end, beyond their own drain

// Master is the supervisor as an engine. It takes SIGHUP and SIGUSR1 of the
// process, see CatchSignals.
type Master struct {
	inner     engines.Spec
	processes int
	socket    string
	affinity  bool
	limits    Limits
	onReady   func()
	onReload  func(begun bool)
	onBound   func() error
	hungUp    func() bool

	catch           sync.Once
	hangups, askers chan os.Signal // SIGHUP, SIGUSR1; each holds one that has not been obeyed

	// Set by Serve before the first worker.
	svc     *protocol.Service
	ending  context.Context // of Serve
	forker  *forker
	program *os.File // what workers run
	path    string   // where that was started from
	turn    *os.File // the lock of socket=locked, else nil
	places  []*place
	began   time.Time

	respawns atomic.Int64
	unready  atomic.Int64 // places whose first worker is not ready

	mu       sync.Mutex
	workers  map[*worker]struct{}
	gone     engines.Stats // of workers that have ended
	served   bool          // see proven
	draining bool
	bad      bool // a worker failed in the drain
}

var _ engines.Engine = (*Master)(nil)

// New returns a Master with the settings p and workers that serve with inner.
func New(p *engines.Params, inner engines.Spec) (*Master, error) {
	m := &Master{
		inner:     inner,
		processes: p.Int("processes", 1, 1024),
		socket:    p.Choice("socket", "auto", "reuseport", "inherited", "locked"),
		affinity:  p.Choice("affinity", "off", "cpu") == "cpu",
		onReady:   func() {},
		onReload:  func(bool) {},
		onBound:   func() error { return nil },
		hungUp:    func() bool { return false },
		hangups:   make(chan os.Signal, 1),
		askers:    make(chan os.Signal, 1),
		workers:   make(map[*worker]struct{}),
	}
	return m, p.Err()
}

// Limit sets the limits. It is to be called before Serve.
func (m *Master) Limit(l Limits) error {
	if l.CheaperIdle == 0 {
		l.CheaperIdle = 10 * time.Second
	}
	m.limits = l
	return l.check(m.processes, m.socket)
}

// OnReady has f called once, when all first workers serve. It is to be called before Serve.
func (m *Master) OnReady(f func()) { m.onReady = f }

// OnReload has f called at the beginning and the end of each reload. It is to
// be called before Serve.
func (m *Master) OnReload(f func(begun bool)) { m.onReload = f }

// OnBound has f called by Serve once all sockets are there, before the first
// worker is: to give up the rights that they took. If it fails, Serve does.
func (m *Master) OnBound(f func() error) { m.onBound = f }

// OnHangup has f asked whether a SIGHUP is the end of the terminal that the
// process was started at, and not somebody's wish for a reload. It ends Serve then.
func (m *Master) OnHangup(f func() bool) { m.hungUp = f }

// CatchSignals takes SIGHUP and SIGUSR1 of the process from now on, for Serve to
// obey. Serve calls it; who makes the process known before that calls it earlier.
func (m *Master) CatchSignals() {
	m.catch.Do(func() {
		signal.Notify(m.hangups, syscall.SIGHUP)
		signal.Notify(m.askers, syscall.SIGUSR1)
	})
}

// Serve implements engines.Engine. The signals stay caught after it: the process
// is about to end, and must not end by them.
func (m *Master) Serve(ctx context.Context, sock *engines.Socket, svc *protocol.Service) error {
	defer sock.Close()
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	m.CatchSignals()
	m.svc, m.began, m.ending = svc, time.Now(), ctx
	if err := m.open(sock); err != nil {
		return fmt.Errorf("supervisor: %w", err)
	}
	defer m.program.Close()
	if m.turn != nil {
		defer m.turn.Close()
	}
	if err := m.onBound(); err != nil {
		return err
	}
	if f, err := os.Open(m.path); err != nil {
		svc.Log.Warn("supervisor: cannot read the program: a reload will fail", "error", err)
	} else {
		f.Close()
	}
	svc.Log.Info("supervisor", "workers", m.processes, "engine", m.inner.String(), "socket", m.socket)
	m.forker = newForker()
	var keepers, others sync.WaitGroup
	for _, p := range m.places {
		keepers.Go(func() {
			if err := m.keep(ctx, p, &keepers); err != nil {
				stop(err)
			}
		})
	}
	others.Go(func() { m.reloads(ctx, stop) })
	others.Go(func() { m.reports(ctx) })
	if m.limits.any() {
		others.Go(func() { m.watch(ctx) })
	}
	<-ctx.Done()
	failed := context.Cause(ctx)
	if errors.Is(failed, context.Canceled) || errors.Is(failed, context.DeadlineExceeded) {
		failed = nil
	}
	// First our descriptors, so that the last worker to stop closes the socket.
	// Not while one of them is being passed on.
	m.forker.do(m.closeSockets)
	sock.Close()
	drained := m.drain(&keepers)
	others.Wait() // a reload that is cut off puts the program back
	m.forker.stop()
	if failed != nil {
		return failed
	}
	return drained
}

// drain asks all workers to end, and after the time for that, makes them.
func (m *Master) drain(keepers *sync.WaitGroup) error {
	m.mu.Lock()
	m.draining = true
	for w := range m.workers {
		go w.drain() // one that does not read must not hold up the others
	}
	m.mu.Unlock()
	done := make(chan struct{})
	go func() { keepers.Wait(); close(done) }()
	if !engines.Within(done, m.drainTime()) {
		m.mu.Lock()
		m.bad = true
		for w := range m.workers {
			w.signal(syscall.SIGKILL)
		}
		m.mu.Unlock()
		<-done
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.bad {
		return engines.ErrDrainTimeout
	}
	return nil
}

// drainTime is how long the end of a worker may take.
func (m *Master) drainTime() time.Duration {
	limit := engines.DrainTime(m.svc)
	if limit < 1<<62 {
		limit += lastCall + exitGrace
	}
	return limit
}

// open makes what the workers are given.
func (m *Master) open(sock *engines.Socket) error {
	var err error
	if m.program, err = os.Open("/proc/self/exe"); err != nil {
		return err
	}
	m.path = startedFrom()
	if m.socket == "auto" {
		m.socket = "reuseport"
		if m.inner.Name == "sync" || m.limits.Cheaper > 0 {
			m.socket = "inherited"
		}
	}
	sockets, err := m.sockets(sock)
	if err != nil {
		return fmt.Errorf("sockets of the workers: %w", err)
	}
	if m.socket == "locked" {
		if m.turn, err = newTurn(); err != nil {
			return err
		}
	}
	cpus, err := m.cpus()
	if err != nil {
		return err
	}
	m.mu.Lock() // for who asks for the workers meanwhile
	defer m.mu.Unlock()
	for i, s := range sockets {
		p := &place{m: m, index: i, socket: s, cpu: -1, orders: make(chan order), asleep: m.limits.Cheaper > 0 && i >= m.limits.Cheaper}
		if len(cpus) > 0 {
			p.cpu = cpus[i%len(cpus)]
		}
		if !p.asleep {
			m.unready.Add(1)
		}
		m.places = append(m.places, p)
	}
	return nil
}

// cpus are those that workers are placed on, none if they are not.
func (m *Master) cpus() ([]int, error) {
	if !m.affinity {
		return nil, nil
	}
	var allowed unix.CPUSet
	if err := unix.SchedGetaffinity(0, &allowed); err != nil {
		return nil, os.NewSyscallError("sched_getaffinity", err)
	}
	var cpus []int
	for c := 0; len(cpus) < allowed.Count(); c++ {
		if allowed.IsSet(c) {
			cpus = append(cpus, c)
		}
	}
	return cpus, nil
}

// sockets returns a listening descriptor for each worker.
func (m *Master) sockets(sock *engines.Socket) ([]*os.File, error) {
	var files []*os.File
	for len(files) < m.processes {
		from := sock
		if m.socket == "reuseport" && len(files) > 0 {
			sibling, err := sock.Sibling()
			if err != nil {
				m.svc.Log.Warn("supervisor: no SO_REUSEPORT on this socket; the workers share one", "error", err)
				m.socket = "inherited"
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
			for _, f := range files {
				f.Close()
			}
			return nil, err
		}
		files = append(files, f)
	}
	return files, nil
}

func (m *Master) closeSockets() {
	for _, p := range m.places {
		p.socket.Close()
	}
}

// newTurn makes the file whose lock tells the workers' turns.
func newTurn() (*os.File, error) {
	fd, err := unix.MemfdCreate("turn", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("memfd_create", err)
	}
	return os.NewFile(uintptr(fd), "turn"), nil
}
