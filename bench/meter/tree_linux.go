package meter

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/dynobench/dyno/internal/cgroup"
)

// Tree is a process and all that belongs to it: whatever is in the process
// group or the session that bears its number, and the descendants of any of
// these, also when they have left the group. A daemon that left the group and
// lost its parent between two readings is not found.
//
// # CPU time of what has ended
//
// The sum over living threads would run backwards whenever one ends. So the
// time is read per process from its CPU clock (clock_gettime with the clock of
// another process, see clock_getcpuclockid(3)). It counts nanoseconds, covers
// the living and the ended threads of the process, and is one system call, where
// /proc/<pid>/task/*/schedstat forgets ended threads and costs three calls a
// thread.
//
// When a process ends, its parent's cutime and cstime take over its time and that
// of its own children, but only once it is waited for, and in ticks. Short-lived
// children that no reading ever saw are found there. On the other side, what
// was last seen of an ended child is certain, in nanoseconds, and known also
// where nobody waits for it. Both are lower bounds of the same sum, so a
// process's ended children count with the larger of the two; both only grow, and so
// does the result.
//
// Within a reading all stat files come before all clocks: a child that is
// waited for in between is then missing from both rather than counted in
// both. That can only make the sum too low for this once, and as every sum is
// a lower bound, the highest so far is the best one.
//
// A Tree may be used by several goroutines.
type Tree struct {
	leader int

	mu      sync.Mutex
	procs   map[int]*process // the living and the zombies
	foreign map[int]int      // processes that do not belong, and the scan which last saw them
	scan    int
	gone    usage        // of ended processes whose parent is not in the tree
	highest usage        // sum that was returned
	settled map[int]bool // members when the load was about to begin
	ended   int          // processes that have been seen and have ended
	group   *cgroup.Group
	lost    seen // of all ended processes
	r       reader
}

// usage is CPU time in nanoseconds.
type usage struct{ cpu, user, system int64 }

func (u *usage) add(v usage) {
	u.cpu, u.user, u.system = u.cpu+v.cpu, u.user+v.user, u.system+v.system
}

func larger(u, v usage) usage {
	return usage{max(u.cpu, v.cpu), max(u.user, v.user), max(u.system, v.system)}
}

// A seen is what a thread has been through: its switches, and its time.
type seen struct {
	voluntary, involuntary int64
	threadTime
}

func (s *seen) add(v seen) {
	s.voluntary, s.involuntary = s.voluntary+v.voluntary, s.involuntary+v.involuntary
	s.run, s.delay = s.run+v.run, s.delay+v.delay
}

type process struct {
	stat    stat
	cpu     int64 // its clock, in nanoseconds
	ended   usage // what was last seen of its ended children
	threads map[int]seen
	lost    seen // of its ended threads, what was seen last
}

// total is what the process and its ended children used.
func (p *process) total() usage {
	s := p.stat
	u := larger(usage{(s.childUser + s.childSystem) * tick, s.childUser * tick, s.childSystem * tick}, p.ended)
	u.add(usage{p.cpu, s.user * tick, s.system * tick})
	return u
}

// tick is the unit of times in /proc/<pid>/stat, USER_HZ, in nanoseconds. It
// is part of the kernel's interface and the same on all of Go's
// architectures, whatever the kernel's own HZ.
const tick = int64(time.Second / 100)

// NewTree is the tree of a leader. It reads nothing yet.
func NewTree(leader int) *Tree {
	return &Tree{leader: leader, procs: map[int]*process{}, foreign: map[int]int{}}
}

// CountedBy tells the tree which control group its processes are in, all of
// them; nil for none. What that has counted and no reading has seen is the CPU
// time of processes that came, went and were not waited for.
func (t *Tree) CountedBy(g *cgroup.Group) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.group = g
}

