package prefork

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/dynobench/dyno/engines"
)

// forker starts processes, all from one OS thread that lives as long as it:
// a parent-death signal is sent when the thread ends that has forked.
type forker struct{ jobs chan func() }

func newForker() *forker {
	f := &forker{jobs: make(chan func())}
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		for job := range f.jobs {
			job()
		}
	}()
	return f
}

// do runs job on the thread and returns when it is done.
func (f *forker) do(job func()) {
	done := make(chan struct{})
	f.jobs <- func() { defer close(done); job() }
	<-done
}

func (f *forker) stop() { close(f.jobs) }

// worker is the supervisor's side of a worker process.
type worker struct {
	cmd     *exec.Cmd
	control net.Conn
	tail    tail
	reading sync.WaitGroup

	asks sync.Mutex    // one question at a time
	told chan struct{} // an answer has come

	mu    sync.Mutex
	stats engines.Stats
}

func (f *forker) fork(i int, spec string, procs int, socket *os.File) (*worker, error) {
	ours, theirs, err := socketpair()
	if err != nil {
		return nil, err
	}
	defer theirs.Close()
	w := &worker{control: ours, told: make(chan struct{}, 1)}
	w.tail.to = os.Stderr
	task, err := json.Marshal(task{Index: i, Spec: spec})
	if err != nil {
		ours.Close()
		return nil, err
	}
	// Not os.Executable: this is the program that runs, even if its file has
	// been replaced meanwhile.
	w.cmd = &exec.Cmd{
		Path:        "/proc/self/exe",
		Args:        os.Args,
		Env:         append(os.Environ(), taskVariable+"="+string(task)),
		Stdout:      os.Stdout,
		Stderr:      &w.tail,
		ExtraFiles:  []*os.File{controlFD - 3: theirs, listenFD - 3: socket},
		SysProcAttr: &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL},
		WaitDelay:   time.Second, // for others that hold its standard error
	}
	if os.Getenv("GOMAXPROCS") == "" {
		w.cmd.Env = append(w.cmd.Env, "GOMAXPROCS="+strconv.Itoa(procs))
	}
	f.do(func() { err = w.cmd.Start() })
	if err != nil {
		ours.Close()
		return nil, err
	}
	w.reading.Go(w.read)
	return w, nil
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

// read takes the Stats that the worker sends, asked or at its end.
func (w *worker) read() {
	dec := json.NewDecoder(bufio.NewReader(w.control))
	for {
		var s engines.Stats
		if dec.Decode(&s) != nil {
			return
		}
		w.mu.Lock()
		w.stats = s
		w.mu.Unlock()
		select {
		case w.told <- struct{}{}:
		default:
		}
	}
}

// askTime is how long a worker has to answer; one that is busy, or not up yet, takes longer.
const askTime = 250 * time.Millisecond

// ask brings last up to date, if the worker answers.
func (w *worker) ask() {
	w.asks.Lock()
	defer w.asks.Unlock()
	select {
	case <-w.told: // late, to an earlier question
	default:
	}
	if _, err := w.control.Write([]byte{'\n'}); err != nil {
		return
	}
	timer := time.NewTimer(askTime)
	defer timer.Stop()
	select {
	case <-w.told:
	case <-timer.C:
	}
}

func (w *worker) last() engines.Stats {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.stats
}

func (w *worker) signal(s syscall.Signal) { w.cmd.Process.Signal(s) }

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

func (w *worker) endedBy(s syscall.Signal) bool {
	status, ok := w.cmd.ProcessState.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && status.Signal() == s
}

// tail passes on what is written to it and remembers the last line.
type tail struct {
	to   *os.File
	line []byte
}

func (t *tail) Write(p []byte) (int, error) {
	lines := bytes.TrimRight(p, "\n")
	if len(lines) > 0 {
		t.line = append(t.line[:0], lines[bytes.LastIndexByte(lines, '\n')+1:]...)
	}
	return t.to.Write(p)
}

func (t *tail) last() string { return string(bytes.TrimSpace(t.line)) }
