package supervise

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/dynobench/dyno/engines"
	"github.com/dynobench/dyno/internal/systemd"
)

// worker is the master's side of a worker process.
type worker struct {
	place   *place
	cmd     *exec.Cmd
	began   time.Time
	most    int64 // requests, 0 for any number
	control net.Conn
	tail    tail
	reading sync.WaitGroup

	ready chan struct{} // closed: it serves
	ended chan struct{} // closed: the process is gone, and how is set
	how   error         // its end, nil if well

	asks sync.Mutex    // one question at a time
	told chan struct{} // an answer has come

	mu        sync.Mutex
	stats     engines.Stats
	drains    bool      // it knows orderDrain
	heard     time.Time // when it last said something
	condemned bool      // killed by us; its end is no failure to start
}

// fork starts a worker for p.
func (m *Master) fork(p *place) (*worker, error) {
	ours, theirs, err := socketpair()
	if err != nil {
		return nil, err
	}
	defer theirs.Close()
	w := &worker{
		place: p, control: ours, began: time.Now(), heard: time.Now(),
		ready: make(chan struct{}), ended: make(chan struct{}), told: make(chan struct{}, 1),
	}
	w.tail.to = os.Stderr
	if m.limits.MaxRequests > 0 {
		w.most = m.limits.MaxRequests + rand.Int64N(m.limits.Jitter+1)
	}
	files := []*os.File{controlFD - 3: theirs, listenFD - 3: p.socket}
	if m.turn != nil {
		files = append(files, m.turn)
	}
	text, err := json.Marshal(task{Index: p.index, Spec: m.inner.String(), Turns: m.turn != nil, Harakiri: m.limits.Harakiri, Drains: true})
	if err != nil {
		ours.Close()
		return nil, err
	}
	m.forker.do(func() {
		w.cmd = &exec.Cmd{
			// By our descriptor: the program of all workers is the same until
			// the next reload, even if its file is replaced meanwhile.
			Path:        fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), m.program.Fd()),
			Args:        os.Args,
			Env:         append(systemd.Strip(os.Environ()), taskVariable+"="+string(text)),
			Stdout:      os.Stdout,
			Stderr:      &w.tail,
			ExtraFiles:  files,
			SysProcAttr: &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL},
			WaitDelay:   time.Second, // for others that hold its standard error
		}
		if os.Getenv("GOMAXPROCS") == "" {
			w.cmd.Env = append(w.cmd.Env, "GOMAXPROCS="+strconv.Itoa(m.share()))
		}
		err = p.pinned(w.cmd.Start)
	})
	if err != nil {
		ours.Close()
		return nil, err
	}
	return w, nil
}

// share is how many processors each worker has.
func (m *Master) share() int {
	if m.affinity {
		return 1
	}
	return max(engines.Processors()/m.processes, 1)
}

// pinned runs start, which forks, on the CPU of p, if it has one.
func (p *place) pinned(start func() error) error {
	if p.cpu < 0 {
		return start()
	}
	var before, one unix.CPUSet
	one.Set(p.cpu)
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		return os.NewSyscallError("sched_getaffinity", err)
	}
	if err := unix.SchedSetaffinity(0, &one); err != nil {
		return os.NewSyscallError("sched_setaffinity", err)
	}
	return errors.Join(start(), os.NewSyscallError("sched_setaffinity", unix.SchedSetaffinity(0, &before)))
}

func socketpair() (net.Conn, *os.File, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, nil, os.NewSyscallError("socketpair", err)
	}
	ours, theirs := os.NewFile(uintptr(fds[0]), "control"), os.NewFile(uintptr(fds[1]), "control")
	defer ours.Close()
	c, err := net.FileConn(ours)
	if err != nil {
		theirs.Close()
		return nil, nil, err
	}
	return c, theirs, nil
}

// read takes what the worker says, asked or unasked.
func (w *worker) read() {
	dec := json.NewDecoder(bufio.NewReader(w.control))
	for {
		var r report
		if dec.Decode(&r) != nil {
			return
		}
		if r.Overdue != "" {
			w.overdue(r.Overdue, r.Took)
			continue
		}
		if r.Asked {
			w.asked()
			continue
		}
		w.mu.Lock()
		w.stats, w.heard, w.drains = r.Stats, time.Now(), r.Drains
		w.mu.Unlock()
		select {
		case <-w.ready:
		default:
			close(w.ready)
			w.place.serves()
		}
		select {
		case w.told <- struct{}{}:
		default:
		}
	}
}