// Settle says that the processes which are there now are the tree's workers: one
// that ends in a window is missed, where a child that had just come is not.
func (t *Tree) Settle() (Sample, error) {
	s, err := t.Glance()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.settled = map[int]bool{}
	for _, pid := range s.PIDs {
		t.settled[pid] = true
	}
	return s, err
}

// Sample takes a full reading. It returns ErrGone, and what is still known
// (the CPU time and the switches), when no process is left.
func (t *Tree) Sample() (Sample, error) { return t.read(true) }

// Glance takes a reading without what is told by thread, the context switches
// and the waiting, which cost two files for each. They are left 0: Sub of two
// glances is right in all the rest.
func (t *Tree) Glance() (Sample, error) { return t.read(false) }

func (t *Tree) read(full bool) (Sample, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.update(); err != nil {
		return Sample{}, err
	}
	s := Sample{Time: monotonic()}
	var dead []*process
	for pid, p := range t.procs {
		cpu, ok := cpuClock(pid)
		if !ok {
			dead = append(dead, p)
			continue
		}
		p.cpu = max(p.cpu, cpu)
	}
	t.bury(dead)

	if t.group != nil {
		s.group, s.counted = t.group.Usage()
	}
	s.ended, s.ages = t.ended, make(map[int]time.Duration, len(t.procs))
	up := sinceBoot()
	total, sum := t.gone, t.lost
	if full {
		s.threads = map[int]threadTime{}
	}
	for pid, p := range t.procs {
		total.add(p.total())
		s.reaped += time.Duration((p.stat.childUser + p.stat.childSystem) * tick)
		if full {
			t.readThreads(p)
			sum.add(p.sum())
			for id, seen := range p.threads {
				s.threads[id] = seen.threadTime
			}
		}
		if !p.stat.alive() {
			continue
		}
		s.PIDs = append(s.PIDs, pid)
		s.ages[pid] = up - time.Duration(p.stat.start)*time.Duration(tick)
		if t.settled[pid] {
			s.ages[pid] = settledAge
		}
		s.Processes++
		s.Threads += p.stat.threads
		s.RSSBytes += p.stat.rssPages * pageSize
	}
	slices.Sort(s.PIDs)
	total = larger(total, t.highest)
	t.highest = total
	s.CPU, s.User, s.System = time.Duration(total.cpu), time.Duration(total.user), time.Duration(total.system)
	if full {
		s.Voluntary, s.Involuntary = sum.voluntary, sum.involuntary
	}
	if s.Processes == 0 {
		return s, fmt.Errorf("process tree %d: %w", t.leader, ErrGone)
	}
	return s, nil
}

// update finds who belongs and reads their stat files.
//
// Every process of the host is listed, but only those not seen before are
// looked into: a stranger cannot become a member, for membership is by birth
// or, within the session, by a member's own doing.
func (t *Tree) update() error {
	pids, err := t.r.list("/proc")
	if err != nil {
		return err
	}
	t.scan++
	var fresh []stat
	for _, pid := range pids {
		if t.procs[pid] != nil {
			continue
		}
		if _, ok := t.foreign[pid]; ok {
			t.foreign[pid] = t.scan
		} else if s, ok := t.r.stat(pid); ok {
			fresh = append(fresh, s)
		}
	}
	if len(t.foreign) > len(pids) { // holds numbers that are no more
		for pid, seen := range t.foreign {
			if seen < t.scan {
				delete(t.foreign, pid)
			}
		}
	}

	var dead []*process
	for pid, p := range t.procs {
		s, ok := t.r.stat(pid)
		switch {
		case !ok:
			dead = append(dead, p)
		case s.start != p.stat.start: // ended, and the number is another's now
			dead = append(dead, p)
			fresh = append(fresh, s)
		default:
			p.stat = s
		}
	}
	t.bury(dead)

	// A child may stand before its parent in the list.
	for joined := true; joined; {
		joined = false
		fresh = slices.DeleteFunc(fresh, func(s stat) bool {
			if s.pid != t.leader && s.group != t.leader && s.session != t.leader && t.procs[s.parent] == nil {
				return false
			}
			t.procs[s.pid] = &process{stat: s}
			joined = true
			return true
		})
	}
	for _, s := range fresh {
		t.foreign[s.pid] = t.scan
	}
	return nil
}

