// Package meter measures what a server costs: CPU time, memory, threads and
// context switches of its whole process tree, and what the host did to it
// meanwhile, steal and pressure. It also knows which CPUs there are and how
// to share them out, and the facts of the host that figures depend on.
//
// It works from /proc and from the processes' CPU clocks and needs no
// privileges and no help of the process measured. It imports nothing of
// dyno's but a leaf: bench starts servers with bench/target and hands the leader's
// process id to NewTree. Only Linux is measured; elsewhere every function
// compiles and returns ErrUnsupported.
package meter

import (
	"errors"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/dynobench/dyno/internal/cgroup"
)

// ErrUnsupported is returned on systems without /proc.
var ErrUnsupported = errors.New("measuring processes needs Linux")

// ErrGone is returned when no process of a tree lives any more.
var ErrGone = errors.New("no process of the tree is left")

// Sample is a reading of a process tree. CPU, User, System and the switches
// count from the start of the tree and never run backwards; the rest is the
// state at Time.
type Sample struct {
	Time time.Duration // CLOCK_MONOTONIC

	// CPU is in the scheduler's nanoseconds; a thread that is running at
	// the moment may lag behind by the time since its last tick. User and
	// System divide the same time by a rougher method and are counted in
	// ticks of 10 ms.
	CPU, User, System time.Duration

	// RSSBytes is summed over the processes: a page that several of them
	// share counts in each. The kernel keeps it in per-CPU batches, which
	// makes it uncertain by some hundred KiB per process.
	RSSBytes  int64
	Threads   int
	Processes int
	PIDs      []int // of the living processes, ascending

	// The switches of threads that ended between two calls of Tree.Sample
	// are not in it: the kernel adds them to a sum that only the process
	// itself, or root, can read.
	Voluntary, Involuntary int64

	threads map[int]threadTime // of the living ones; nil in a glance

	ages    map[int]time.Duration // of the processes in PIDs
	group   cgroup.Usage          // what the control group of the tree counts
	counted bool                  // there is one
	ended   int                   // processes that were seen and have ended
	reaped  time.Duration         // CPU time of children that were waited for
}

// threadTime is what a thread has had of the CPUs, and how long it has waited
// for one.
type threadTime struct{ run, delay time.Duration }

// Usage is what a tree used between two samples.
type Usage struct {
	Wall                   time.Duration
	CPU, User, System      time.Duration
	Voluntary, Involuntary int64
	Joined, Left           []int // processes that live only at the end, for long enough to be workers, and only at the beginning

	// Unseen is the part of CPU of processes that nobody waited for and no
	// reading saw, which only the tree's control group has counted.
	Unseen time.Duration
	// Brief is how many processes that were in neither sample were seen in
	// between, where no control group counts and nobody waited for any: there
	// will have been others, and CPU lacks what they used.
	Brief int

	// RunDelay is how long threads waited for a CPU while they had work, summed
	// up over those that live at the end.
	RunDelay time.Duration
	// Runnable is for how long the thread that most wanted a CPU had one or
	// waited for one. While it waited for others of its own tree, these ran: so
	// what it is longer than CPU was foreigners' doing.
	Runnable time.Duration
}

// Sub returns what was used from a to b, two samples of the same tree.
func (b Sample) Sub(a Sample) Usage {
	var delay, runnable time.Duration
	for id, t := range b.threads {
		before := a.threads[id]
		if t.run < before.run || t.delay < before.delay {
			before = threadTime{} // the number is another thread's now
		}
		delay += t.delay - before.delay
		runnable = max(runnable, t.run-before.run+t.delay-before.delay)
	}
	u := Usage{
		RunDelay: delay, Runnable: runnable,
		Wall: b.Time - a.Time,
		CPU:  b.CPU - a.CPU, User: b.User - a.User, System: b.System - a.System,
		Voluntary: b.Voluntary - a.Voluntary, Involuntary: b.Involuntary - a.Involuntary,
		Joined: without(b.PIDs, a.PIDs), Left: without(a.PIDs, b.PIDs),
	}
	// A child that does one request is no worker, although it may be alive at
	// the end.
	lasting := min(lastingAge, u.Wall/4)
	u.Joined = slices.DeleteFunc(u.Joined, func(pid int) bool { return b.ages[pid] < lasting })
	left := len(u.Left)
	u.Left = slices.DeleteFunc(u.Left, func(pid int) bool { return a.ages[pid] < lasting })
	switch {
	case a.counted && b.counted:
		// What is running at an edge is known to its clock and, until the next
		// tick, not to its group.
		lag := time.Duration(min(a.Threads, runtime.NumCPU())) * groupLag
		if unseen := b.group.CPU - a.group.CPU - u.CPU; unseen > lag {
			u.CPU, u.Unseen = u.CPU+unseen, unseen
			u.User, u.System = b.group.User-a.group.User, b.group.System-a.group.System
		}
	case b.reaped == a.reaped:
		u.Brief = max(0, b.ended-a.ended-left)
	}
	return u
}

