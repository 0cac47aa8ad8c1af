package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/dynobench/dyno/results"
)

const (
	waitRounds      = 5
	waitTime        = 10 * time.Millisecond
	waitConnections = 256
	waitWindow      = 2 * time.Second
	waitWarmup      = 500 * time.Millisecond
)

// waitEngines are those with any number of requests in flight that wait.
var waitEngines = []string{"goroutine", "coroutine"}

// waitFigures are what becomes of requests that wait: as many as there are
// connections at a time, and the few of ten thousand connections that are due.
func waitFigures(ctx context.Context, dyno string, f *figures) error {
	allowed := waitConnections / waitTime.Seconds()
	fmt.Printf("wait %v, closed loop of %d connections, %d rounds of %v; the ceiling is %d / %v = %.0f/s, or what null answers to as many if that is less\n",
		waitTime, waitConnections, waitRounds, waitWindow, waitConnections, waitTime, allowed)
	var rounds []map[string]float64
	for i := range waitRounds {
		round := map[string]float64{}
		specs := append([]string{"null"}, waitEngines...)
		for j := range specs {
			spec := specs[(i+j)%len(specs)]
			l, _, err := askToWait(ctx, dyno, spec, waitWindow, "-c", strconv.Itoa(waitConnections))
			if err != nil {
				return err
			}
			if l.Errors.Total() > 0 {
				return fmt.Errorf("%s: errors %+v", spec, l.Errors)
			}
			round[spec] = l.ThroughputRPS
		}
		round["ceiling"] = min(allowed, round["null"])
		rounds = append(rounds, round)
	}
	note("ceiling, requests/s", values(rounds, "ceiling", itself))
	for _, spec := range waitEngines {
		f.say(spec+": throughput / ceiling", ratios(rounds, spec, "ceiling", itself), false, 0.95)
	}

	fmt.Printf("wait %v, %d connections at %s/s, %d rounds of %v\n", waitTime, many, manyRate, waitRounds, manyWindow)
	delay, lag, failed, others := map[string][]float64{}, map[string][]float64{}, map[string][]float64{}, map[string][]float64{}
	for range waitRounds {
		for _, spec := range waitEngines {
			l, taken, err := askToWait(ctx, dyno, spec, manyWindow, "-c", strconv.Itoa(many), "--rate", manyRate)
			if err != nil {
				return err
			}
			delay[spec] = append(delay[spec], l.LatencyUS.P99-float64(waitTime.Microseconds()))
			lag[spec] = append(lag[spec], l.SendLagUS.P99)
			others[spec] = append(others[spec], taken)
			failed[spec] = append(failed[spec], float64(l.Errors.Total()))
		}
	}
	for _, spec := range waitEngines {
		f.say(spec+": errors", failed[spec], true, 0)
		note("added delay p99, µs", delay[spec])
		note("  of which the generator's: send lag p99, µs", lag[spec])
		note("  other processes' share of the CPUs, %", others[spec])
	}
	return nil
}

// askToWait has a fresh server asked for answers that take waitTime. others is
// what other processes took of the CPUs' time meanwhile, in per cent.
func askToWait(ctx context.Context, dyno, spec string, window time.Duration, args ...string) (l *results.Load, others float64, err error) {
	s, err := openServe(ctx, dyno, "--engine", spec)
	if err != nil {
		return nil, 0, err
	}
	defer s.close(ctx)
	s.url = strings.TrimSuffix(s.url, "/hello") + "/wait?ms=" + strconv.FormatInt(waitTime.Milliseconds(), 10)
	r, err := s.load(ctx, window, nil, append([]string{"--warmup", waitWarmup.String()}, args...)...)
	return &r.Load, s.others(r), err
}