// bury removes ended processes. What was last seen of each is credited to
// the nearest ancestor that still is in the tree, for that is where the kernel adds
// it too if everybody waits for his children.
func (t *Tree) bury(dead []*process) {
	if len(dead) == 0 {
		return
	}
	parents := make(map[int]int, len(dead))
	for _, p := range dead {
		t.ended++
		delete(t.procs, p.stat.pid)
		parents[p.stat.pid] = p.stat.parent
	}
	for _, p := range dead {
		t.lost.add(p.sum())
		heir, hops := p.stat.parent, 0
		for parents[heir] != 0 && hops < len(dead) { // hops: numbers may have been used twice
			heir, hops = parents[heir], hops+1
		}
		if h := t.procs[heir]; h != nil {
			h.ended.add(p.total())
		} else {
			t.gone.add(p.total())
		}
	}
}

func (p *process) sum() seen {
	sum := p.lost
	for _, s := range p.threads {
		sum.add(s)
	}
	return sum
}

// readThreads updates p.threads. Threads that have ended keep what was seen
// of them; a number used for a second thread shows by a count that shrank.
func (t *Tree) readThreads(p *process) {
	if !p.stat.alive() {
		return
	}
	dir := fmt.Sprintf("/proc/%d/task", p.stat.pid)
	tids, err := t.r.list(dir)
	if err != nil {
		return
	}
	now := make(map[int]seen, len(tids))
	for _, tid := range tids {
		s, ok := t.r.thread(dir, tid)
		if !ok {
			continue
		}
		if before := p.threads[tid]; s.voluntary < before.voluntary || s.involuntary < before.involuntary {
			p.lost.add(before)
		}
		now[tid] = s
	}
	for tid, s := range p.threads {
		if _, ok := now[tid]; !ok {
			p.lost.add(s)
		}
	}
	p.threads = now
}

// PSS is the memory of the tree with shared pages divided among those who
// share them. The kernel walks all page tables for it and may hold up the
// processes meanwhile. Other readings of the tree are not held up.
func (t *Tree) PSS() (bytes int64, err error) {
	t.mu.Lock()
	err = t.update()
	var pids []int
	for pid, p := range t.procs {
		if p.stat.alive() {
			pids = append(pids, pid)
		}
	}
	t.mu.Unlock()
	if err != nil {
		return 0, err
	}
	var r reader
	for _, pid := range pids {
		if b, ok := r.procFile(pid, "/smaps_rollup"); ok {
			if kib, ok := parsePSS(b); ok {
				bytes += kib << 10
				continue
			}
		}
		if !r.ended(pid) {
			return 0, fmt.Errorf("memory of process %d: its smaps_rollup cannot be read", pid)
		}
	}
	return bytes, nil
}

// monotonic is CLOCK_MONOTONIC, the clock on which the generator announces
// its window.
func monotonic() time.Duration {
	var ts unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts) // cannot fail
	return time.Duration(ts.Nano())
}

// sinceBoot is the clock that processes' ages are told by.
func sinceBoot() time.Duration {
	var ts unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts) // cannot fail
	return time.Duration(ts.Nano())
}

// cpuClock reads the CPU time of a process, all of its threads, in
// nanoseconds. The clock's number is the process's, inverted and shifted by
// three, with 2 (CPUCLOCK_SCHED) for the scheduler's own count.
func cpuClock(pid int) (ns int64, ok bool) {
	const sched = 2
	var ts unix.Timespec
	if unix.ClockGettime(int32(^pid)<<3|sched, &ts) != nil {
		return 0, false
	}
	return ts.Nano(), true
}
