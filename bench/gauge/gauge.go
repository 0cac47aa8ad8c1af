// Package gauge reads how full a server is while it serves: the slots that it
// says are busy, and the connections that wait in the kernel for it to accept
// them, which the kernel tells of any server.
//
// It imports nothing of dyno's: what a server says is read from a socket.
package gauge

import (
	"sync"
	"time"
)

// Sample is a server at one moment. What is not known is −1.
type Sample struct {
	Time    time.Time
	Slots   int64 // that requests, or connections, can be in; 0 for any number
	Busy    int64 // of them
	Queue   int64 // connections accepted, and waiting for a slot
	Backlog int64 // connections that wait in the kernel to be accepted
}

// Gauge samples one server.
type Gauge struct {
	stats   *stats
	backlog *backlog
	samples []Sample
	stop    chan struct{}
	done    sync.WaitGroup
}

// Start samples the server that listens at the TCP address listen, every
// period. If stats is not "" it is where the server tells of its slots: see
// docs/results.md. What cannot be read is unknown, and no error.
func Start(listen, stats string, period time.Duration) *Gauge {
	g := &Gauge{stats: newStats(stats), backlog: newBacklog(listen), stop: make(chan struct{})}
	g.done.Go(func() {
		t := time.NewTicker(period)
		defer t.Stop()
		for {
			g.samples = append(g.samples, g.read())
			select {
			case <-g.stop:
				return
			case <-t.C:
			}
		}
	})
	return g
}

func (g *Gauge) read() Sample {
	s := g.stats.read()
	s.Time, s.Backlog = time.Now(), g.backlog.read()
	return s
}

// Stop ends the sampling and returns the samples.
func (g *Gauge) Stop() []Sample {
	close(g.stop)
	g.done.Wait()
	g.stats.close()
	g.backlog.close()
	return g.samples
}
