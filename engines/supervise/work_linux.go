package supervise

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/dynobench/dyno/engines"
	"github.com/dynobench/dyno/protocol"
)

// The agreement between master and worker: the variable that makes a process a
// worker, the descriptors that it inherits, the orders that it gets, each one
// byte, and its reports, each a line of JSON. It holds between versions of a
// program, too: a reload starts new workers under an old master.
const (
	taskVariable = "DYNO_SUPERVISE_WORKER"
	controlFD    = 3
	listenFD     = 4
	turnFD       = 5 // if the task has turns

	orderReport = '?'
	orderRetire = 'r'
	orderDrain  = 'd'
	orderConn   = 'c' // and with it a connection
)

type task struct {
	Index    int           `json:"index"`
	Spec     string        `json:"spec"`
	Turns    bool          `json:"turns,omitempty"`
	Harakiri time.Duration `json:"harakiri_ns,omitempty"`
	Drains   bool          `json:"drains,omitempty"` // the master says by orderDrain what SIGTERM says to others
}

type report struct {
	engines.Stats
	Overdue string        `json:"overdue,omitempty"` // if set, all there is: the line of a request that takes too long
	Took    time.Duration `json:"took_ns,omitempty"` // so far
	Asked   bool          `json:"asked,omitempty"`   // if set, all there is: somebody but the master has asked the worker to end
	Drains  bool          `json:"drains,omitempty"`  // it knows orderDrain
}

// Work is a worker process's part: serve with the engine Spec on Socket.
type Work struct {
	Index int    // from 0
	Spec  string // the inner engine

	task    task
	control net.Conn

	mu     sync.Mutex
	stats  func() engines.Stats
	retire func() // nil until it serves
	drain  func() // likewise
	early  byte   // the order to end that came before
	use    func(net.Conn)
}

// Self tells whether this process has been started as a worker, and as which.
// From the first call on, the process ends when its master does.
func Self() (*Work, bool) { return self() }

var self = sync.OnceValues(func() (*Work, bool) {
	text, ok := os.LookupEnv(taskVariable)
	if !ok {
		return nil, false
	}
	os.Unsetenv(taskVariable) // what the app starts is no worker
	var t task
	if err := json.Unmarshal([]byte(text), &t); err != nil {
		fmt.Fprintf(os.Stderr, "worker: %s is set but not by a supervisor: %v\n", taskVariable, err)
		os.Exit(2)
	}
	unix.CloseOnExec(controlFD)
	unix.CloseOnExec(listenFD)
	file := os.NewFile(controlFD, "control")
	control, err := net.FileConn(file)
	file.Close()
	if err != nil {
		fmt.Fprintf(os.Stderr, "worker: the control socket is missing: %v\n", err)
		os.Exit(2)
	}
	w := &Work{Index: t.Index, Spec: t.Spec, task: t, control: control}
	w.takeSignals()
	go w.listen()
	return w, true
})

// A worker leaves to the master what is the master's to say: a terminal, a service
// manager or a careless script sends a signal to all processes. It does so as early
// as it can; what comes earlier still ends it, see strayed.
var hangups, ends = make(chan os.Signal, 1), make(chan os.Signal, 1)

func init() {
	if _, ok := os.LookupEnv(taskVariable); ok {
		signal.Notify(hangups, syscall.SIGHUP)
		signal.Notify(ends, syscall.SIGTERM, syscall.SIGINT, syscall.SIGQUIT)
	}
}

// takeSignals has the worker replaced if it is asked to end by itself.
func (w *Work) takeSignals() {
	if !w.task.Drains {
		signal.Stop(ends)
		return
	}
	go func() {
		for range ends {
			w.say(report{Asked: true})
		}
	}()
}

// Obeys tells whether the worker ends at its master's command and at nobody
// else's. If not, it was started by a version of the program which has it end by
// SIGTERM.
func (w *Work) Obeys() bool { return w.task.Drains }

// Socket is the socket that the worker accepts from. It is to be called once.
func (w *Work) Socket() (*engines.Socket, error) {
	s, err := engines.Inherit(listenFD)
	if err == nil && w.task.Turns {
		err = s.TakeTurns(fmt.Sprintf("/proc/self/fd/%d", turnFD))
		unix.Close(turnFD)
	}
	return s, err
}

// Wrap returns e reported to the master, and at its command.
func (w *Work) Wrap(e engines.Engine) engines.Engine { return commanded{e, w} }

type commanded struct {
	engines.Engine
	w *Work
}

func (c commanded) Serve(ctx context.Context, sock *engines.Socket, svc *protocol.Service) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	if limit := c.w.task.Harakiri; limit > 0 {
		own := *svc
		calls := newCalls(limit)
		own.App = calls.watch(own.App)
		svc = &own
		go calls.look(ctx, func(line string, took time.Duration) { c.w.say(report{Overdue: line, Took: took}) })
	}
	c.w.mu.Lock()
	c.w.stats = c.Stats
	c.w.retire = func() {
		svc.Retire(lastCall)
		stop()
	}
	c.w.drain = stop
	switch c.w.early {
	case orderRetire:
		c.w.retire()
	case orderDrain:
		stop()
	}
	c.w.mu.Unlock()
	c.w.report() // it serves
	err := c.Engine.Serve(ctx, sock, svc)
	c.w.report() // the last word
	return err
}

// listen obeys the master, and ends the process with it. That the kernel kills
// the worker (the parent-death signal) comes first; this is for when it could
// not be set up, as after a change of credentials.
func (w *Work) listen() {
	for {
		order, handed, err := w.order()
		if err != nil {
			fmt.Fprintln(os.Stderr, "worker: the supervisor is gone")
			os.Exit(1)
		}
		switch order {
		case orderConn:
			w.take(handed)
		case orderReport:
			w.report()
		case orderRetire, orderDrain:
			w.mu.Lock()
			end := w.retire
			if order == orderDrain {
				end = w.drain
			}
			if end != nil {
				end()
			}
			w.early = order
			w.mu.Unlock()
		}
	}
}

func (w *Work) report() {
	w.mu.Lock()
	stats := w.stats
	w.mu.Unlock()
	if stats != nil {
		w.say(report{Stats: stats(), Drains: true})
	}
}

func (w *Work) say(r report) {
	line, err := json.Marshal(r)
	if err != nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.control.Write(append(line, '\n')) //nolint:errcheck // its end is noticed by listen
}
