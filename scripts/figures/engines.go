package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/dynobench/dyno/internal/iouring"
	"github.com/dynobench/dyno/results"
	"github.com/dynobench/dyno/results/stats"
)

const (
	restarts = 5 // of all servers
	turns    = 9 // of each between two, the first of which warms it up
	turn     = 250 * time.Millisecond
)

// engineFigures are what a request costs on the engines, beside each other,
// the yardsticks and null.
//
// All servers are alive at once on one CPU and have short turns one after the
// other: neighbours in time see the same host. A turn is metered from before
// its first connection to after its last answer, while the others wait in the
// kernel, so that no edge of a window cuts requests off. The order of turns
// moves on by one each time.
func engineFigures(ctx context.Context, dyno string, f *figures) error {
	specs := []string{
		"null", "eventloop", "gnet", "prefork:eventloop,processes=1", "eventloop-pool", "coroutine", "goroutine", "fasthttp", "nethttp",
	}
	if iouring.Allowed() == nil {
		specs = append(specs, "null,io=io_uring", "eventloop,io=io_uring", "coroutine,io=io_uring")
	}
	fmt.Printf("hello, closed loop of 64 connections, %d restarts of all servers, %d turns of %v each\n", restarts, turns-1, turn)
	var seen [][]map[string]float64
	for range restarts {
		rounds, err := takeTurns(ctx, dyno, specs)
		if err != nil {
			return err
		}
		seen = append(seen, rounds)
	}
	// Processes are what differs by chance: of each restart one value counts.
	each := func(of func(rounds []map[string]float64) []float64) (medians []float64) {
		for _, rounds := range seen {
			medians = append(medians, stats.Median(of(rounds)))
		}
		return medians
	}
	for _, spec := range specs {
		note(spec+": CPU per request, µs", each(func(rounds []map[string]float64) []float64 { return values(rounds, spec, itself) }))
	}
	ratio := func(a, b string) []float64 {
		return each(func(rounds []map[string]float64) []float64 { return ratios(rounds, a, b, itself) })
	}
	f.say("eventloop / null", ratio("eventloop", "null"), true, 1.25)
	f.say("goroutine / fasthttp", ratio("goroutine", "fasthttp"), true, 1.0)
	f.say("coroutine / eventloop", ratio("coroutine", "eventloop"), true, 1.5)
	f.say("prefork:eventloop, one process / eventloop", ratio("prefork:eventloop,processes=1", "eventloop"), true, 1.05)
	f.say("eventloop / fasthttp", ratio("eventloop", "fasthttp"), true, 0.9)
	f.say("eventloop / nethttp", ratio("eventloop", "nethttp"), true, 0.5)
	f.say("goroutine / nethttp", ratio("goroutine", "nethttp"), true, 0.5)
	note("gnet / null", ratio("gnet", "null"))
	note("eventloop / gnet", ratio("eventloop", "gnet"))
	if slices.Contains(specs, "eventloop,io=io_uring") {
		note("eventloop,io=io_uring / eventloop", ratio("eventloop,io=io_uring", "eventloop"))
		note("coroutine,io=io_uring / coroutine", ratio("coroutine,io=io_uring", "coroutine"))
	}
	note("eventloop-pool / gnet", ratio("eventloop-pool", "gnet"))
	return nil
}

// takeTurns starts the servers and returns the CPU time per request in µs of
// each server's process tree, by round.
func takeTurns(ctx context.Context, dyno string, specs []string) (rounds []map[string]float64, err error) {
	sites := make(map[string]*site)
	for _, spec := range specs {
		s, err := openServe(ctx, dyno, "--engine", spec)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", spec, err)
		}
		defer s.close(ctx)
		sites[spec] = s
	}
	for i := range turns {
		round := map[string]float64{}
		for _, spec := range slices.Concat(specs[i%len(specs):], specs[:i%len(specs)]) {
			b, l, err := sites[spec].turn(ctx, turn)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", spec, err)
			}
			if l.Requests > 0 { // a busy host may leave nothing of a turn
				round[spec] = b.served.Seconds() * 1e6 / float64(l.Requests)
			}
		}
		if i > 0 {
			rounds = append(rounds, round)
		}
	}
	return rounds, nil
}

// turn has a closed loop of 64 connections ask for so long.
func (s *site) turn(ctx context.Context, length time.Duration, args ...string) (b bill, l *results.Load, err error) {
	if b, err = s.drive(ctx, length, append([]string{"-c", "64"}, args...)...); err != nil {
		return b, nil, err
	}
	l, err = b.read()
	if err == nil && l.Errors.Total() > 0 {
		err = fmt.Errorf("dyno load: errors %+v", l.Errors)
	}
	return b, l, err
}
