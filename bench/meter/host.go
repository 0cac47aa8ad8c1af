package meter

import "time"

// HostSample is a reading of what the host's CPUs did since boot.
type HostSample struct {
	Time time.Duration // CLOCK_MONOTONIC
	CPUs map[int]CPUTime
	// CPUSome is how long at least one task of the host was waiting for a CPU;
	// HasPSI is false where the kernel does not count it.
	CPUSome time.Duration
	HasPSI  bool
	// MemorySome is how long at least one task was waiting for memory: to be
	// read back, or for others' to be written out.
	MemorySome time.Duration
	Forks      int // processes and threads that were started since boot
	// IRQApart says that the time of interrupts is not also in the clocks of
	// the threads that they interrupt.
	IRQApart bool
	Runnable int // tasks that run or wait for a CPU at this moment, the reader included
}

// CPUTime is the time of one CPU, in ticks of 10 ms at best.
type CPUTime struct {
	Steal time.Duration // the hypervisor ran somebody else
	Idle  time.Duration // nobody had work for it
	IRQ   time.Duration // interrupts, and what they leave to be done at once
	Total time.Duration // all of it, idle included
}

// HostUsage is what happened to the host between two readings.
type HostUsage struct {
	StealPct         float64 // of the time of the CPUs in question
	BusyPct          float64 // likewise, by any process, those of dyno included
	PSICPUSomePct    float64 // of the time; of the whole host, whatever CPUs are asked about
	PSIMemorySomePct float64 // likewise
	HasPSI           bool

	Forks int           // processes and threads that were started, on any CPU
	CPUs  int           // that were counted
	Wall  time.Duration // between the readings
	// Threads is the CPU time that all threads together had, as their own
	// clocks count it. It is told from the CPUs' idle time, which the kernel
	// stamps, where their user and system time are samples of the tick.
	Threads time.Duration
	// Away is the time that interrupts and the hypervisor had.
	Away time.Duration
}

// Sub returns what happened from a to b on the given CPUs; none given means
// all. Pressure includes the waiting that the measured server causes itself.
func (b HostSample) Sub(a HostSample, cpus []int) HostUsage {
	var steal, idle, irq, total time.Duration
	n := 0
	count := func(cpu int) {
		before, ok1 := a.CPUs[cpu]
		after, ok2 := b.CPUs[cpu]
		if ok1 && ok2 { // it was not taken offline in between
			steal += after.Steal - before.Steal
			n++
			idle += after.Idle - before.Idle
			irq += after.IRQ - before.IRQ
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
	u := HostUsage{HasPSI: a.HasPSI && b.HasPSI, Forks: b.Forks - a.Forks, CPUs: n, Wall: max(0, b.Time-a.Time), Away: max(0, steal+irq)}
	threads := time.Duration(n)*u.Wall - idle - steal
	if b.IRQApart {
		threads -= irq
	}
	u.Threads = max(0, threads)
	if total > 0 { // the kernel's steal can go back by a tick
		u.StealPct = 100 * max(0, float64(steal)/float64(total))
		u.BusyPct = 100 * max(0, float64(total-idle-steal)/float64(total))
	}
	if wall := b.Time - a.Time; u.HasPSI && wall > 0 {
		// The kernel brings the total up to date in batches, which can carry
		// over from before.
		u.PSICPUSomePct = min(100, 100*float64(b.CPUSome-a.CPUSome)/float64(wall))
		u.PSIMemorySomePct = min(100, 100*float64(b.MemorySome-a.MemorySome)/float64(wall))
	}
	return u
}
