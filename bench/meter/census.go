package meter

import "time"

// A Census is the CPU time of every process at a moment, in ticks of 10 ms.
type Census struct {
	Time      time.Duration // CLOCK_MONOTONIC
	processes map[int]counted
}

type counted struct {
	start uint64
	name  string
	cpu   time.Duration
}

// A Neighbour is a process that used the CPUs beside what is measured.
type Neighbour struct {
	PID  int
	Name string  // as the process calls itself
	CPUs float64 // that it used, on average
}

// Others is how many CPUs the processes that lived at both censuses used
// together, but for the excepted ones.
func (b Census) Others(a Census, except func(pid int) bool) (cpus float64) {
	wall := b.Time - a.Time
	for pid, now := range b.processes {
		if before, ok := a.processes[pid]; ok && before.start == now.start && wall > 0 && !except(pid) {
			cpus += float64(now.cpu-before.cpu) / float64(wall)
		}
	}
	return cpus
}

// Busiest is the process that used most between two censuses, of those that are
// not excepted; one with PID 0 if none used anything, or nobody may see it.
func (b Census) Busiest(a Census, except func(pid int) bool) (n Neighbour) {
	wall := b.Time - a.Time
	if wall <= 0 {
		return n
	}
	for pid, now := range b.processes {
		before, ok := a.processes[pid]
		if !ok || before.start != now.start {
			before.cpu = 0 // it came in between
		}
		if used := float64(now.cpu-before.cpu) / float64(wall); used > n.CPUs && !except(pid) {
			n = Neighbour{pid, now.name, used}
		}
	}
	return n
}
