// Package supervise keeps an engine running in worker processes: a master that
// binds and never serves, and workers that are the same program started anew,
// each with the inner engine on a socket of the master's.
//
// A worker is the same command line with one more environment variable, by
// which Worker recognises it. It inherits a control socket, on which the master
// gives orders and asks for Stats and whose end says that the master is gone,
// and the listening socket. The master keeps the listening sockets open for as
// long as it lives: what waits in the queue of a worker that dies, or retires,
// is served by the next one.
//
// The master takes SIGHUP for a reload and SIGUSR1 for a report. Workers leave all
// signals to it, since a terminal or a service manager sends one to all processes: a
// worker ends at an order on the control socket.
package supervise

import (
	"fmt"
	"time"

	"github.com/dynobench/dyno/engines"
)

// Knobs are the settings in an engine's Spec; all others are the inner engine's.
var Knobs = []engines.Knob{
	{Key: "processes", Default: engines.CPUs, Doc: "worker processes; cpus: one per CPU. They divide the CPUs among them (GOMAXPROCS)",
		Sweep: []string{"cpus", "cpus*2", "cpus*4"}},
	{Key: "socket", Default: "auto", Doc: "reuseport: a listening socket for each worker, over which the kernel spreads connections; inherited: all accept from one, as they come; locked: all accept from one, and wait for their turn with a lock; auto: inherited for sync, whose workers must be able to take each other's turn, and for workers that come and go with the load, else reuseport",
		Sweep: []string{"reuseport", "inherited", "locked"}},
	{Key: "affinity", Default: "off", Doc: "off: the kernel places the workers; cpu: each on one CPU, in turn",
		Sweep: []string{"off", "cpu"}},
}

// Limits are when a worker is replaced or ended, and how many there are. The
// zero value has none: a worker lives until it ends, and all of them at all times.
//
// A worker that is replaced is followed before it goes: clients do not notice.
// The limits are looked at four times a second.
type Limits struct {
	MaxRequests int64         // a worker that has answered so many is replaced
	Jitter      int64         // up to this many more, drawn for each worker, so that not all go at once
	MaxRSS      int64         // bytes; a worker that is larger is replaced
	Harakiri    time.Duration // a worker with a request that takes longer is killed, with all its requests
	Cheaper     int           // so few workers are left when there is nothing to do; 0: all stay
	CheaperIdle time.Duration // how long there must have been little to do before one is ended; 0 means 10 s
}

func (l *Limits) any() bool {
	return l.MaxRequests > 0 || l.MaxRSS > 0 || l.Harakiri > 0 || l.Cheaper > 0
}

func (l *Limits) check(processes int, socket string) error {
	switch {
	case l.MaxRequests < 0 || l.Jitter < 0 || l.MaxRSS < 0 || l.Harakiri < 0 || l.Cheaper < 0 || l.CheaperIdle < 0:
		return fmt.Errorf("supervisor: a limit is negative: %+v", *l)
	case l.Jitter > 0 && l.MaxRequests == 0:
		return fmt.Errorf("supervisor: a jitter of %d requests needs a limit on requests", l.Jitter)
	case l.Cheaper > processes:
		return fmt.Errorf("supervisor: at least %d workers is more than the maximum of %d", l.Cheaper, processes)
	case l.Cheaper > 0 && socket == "reuseport":
		return fmt.Errorf("supervisor: with socket=reuseport the kernel would go on queueing connections for workers that have been ended; fewer workers need socket=inherited or locked")
	}
	return nil
}

// Worker is one place for a worker at one moment. What cannot be known is −1.
type Worker struct {
	ID       int       // from 1
	PID      int       // 0 while there is none
	Asleep   bool      // ended for lack of work, see Limits.Cheaper
	Began    time.Time // of the process
	RSS, VSZ int64     // bytes
	Respawns int64     // workers in this place that were replaced, for whatever reason
	Harakiri int64     // that were killed for a request that took too long
	Before   int64     // of the Requests: those that earlier workers answered
	engines.Stats
}
