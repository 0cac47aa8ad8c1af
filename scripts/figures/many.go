package main

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"time"

	"github.com/dynobench/dyno/bench/target"
)

// Many connections beside few, at the same rate.
const (
	manyRounds = 5
	few        = 64
	many       = 10_000
	manyRate   = "20000"
	manyWindow = 4 * time.Second
	manyWarmup = time.Second
)

// manyFigures are what a connection costs the generator.
func manyFigures(ctx context.Context, dyno string, f *figures) error {
	fmt.Printf("%d connections beside %d, %s/s against null, %d rounds of %v\n", many, few, manyRate, manyRounds, manyWindow)
	var memory, cpu, lag []float64
	each := map[int][]float64{}
	for i := range manyRounds {
		s, err := open(ctx, dyno)
		if err != nil {
			return err
		}
		order := []int{few, many}
		if i%2 == 1 {
			order = []int{many, few}
		}
		peak, cost := map[int]float64{}, map[int]float64{}
		for _, n := range order {
			var c crowd
			if c, err = s.crowd(ctx, n); err != nil {
				break
			}
			peak[n], cost[n] = c.peak, c.cpu
			each[n] = append(each[n], c.cpu)
			if n == many {
				lag = append(lag, c.lag)
			}
		}
		s.close(ctx)
		if err != nil {
			return err
		}
		memory = append(memory, (peak[many]-peak[few])/(many-few))
		cpu = append(cpu, cost[many]/cost[few])
	}
	for _, n := range []int{few, many} {
		note(fmt.Sprintf("%d connections: CPU per request, µs", n), each[n])
	}
	note(fmt.Sprintf("%d connections: send lag p99, µs", many), lag)
	f.say("memory per connection, bytes", memory, true, 2048)
	f.say(fmt.Sprintf("CPU per request: %d / %d connections", many, few), cpu, true, 1.5)
	return nil
}

// crowd is what one run of so many connections took.
type crowd struct {
	peak float64 // bytes of memory of the process, at most
	cpu  float64 // µs per request within the window: making the connections is no part of it
	lag  float64 // µs, p99
}

func (s *site) crowd(ctx context.Context, n int) (c crowd, err error) {
	over, peak := make(chan struct{}), make(chan float64, 1)
	b, err := s.watched(ctx, manyWindow+manyWarmup, "", func(p *target.Process) {
		go func() { peak <- highWater(p.PID(), p.Done(), over) }()
	}, s.dyno, "load", s.url, "--json", "--rate", manyRate, "-c", strconv.Itoa(n), "-d", manyWindow.String(), "--warmup", manyWarmup.String())
	close(over)
	if err != nil {
		return c, err
	}
	c.peak = <-peak
	l, err := b.document()
	if err != nil {
		return c, err
	}
	c.cpu, c.lag = l.GeneratorCPUUSPerRequest, l.SendLagUS.P99
	return c, nil
}

var vmHWM = regexp.MustCompile(`(?m)^VmHWM:\s+(\d+) kB`)

// highWater is the most memory in bytes that a process had at a time, as read
// until it ends. The kernel's figure for a process that has ended will not do:
// it counts from the fork on, when the memory was its parent's.
func highWater(pid int, done, over <-chan struct{}) (bytes float64) {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-done:
			return bytes
		case <-over:
			return bytes
		}
		bytes = max(bytes, peakMemory(pid)) // none any more: the last one counts
	}
}

// peakMemory is the most memory in bytes that a process has had, 0 if there is
// none.
func peakMemory(pid int) float64 {
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	m := vmHWM.FindSubmatch(status)
	if m == nil {
		return 0
	}
	kib, _ := strconv.ParseFloat(string(m[1]), 64)
	return 1024 * kib
}
