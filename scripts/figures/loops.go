package main

import (
	"context"
	"fmt"
	"strconv"

	"github.com/dynobench/dyno/results"
	"github.com/dynobench/dyno/results/stats"
)

// loopFigures are about the engines on event loops beside each other, beside
// null and beside the one with goroutines: dyno run.
func loopFigures(ctx context.Context, dyno string, f *figures) error {
	targets := []string{"null", "eventloop", "eventloop,io=epoll", "eventloop-pool", "coroutine", "goroutine", "fasthttp", "prefork:eventloop,processes=1"}
	args := []string{"hello", "-n", strconv.Itoa(pairs), "-d", window}
	for _, t := range targets {
		args = append(args, "--targets", t)
	}
	hello, err := run(ctx, dyno, args...)
	if err != nil {
		return err
	}
	cpu := func(t *results.Trial) float64 { return t.Server.CPUUSPerRequest }
	fmt.Println("hello, 64 connections, CPU per request of the server's process tree:")
	for _, t := range targets {
		if v := values(hello, t, cpu); len(v) > 0 {
			fmt.Printf("  %-30s %6.2f µs\n", t, stats.Median(v))
		}
	}
	f.say("eventloop / null", ratios(hello, "eventloop", "null", cpu), true, 1.25)
	f.say("goroutine / fasthttp", ratios(hello, "goroutine", "fasthttp", cpu), true, 1.0)
	f.say("coroutine / eventloop", ratios(hello, "coroutine", "eventloop", cpu), true, 1.5)
	f.say("prefork:eventloop, one process / eventloop", ratios(hello, "prefork:eventloop,processes=1", "eventloop", cpu), true, 1.05)
	note("eventloop,io=epoll / eventloop", ratios(hello, "eventloop,io=epoll", "eventloop", cpu))

	wait, err := run(ctx, dyno, "wait", "--targets", "goroutine", "--targets", "coroutine", "-n", "5")
	if err != nil {
		return err
	}
	for _, t := range []string{"goroutine", "coroutine"} {
		f.say("wait, "+t+": throughput / (256 / 10 ms)", values(wait, t, func(t *results.Trial) float64 {
			return t.ThroughputRPS / (256 / 0.010)
		}), false, 0.95)
	}
	return nil
}