// askTime is how long a worker has to answer; one that is busy, or not up yet,
// takes longer.
const askTime = 250 * time.Millisecond

// ask brings last up to date, if the worker answers.
func (w *worker) ask() {
	w.asks.Lock()
	defer w.asks.Unlock()
	select {
	case <-w.told: // late, to an earlier question
	default:
	}
	w.order(orderReport)
	timer := time.NewTimer(askTime)
	defer timer.Stop()
	select {
	case <-w.told:
	case <-w.ended:
	case <-timer.C:
	}
}

// order sends a worker what it is to do. One that does not read, as when it
// has been stopped, loses orders.
func (w *worker) order(o byte) {
	w.control.SetWriteDeadline(time.Now().Add(askTime))
	w.control.Write([]byte{o}) //nolint:errcheck // its end is noticed otherwise
}

func (w *worker) last() engines.Stats {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.stats
}

func (w *worker) pid() int { return w.cmd.Process.Pid }

func (w *worker) signal(s syscall.Signal) { w.cmd.Process.Signal(s) }

// drain tells the worker to end, by its own way. One that has not said that it
// knows it, as a version from before there was one, is asked by a signal, too.
func (w *worker) drain() {
	w.order(orderDrain)
	w.mu.Lock()
	drains := w.drains
	w.mu.Unlock()
	if !drains {
		w.signal(syscall.SIGTERM)
	}
}

// asked is called when somebody but the master has asked the worker to end. It is
// replaced, so that it has a successor before it goes, unless the master has been
// asked as well: one signal to all of them is one to the master.
func (w *worker) asked() {
	m, p := w.place.m, w.place
	time.AfterFunc(askedGrace, func() {
		if m.ending.Err() != nil {
			return
		}
		m.svc.Log.Info("supervisor: a worker has been asked to end and is replaced", "worker", p.index+1, "pid", w.pid())
		p.do(m.ending, order{what: replace, of: w}) //nolint:errcheck // attend tells
	})
}

// askedGrace is how much later than its workers a master may learn that it is to end.
const askedGrace = 250 * time.Millisecond

// kill ends a worker that we are done with.
func (w *worker) kill() {
	w.mu.Lock()
	w.condemned = true
	w.mu.Unlock()
	w.signal(syscall.SIGKILL)
}

// spared tells whether the worker's end was none of our doing.
func (w *worker) spared() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return !w.condemned
}

// wait returns when the process has ended, with how, unless it was well.
func (w *worker) wait() error {
	err := w.cmd.Wait()
	w.reading.Wait()
	w.control.Close()
	if line := w.tail.last(); err != nil && line != "" {
		err = fmt.Errorf("%w: %s", err, line)
	}
	return err
}

// strayed tells whether the worker has ended by a signal that was the master's,
// before it could know: in the moments until the program has set up its handlers.
func (w *worker) strayed() bool {
	status, ok := w.cmd.ProcessState.Sys().(syscall.WaitStatus)
	if !ok || !status.Signaled() || w.isReady() {
		return false
	}
	switch status.Signal() {
	case syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTERM, syscall.SIGUSR1, syscall.SIGUSR2:
		return true
	}
	return false
}

// tail passes on what is written to it and remembers what ended the process,
// as far as it said: the last line, or that with which the Go runtime gives up.
// It never fails: a worker must not die of a log that is full.
type tail struct {
	to    *os.File
	line  []byte
	fatal bool
}

func (t *tail) Write(p []byte) (int, error) {
	for line := range bytes.Lines(p) {
		line = bytes.TrimSpace(line)
		dying := bytes.HasPrefix(line, []byte("fatal error: ")) || bytes.HasPrefix(line, []byte("panic: "))
		if len(line) > 0 && !t.fatal {
			t.line = append(t.line[:0], line...)
		}
		t.fatal = t.fatal || dying
	}
	t.to.Write(p) //nolint:errcheck // see above
	return len(p), nil
}

func (t *tail) last() string { return string(t.line) }
