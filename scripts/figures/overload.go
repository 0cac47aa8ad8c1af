package main

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/dynobench/dyno/results"
)

// Requests wait for something else while they have their slot, so that the
// slots are the capacity, whatever the host does meanwhile; and they come on a
// connection each, as those of many users do. Users have patience for a second;
// an answer is good that comes in a quarter of it.
const (
	overloadRounds    = 3
	overloadObjective = 250 * time.Millisecond
	overloadPatience  = time.Second
	overloadTarget    = 20 * time.Millisecond
	overloadFactor    = 1.5
	overloadFull      = 2 * time.Second // of the closed loop that finds the capacity, before and after
	overloadWindow    = 4 * time.Second
	overloadCalm      = 11 * time.Second // for memory: dyno serve looks for what is spare every two seconds
	overloadSettled   = 2 * time.Second  // for latency
	overloadIdle      = 3 * time.Second  // of light load, to see the latency of an idle server
)

var overloadLight = []string{"-r", "20", "-c", "1"}

// overloadFigures are what engines make of half as much again as they can do at most,
// with and without a limit on the time that requests wait, and how they are
// when it is over.
func overloadFigures(ctx context.Context, dyno string, f *figures) error {
	for _, e := range []struct {
		engine string
		slots  int
		path   string
	}{
		{"sync", 1, "/wait?ms=2"},
		{"threads,threads=8", 8, "/wait?ms=10"},
		{"pool,size=8", 8, "/wait?ms=10"},
		{"goroutine,slots=8", 8, "/wait?ms=10"},
		{"eventloop,loops=1", 1, "/wait?ms=2"},
		{"eventloop-pool,workers=8", 8, "/wait?ms=10"},
		{"coroutine,loops=1,slots=8", 8, "/wait?ms=10"},
	} {
		fmt.Printf("%s: %.0f %% of its capacity of %s, answers within %v, %d rounds of %v\n",
			e.engine, 100*overloadFactor, e.path, overloadObjective, overloadRounds, overloadWindow)
		var with, without, capacity, starved, latency, memory []float64
		for i := range overloadRounds {
			plain := overload{spec: e.engine, slots: e.slots, path: e.path}
			shed := plain
			shed.spec, shed.sheds = shed.spec+",queue-target="+overloadTarget.String(), true
			shed.calms = i == 0 // that takes longer than all else, and varies little
			order := []*overload{&plain, &shed}
			if i%2 == 1 {
				order[0], order[1] = order[1], order[0]
			}
			for _, o := range order {
				if err := o.run(ctx, dyno); err != nil {
					return fmt.Errorf("%s: %w", o.spec, err)
				}
			}
			without = append(without, plain.good/plain.capacity)
			with = append(with, shed.good/shed.capacity)
			capacity = append(capacity, shed.capacity)
			starved = append(starved, shed.starved)
			if shed.calms {
				latency = append(latency, shed.after.p50/shed.before.p50)
				memory = append(memory, shed.after.memory/shed.before.memory)
			}
		}
		note("capacity, requests/s", capacity)
		note("the server's wait for its CPU / window", starved)
		note("goodput / capacity, all wait", without)
		f.say("goodput / capacity, queue-target="+overloadTarget.String(), with, false, 0.8)
		f.say(fmt.Sprintf("median latency %v after / before", overloadSettled), latency, true, 1.25)
		f.say(fmt.Sprintf("memory %v after / before", overloadSettled+overloadIdle+overloadCalm), memory, true, 1.25)
	}
	return nil
}

// overload is one server at its capacity, beyond it, and, if it calms, before
// and after.
type overload struct {
	spec, path    string
	slots         int
	sheds         bool // else it still works for users who are gone when the load is
	calms         bool
	capacity      float64 // requests/s
	good          float64 // answers/s that are right and in time
	starved       float64 // what others on the host took from it in the overload
	before, after calm
}

// calm is how a server is that has next to nothing to do.
type calm struct{ p50, memory float64 } // µs, bytes

func (o *overload) run(ctx context.Context, dyno string) error {
	s, err := openServe(ctx, dyno, "--engine", o.spec)
	if err != nil {
		return err
	}
	defer s.close(ctx)
	s.url = strings.TrimSuffix(s.url, "/hello") + o.path
	first, err := s.capacity(ctx, o.slots)
	if err != nil {
		return err
	}
	if o.calms {
		if o.before, err = s.calm(ctx); err != nil {
			return err
		}
	}
	rate := strconv.Itoa(int(math.Round(overloadFactor * first)))
	queued := runDelay(s.server.PID())
	l, err := s.users(ctx, overloadWindow, "-r", rate, "--arrivals", "poisson", "-c", "2000")
	if err != nil {
		return err
	}
	o.starved = (runDelay(s.server.PID()) - queued).Seconds() / overloadWindow.Seconds()
	if o.good, err = inTime(l); err != nil {
		return err
	}
	if o.capacity = first; !o.sheds {
		return nil
	}
	if _, err = s.users(ctx, overloadSettled, overloadLight...); err != nil {
		return err
	}
	if o.calms {
		if o.after, err = s.calm(ctx); err != nil {
			return err
		}
	}
	last, err := s.capacity(ctx, o.slots)
	o.capacity = (first + last) / 2
	return err
}

// users come with a connection for each request, and with little patience.
func (s *site) users(ctx context.Context, d time.Duration, args ...string) (*results.Load, error) {
	b, err := s.drive(ctx, d, append([]string{"--fresh", "--timeout", overloadPatience.String()}, args...)...)
	if err != nil {
		return nil, err
	}
	return b.read()
}

// capacity is how many requests/s are answered where the next user is always
// there when a slot is free.
func (s *site) capacity(ctx context.Context, slots int) (rps float64, err error) {
	l, err := s.users(ctx, overloadFull, "-c", strconv.Itoa(2*slots))
	if err == nil && l.ThroughputRPS == 0 {
		err = fmt.Errorf("nothing was answered: %+v", l.Errors)
	}
	if err != nil {
		return 0, err
	}
	return l.ThroughputRPS, nil
}

func (s *site) calm(ctx context.Context) (c calm, err error) {
	l, err := s.users(ctx, overloadIdle, overloadLight...)
	if err != nil {
		return c, err
	}
	if _, err := s.users(ctx, overloadCalm, overloadLight...); err != nil {
		return c, err
	}
	sample, err := s.tree.Sample()
	return calm{l.LatencyUS.P50, float64(sample.RSSBytes)}, err
}

// inTime is how many right answers per second came within the objective, at
// least: a 503 that came later is counted as if it had been in time.
func inTime(l *results.Load) (float64, error) {
	h, err := results.DecodeHistogram(l.Histogram)
	if err != nil {
		return 0, err
	}
	n := int64(0)
	for _, b := range h.Distribution() {
		if b.To <= int64(overloadObjective) {
			n += b.Count
		}
	}
	return float64(max(n-l.Errors.Status, 0)) / l.DurationS, nil
}
