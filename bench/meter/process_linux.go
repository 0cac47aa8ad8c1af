package meter

import (
	"bytes"
	"fmt"
	"time"
)

// ReadProcess takes a full reading of one process, without what it has started
// and without looking for others.
func ReadProcess(pid int) (Sample, error) {
	var r reader
	cpu, ok := cpuClock(pid)
	if !ok {
		return Sample{}, fmt.Errorf("process %d: %w", pid, ErrGone)
	}
	s := Sample{Time: monotonic(), CPU: time.Duration(cpu), Processes: 1, PIDs: []int{pid}, threads: map[int]threadTime{}}
	dir := fmt.Sprintf("/proc/%d/task", pid)
	tids, err := r.list(dir)
	if err != nil {
		return s, err
	}
	for _, tid := range tids {
		if seen, ok := r.thread(dir, tid); ok {
			s.threads[tid] = seen.threadTime
			s.Voluntary += seen.voluntary
			s.Involuntary += seen.involuntary
		}
	}
	s.Threads = len(s.threads)
	return s, nil
}

// Belongs tells whether a process was in the tree when it was read last.
func (t *Tree) Belongs(pid int) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.procs[pid] != nil
}

// ReadCensus counts the CPU time of every process that /proc shows.
func ReadCensus() (Census, error) {
	var r reader
	pids, err := r.list("/proc")
	if err != nil {
		return Census{}, err
	}
	c := Census{Time: monotonic(), processes: make(map[int]counted, len(pids))}
	for _, pid := range append([]int(nil), pids...) {
		b, ok := r.procFile(pid, "/stat")
		if !ok {
			continue
		}
		s, ok := parseStat(pid, b)
		if !ok {
			continue
		}
		from, to := bytes.IndexByte(b, '('), bytes.LastIndexByte(b, ')')
		c.processes[pid] = counted{start: s.start, name: string(b[from+1 : to]), cpu: time.Duration((s.user + s.system) * tick)}
	}
	return c, nil
}
