package protocol

import (
	"testing"
	"time"
)

func TestLatency(t *testing.T) {
	var l Latency
	for d, bucket := range map[time.Duration]int{
		0: 0, 100 * time.Microsecond: 0, 100*time.Microsecond + 1: 1, 5 * time.Millisecond: 5, 10 * time.Second: len(LatencyBounds) - 1, time.Hour: len(LatencyBounds),
	} {
		before := l.Load()
		l.add(d)
		after := l.Load()
		if got := after.Buckets[bucket] - before.Buckets[bucket]; got != 1 || after.SumNS-before.SumNS != int64(d) {
			t.Errorf("%v: %d in bucket %d, %d ns more", d, got, bucket, after.SumNS-before.SumNS)
		}
	}
	sum := l.Load()
	sum.Add(sum)
	for i, n := range l.Load().Buckets {
		if sum.Buckets[i] != 2*n {
			t.Errorf("bucket %d: %d and %d are %d", i, n, n, sum.Buckets[i])
		}
	}
	for i := range LatencyBounds[1:] {
		if LatencyBounds[i] >= LatencyBounds[i+1] {
			t.Errorf("bound %d is not below the next", i)
		}
	}
}
