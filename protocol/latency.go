package protocol

import (
	"sync/atomic"
	"time"
)

// LatencyBounds are the upper ends, included, of the buckets of Latency:
// Prometheus' default ones, and five below them, since most answers of a server
// on the same host take less than 5 ms.
var LatencyBounds = [...]time.Duration{
	100 * time.Microsecond, 250 * time.Microsecond, 500 * time.Microsecond, time.Millisecond, 2500 * time.Microsecond,
	5 * time.Millisecond, 10 * time.Millisecond, 25 * time.Millisecond, 50 * time.Millisecond, 100 * time.Millisecond,
	250 * time.Millisecond, 500 * time.Millisecond, time.Second, 2500 * time.Millisecond, 5 * time.Second, 10 * time.Second,
}

// Latency counts how long requests took, from when the last byte of one had
// come to when the app had given the last of its answer: what came before of it
// had been handed to the kernel by then. A pipelined request begins when the
// answer before it is complete. It is safe for concurrent use.
type Latency struct {
	buckets [len(LatencyBounds) + 1]atomic.Int64
	sum     atomic.Int64 // ns
}

// LatencyCounts is a Latency at one moment.
type LatencyCounts struct {
	Buckets [len(LatencyBounds) + 1]int64 `json:"buckets"` // not cumulative; the last is beyond all bounds
	SumNS   int64                         `json:"sum_ns"`
}

func (l *Latency) add(d time.Duration) {
	i := 0
	for i < len(LatencyBounds) && d > LatencyBounds[i] {
		i++
	}
	l.buckets[i].Add(1)
	l.sum.Add(int64(d))
}

// Load returns the counts, each as it is when it is read.
func (l *Latency) Load() (c LatencyCounts) {
	for i := range l.buckets {
		c.Buckets[i] = l.buckets[i].Load()
	}
	c.SumNS = l.sum.Load()
	return c
}

// Add adds o to c.
func (c *LatencyCounts) Add(o LatencyCounts) {
	for i := range c.Buckets {
		c.Buckets[i] += o.Buckets[i]
	}
	c.SumNS += o.SumNS
}
