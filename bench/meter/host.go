package meter

import "time"

// HostSample is a reading of what the host's CPUs did since boot.
type HostSample struct {
	Time time.Duration // CLOCK_MONOTONIC
	CPUs map[int]CPUTime
	// CPUSome is how long at least one task of the host was waiting for a CPU;
	// HasPSI is false where the kernel does not count it.
	CPUSome  time.Duration
	HasPSI   bool
	Runnable int // tasks that run or wait for a CPU at this moment, the reader included
}

// CPUTime is the time of one CPU, in ticks of 10 ms at best.
type CPUTime struct {
	Steal time.Duration // the hypervisor ran somebody else
	Idle  time.Duration // nobody had work for it
	Total time.Duration // all of it, idle included
}

// HostUsage is what happened to the host between two readings.
type HostUsage struct {
	StealPct      float64 // of the time of the CPUs in question
	BusyPct       float64 // likewise, by any process, those of dyno included
	PSICPUSomePct float64 // of the time; of the whole host, whatever CPUs are asked about
	HasPSI        bool
}

// Sub returns what happened from a to b on the given CPUs; none given means
// all. Pressure includes the waiting that the measured server causes itself.
func (b HostSample) Sub(a HostSample, cpus []int) HostUsage {
	var steal, idle, total time.Duration
	count := func(cpu int) {
		before, ok1 := a.CPUs[cpu]
		after, ok2 := b.CPUs[cpu]
		if ok1 && ok2 { // it was not taken offline in between
			steal += after.Steal - before.Steal
			idle += after.Idle - before.Idle
			total += after.Total - before.Total
		}
	}
	for _, cpu := range cpus {
		count(cpu)
	}
	if len(cpus) == 0 {
		for cpu := range b.CPUs {
			count(cpu)
		}
	}
	u := HostUsage{HasPSI: a.HasPSI && b.HasPSI}
	if total > 0 { // the kernel's steal can go back by a tick
		u.StealPct = 100 * max(0, float64(steal)/float64(total))
		u.BusyPct = 100 * max(0, float64(total-idle-steal)/float64(total))
	}
	if wall := b.Time - a.Time; u.HasPSI && wall > 0 {
		// The kernel brings the total up to date in batches, which can carry
		// over from before.
		u.PSICPUSomePct = min(100, 100*float64(b.CPUSome-a.CPUSome)/float64(wall))
	}
	return u
}
