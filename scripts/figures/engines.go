package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"syscall"
	"time"

	"github.com/dynobench/dyno/results"
	"github.com/dynobench/dyno/results/stats"
)

const (
	pairs  = 9    // trials of each server
	window = "1s" // of each
)

// engineFigures are about the engines and the harness: dyno run.
func engineFigures(ctx context.Context, dyno string, f *figures) error {
	began := time.Now()
	tour, err := run(ctx, dyno)
	if err != nil {
		return err
	}
	loading := 0.0
	wall := time.Since(began)
	for _, t := range tour.Trials {
		loading += t.WarmupS + t.DurationS
	}
	f.say("time of dyno run / its measuring and warm-up", []float64{wall.Seconds() / loading}, true, 1.4)

	hello, err := run(ctx, dyno, "hello", "--targets", "eventloop,goroutine,fasthttp,nethttp", "-n", strconv.Itoa(pairs), "-d", window)
	if err != nil {
		return err
	}
	cpu := func(t *results.Trial) float64 { return t.Server.CPUUSPerRequest }
	fmt.Println("hello, 64 connections, CPU per request of the server:")
	for _, target := range []string{"eventloop", "goroutine", "fasthttp", "nethttp"} {
		fmt.Printf("  %-10s %6.2f µs\n", target, stats.Median(values(hello, target, cpu)))
	}
	f.say("eventloop / fasthttp", ratios(hello, "eventloop", "fasthttp", cpu), true, 0.9)
	f.say("goroutine / fasthttp", ratios(hello, "goroutine", "fasthttp", cpu), true, 1.1)
	f.say("eventloop / nethttp", ratios(hello, "eventloop", "nethttp", cpu), true, 0.5)
	f.say("goroutine / nethttp", ratios(hello, "goroutine", "nethttp", cpu), true, 0.5)

	wait, err := run(ctx, dyno, "wait", "--targets", "goroutine", "-n", "5")
	if err != nil {
		return err
	}
	f.say("wait, goroutine: throughput / (256 / 10 ms)", values(wait, "goroutine", func(t *results.Trial) float64 {
		return t.ThroughputRPS / (256 / 0.010)
	}), false, 0.9)
	return nil
}

// spoilsNoCPU are reasons for which a trial does not count, but not with its
// CPU per request: a generator that was busy.
var spoilsNoCPU = []string{"generator-bound", "little"}

// run runs dyno and returns the run, without the trials whose CPU per request
// does not count.
func run(ctx context.Context, dyno string, args ...string) (*results.Run, error) {
	dir, err := os.MkdirTemp("", "dyno-figures-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	cmd := exec.CommandContext(ctx, dyno, append([]string{"run", "--json", "-o", dir}, args...)...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGINT) } // it ends its servers
	cmd.WaitDelay = time.Minute
	out, err := cmd.Output()
	r := new(results.Run)
	if jsonErr := json.Unmarshal(out, r); jsonErr != nil {
		return nil, fmt.Errorf("%v: %w", cmd.Args, err)
	}
	r.Trials = slices.DeleteFunc(r.Trials, func(t results.Trial) bool {
		return slices.ContainsFunc(t.Warnings, func(w results.Warning) bool { return w.Invalid && !slices.Contains(spoilsNoCPU, w.Code) })
	})
	if len(r.Trials) == 0 {
		return nil, fmt.Errorf("%v: no trial counts", cmd.Args)
	}
	return r, nil
}
