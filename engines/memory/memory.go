// Package memory gives back what a load has left behind in the heap.
package memory

import (
	"context"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// A server that has been through a crowd, as of connections that send their
// header slowly, would keep the crowd's memory for minutes: what pools hold goes
// with the second collection, of which a server that allocates little has one
// in two minutes, and the runtime returns what is free with a hundredth of its
// time. So dyno serve looks once in a while. Under a steady load it finds
// nothing: a heap grows up to its goal and no further.
const (
	spareEvery = 2 * time.Second
	spareLeast = 8 << 20 // bytes that are not worth a collection, and the page faults later

	// Looks without a collection, after which there is one to tell what the
	// heap needs. One in vain makes them half as many more, up to what the
	// runtime does anyway.
	spareQuiet = 3
	spareMost  = 60
)

// footing is the heap at one moment.
type footing struct {
	held   uint64 // bytes that count as the process's
	goal   uint64 // bytes up to which it may grow before the next collection
	cycles uint64 // collections so far
}

// beyond tells whether much more is held than the heap is to have. The runtime
// itself leaves a tenth.
func (f footing) beyond(size uint64) bool { return f.held > size+size/4+spareLeast }

// spare decides what is to be done about memory that a load has left behind.
type spare struct {
	cycles   uint64 // at the last look
	quiet    int    // looks since the last collection
	patience int    // as many before one is forced
}

// KeepSmall looks after the process's memory until stop is called.
func KeepSmall() (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		s := spare{patience: spareQuiet}
		tick := time.NewTicker(spareEvery)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				s.look(stand, runtime.GC, debug.FreeOSMemory)
			case <-ctx.Done():
				return
			}
		}
	}()
	return func() { cancel(); <-done }
}

// look collects if nobody has for long, and gives back what is then far beyond
// the goal.
func (s *spare) look(stand func() footing, collect, giveBack func()) {
	f := stand()
	if s.quiet++; f.cycles != s.cycles {
		s.quiet = 0
	}
	forced := s.quiet >= s.patience && f.beyond(0)
	if forced {
		collect()
		collect() // what pools hold outlives the first
		f = stand()
	}
	switch {
	case f.beyond(f.goal):
		giveBack()
		s.quiet, s.patience = 0, spareQuiet
	case forced:
		s.quiet, s.patience = 0, min(s.patience+s.patience/2, spareMost)
	}
	s.cycles = stand().cycles
}

func stand() footing {
	m := []metrics.Sample{
		{Name: "/memory/classes/heap/objects:bytes"},
		{Name: "/memory/classes/heap/unused:bytes"},
		{Name: "/memory/classes/heap/free:bytes"},
		{Name: "/gc/heap/goal:bytes"},
		{Name: "/gc/cycles/total:gc-cycles"},
	}
	metrics.Read(m)
	return footing{
		held:   m[0].Value.Uint64() + m[1].Value.Uint64() + m[2].Value.Uint64(),
		goal:   m[3].Value.Uint64(),
		cycles: m[4].Value.Uint64(),
	}
}