const (
	lastingAge = time.Second // of a worker, and a quarter of a short window
	groupLag   = 10 * time.Millisecond
	settledAge = 1 << 40 * time.Nanosecond // of a worker that was there before the load: 18 minutes are more than lastingAge
)

// without returns what of the sorted list is not in the sorted other.
func without(list, other []int) []int {
	var rest []int
	for _, v := range list {
		if _, found := slices.BinarySearch(other, v); !found {
			rest = append(rest, v)
		}
	}
	return rest
}

// Peaks are the highest values that a Monitor saw.
type Peaks struct {
	RSSBytes  int64
	PSSBytes  int64 // 0 where the kernel or the processes do not let it be read
	Threads   int
	Processes int
	Samples   int // how many readings they are taken from
}

func (p *Peaks) add(s Sample) {
	p.RSSBytes = max(p.RSSBytes, s.RSSBytes)
	p.Threads = max(p.Threads, s.Threads)
	p.Processes = max(p.Processes, s.Processes)
	p.Samples++
}

// DefaultInterval is how often a Monitor looks: often enough to see a pool
// grow, rare enough to cost a thousandth of a CPU.
const DefaultInterval = 200 * time.Millisecond

// For PSS the kernel walks all page tables of a process, and that takes a time
// that grows with its memory. So it is read far less often than the rest: each
// reading is followed by pssPause times as long without one, and by pssLeast.
// A Monitor's last reading has it in any case, and comes when the load is over.
const (
	pssLeast = time.Second
	pssPause = 200
)

// Monitor watches a tree in the background.
type Monitor struct {
	t     *Tree
	stop  chan struct{}
	done  chan struct{}
	once  sync.Once
	peaks Peaks     // owned by the goroutine until done is closed
	next  time.Time // reading of PSS
	blind bool      // PSS could not be read of a part of the tree
}

// Start begins to watch t, every interval; 0 means DefaultInterval. The caller
// must call Stop. Other readings of t may go on meanwhile.
func Start(t *Tree, interval time.Duration) *Monitor {
	if interval <= 0 {
		interval = DefaultInterval
	}
	m := &Monitor{t: t, stop: make(chan struct{}), done: make(chan struct{})}
	m.look(true)
	go func() {
		defer close(m.done)
		tick := time.NewTicker(interval)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				m.look(false)
			case <-m.stop:
				m.look(true)
				return
			}
		}
	}()
	return m
}

func (m *Monitor) look(pss bool) {
	if s, err := m.t.Glance(); err == nil {
		m.peaks.add(s)
	}
	if pss || time.Now().After(m.next) {
		began := time.Now()
		if bytes, err := m.t.PSS(); err != nil {
			m.blind = true
		} else {
			m.peaks.PSSBytes = max(m.peaks.PSSBytes, bytes)
		}
		took := time.Since(began)
		m.next = began.Add(took + max(pssLeast, pssPause*took))
	}
}

// Stop looks a last time and returns the peaks. It may be called again.
func (m *Monitor) Stop() Peaks {
	m.once.Do(func() { close(m.stop) })
	<-m.done
	if m.blind {
		m.peaks.PSSBytes = 0
	}
	return m.peaks
}
