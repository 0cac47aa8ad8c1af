package measure

import (
	"os"
	"time"

	"github.com/dynobench/dyno/bench/meter"
)

// Side is the server or the generator of a measurement, with what was seen of
// it and of its CPUs in the window.
type Side struct {
	Name      string          // server or generator
	Used      meter.Usage     // by itself
	Ours      time.Duration   // CPU time of all of ours that may run on its CPUs, itself included
	On        meter.HostUsage // its CPUs
	Throttled meter.Throttled // by the quota of a control group

	// Known, where not nil, is how many CPUs foreigners that were seen have used
	// anywhere on the host: no more than that is held against any.
	Known *float64
}

// Foreign is the CPU time that processes which are not ours had on its CPUs.
func (s Side) Foreign() time.Duration {
	if s.Used.Wall <= 0 {
		return 0
	}
	// The readings of processes and CPUs are some time apart, which is not the
	// same at both edges.
	scale := float64(s.On.Wall) / float64(s.Used.Wall)
	foreign := max(0, s.On.Threads-time.Duration(scale*float64(s.Ours)))
	if s.Known != nil {
		foreign = min(foreign, time.Duration(*s.Known*float64(s.On.Wall)))
	}
	return foreign
}

// Waited is how long a thread of it waited for a CPU that foreigners had. A
// server with more threads than CPUs keeps its own waiting; but while a thread
// waits for another one of ours, that one runs, or an interrupt does, or the
// hypervisor. What it waited longer than these ran all together was somebody
// else's doing. This is a lower bound: of many threads it tells little, of the
// one thread of an event loop everything.
func (s Side) Waited() time.Duration {
	return max(0, s.Used.Runnable-s.Ours-s.On.Away)
}

// usedHere is what this process used between two readings of it.
func usedHere(start, end meter.Sample) time.Duration { return max(0, end.CPU-start.CPU) }

// readHere reads this process; what cannot be read is nothing.
func readHere() meter.Sample {
	s, _ := meter.ReadProcess(os.Getpid()) //nolint:errcheck // it lives
	return s
}
