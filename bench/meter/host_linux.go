package meter

import (
	"fmt"
	"math"
	"time"

	"github.com/prometheus/procfs"
)

// ReadHost takes a reading of the host.
func ReadHost() (HostSample, error) { return readHost(procfs.DefaultMountPoint) }

func readHost(proc string) (HostSample, error) {
	fs, err := procfs.NewFS(proc)
	if err != nil {
		return HostSample{}, fmt.Errorf("read the host's CPU time: %w", err)
	}
	stat, err := fs.Stat()
	if err != nil {
		return HostSample{}, fmt.Errorf("read the host's CPU time: %w", err)
	}
	h := HostSample{Time: monotonic(), CPUs: make(map[int]CPUTime, len(stat.CPU)), Runnable: int(stat.ProcessesRunning), Forks: int(stat.ProcessCreated), IRQApart: irqApart()}
	for cpu, t := range stat.CPU {
		// Guest time is part of user time already.
		total := t.User + t.Nice + t.System + t.Idle + t.Iowait + t.IRQ + t.SoftIRQ + t.Steal
		h.CPUs[int(cpu)] = CPUTime{Steal: seconds(t.Steal), Idle: seconds(t.Idle + t.Iowait), IRQ: seconds(t.IRQ + t.SoftIRQ), Total: seconds(total)}
	}
	// No such file: a kernel without PSI, or with psi=0. Another error
	// (EOPNOTSUPP) means the same.
	if psi, err := fs.PSIStatsForResource("cpu"); err == nil && psi.Some != nil {
		h.CPUSome, h.HasPSI = time.Duration(psi.Some.Total)*time.Microsecond, true
		if memory, err := fs.PSIStatsForResource("memory"); err == nil && memory.Some != nil {
			h.MemorySome = time.Duration(memory.Some.Total) * time.Microsecond
		}
	}
	return h, nil
}

// seconds undoes procfs's division by ticks exactly.
func seconds(s float64) time.Duration {
	return time.Duration(math.Round(s*float64(time.Second)/float64(tick)) * float64(tick))
}
