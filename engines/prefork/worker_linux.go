package prefork

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/dynobench/dyno/engines"
	"github.com/dynobench/dyno/protocol"
)

// The agreement between supervisor and worker: the variable that makes a
// process a worker, and the descriptors that it inherits.
const (
	taskVariable = "DYNO_PREFORK_WORKER"
	controlFD    = 3
	listenFD     = 4
)

type task struct {
	Index int    `json:"index"`
	Spec  string `json:"spec"`
}

// Work is a worker process's part: serve with the engine Spec on Socket.
type Work struct {
	Index int    // from 0
	Spec  string // the inner engine

	control net.Conn
	mu      sync.Mutex
	stats   func() engines.Stats
}

// Worker tells whether this process has been started as a worker, and as
// which. From the first call on, the process ends when its supervisor does.
func Worker() (*Work, bool) { return worked() }

var worked = sync.OnceValues(func() (*Work, bool) {
	text, ok := os.LookupEnv(taskVariable)
	if !ok {
		return nil, false
	}
	os.Unsetenv(taskVariable) // what the app starts is no worker
	var t task
	if err := json.Unmarshal([]byte(text), &t); err != nil {
		fmt.Fprintf(os.Stderr, "prefork: %s is set but not by a supervisor: %v\n", taskVariable, err)
		os.Exit(2)
	}
	unix.CloseOnExec(controlFD)
	unix.CloseOnExec(listenFD)
	file := os.NewFile(controlFD, "control")
	control, err := net.FileConn(file)
	file.Close()
	if err != nil {
		fmt.Fprintf(os.Stderr, "prefork: the control socket is missing: %v\n", err)
		os.Exit(2)
	}
	w := &Work{Index: t.Index, Spec: t.Spec, control: control}
	go w.listen()
	return w, true
})

// Socket is the socket that the worker accepts from. It is to be called once.
func (w *Work) Socket() (*engines.Socket, error) { return engines.Inherit(listenFD) }

// Wrap returns e with its Stats reported to the supervisor.
func (w *Work) Wrap(e engines.Engine) engines.Engine { return reported{e, w} }

type reported struct {
	engines.Engine
	w *Work
}

func (r reported) Serve(ctx context.Context, sock *engines.Socket, svc *protocol.Service) error {
	r.w.mu.Lock()
	r.w.stats = r.Stats
	r.w.mu.Unlock()
	err := r.Engine.Serve(ctx, sock, svc)
	r.w.report() // the last word
	return err
}

// listen answers the supervisor, and ends the process with it. That the kernel
// kills the worker (the parent-death signal) comes first; this is for when it
// could not be set up, as after a change of credentials.
func (w *Work) listen() {
	var question [1]byte
	for {
		if _, err := w.control.Read(question[:]); err != nil {
			fmt.Fprintln(os.Stderr, "prefork: the supervisor is gone")
			os.Exit(1)
		}
		w.report()
	}
}

func (w *Work) report() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stats == nil {
		return
	}
	if line, err := json.Marshal(w.stats()); err == nil {
		w.control.Write(append(line, '\n'))
	}
}
