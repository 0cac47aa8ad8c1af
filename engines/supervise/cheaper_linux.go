package supervise

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"time"
)

// When workers are woken and put to rest: by the busiest thing that they have,
// slots or processors, as a share of all there is.
const (
	highLoad  = 0.75 // above it, or with connections waiting to be accepted, one more
	lowLoad   = 0.5  // below it, even with one less, for long enough: one less
	slotShare = 0.25 // what a look counts in the mean of the slots: a loop is busy or not, moment by moment
	clockTick = 100  // USER_HZ, which is 100 wherever Linux runs Go
)

// load decides how many workers there are.
type load struct {
	m    *Master
	seen map[int]seen // by process id
	at   time.Time
	busy int       // looks in a row that found the load high
	idle time.Time // since when it has been low; zero: it is not
}

// seen is what a worker has done until the last look.
type seen struct {
	ticks int64   // of processor time
	slots float64 // busy of all, over the last second or so
}

func newLoad(m *Master) *load { return &load{m: m, at: time.Now()} }

// look wakes a worker or puts one to rest, if the load of those that run says so.
func (l *load) look(running []*worker) {
	now := time.Now()
	passed := now.Sub(l.at)
	l.at = now
	var share float64
	all := make(map[int]seen)
	for _, w := range running {
		pid, is, cpu := w.pid(), seen{}, 0.0
		is.ticks = processorTime(pid)
		if s := w.last(); s.Slots > 0 {
			is.slots = float64(s.Busy) / float64(s.Slots)
		}
		if was, ok := l.seen[pid]; ok {
			cpu = float64(is.ticks-was.ticks) / clockTick / passed.Seconds() / float64(l.m.share())
			is.slots = was.slots + slotShare*(is.slots-was.slots)
		}
		all[pid] = is
		share += max(cpu, is.slots)
	}
	l.seen = all
	n := float64(len(running))
	waiting, _ := l.m.Waiting()
	switch {
	case waiting > 0 || n > 0 && share/n > highLoad:
		l.busy++
		l.idle = time.Time{}
		if l.busy >= 2 {
			l.wake()
		}
		return
	case n > float64(l.m.limits.Cheaper) && share/(n-1) < lowLoad:
		if l.idle.IsZero() {
			l.idle = now
		}
		if now.Sub(l.idle) >= l.m.limits.CheaperIdle {
			l.rest()
			l.idle = now
		}
	default:
		l.idle = time.Time{}
	}
	l.busy = 0
}

func (l *load) wake() {
	for _, p := range l.m.places {
		if p.rests() && p.try(order{what: wake}) {
			l.m.svc.Log.Info("supervisor: the load wakes a worker", "worker", p.index+1)
			return
		}
	}
}

// rest ends the last worker that runs.
func (l *load) rest() {
	for i := len(l.m.places) - 1; i >= l.m.limits.Cheaper; i-- {
		if p := l.m.places[i]; !p.rests() {
			if p.try(order{what: rest}) {
				l.m.svc.Log.Info("supervisor: a worker with nothing to do is ended", "worker", p.index+1)
			}
			return
		}
	}
}

// processorTime is what a process has used, in clock ticks.
func processorTime(pid int) int64 {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	// The name, in parentheses, may hold spaces and parentheses.
	f := bytes.Fields(b[bytes.LastIndexByte(b, ')')+1:])
	if len(f) < 13 {
		return 0
	}
	user, _ := strconv.ParseInt(string(f[11]), 10, 64)
	system, _ := strconv.ParseInt(string(f[12]), 10, 64)
	return user + system
}
