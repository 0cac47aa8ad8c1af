package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"

	"github.com/dynobench/dyno/results"
)

// tourFigures are what the harness adds to its measuring: dyno run as a
// newcomer has it.
func tourFigures(ctx context.Context, dyno string, f *figures) error {
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
	return nil
}

// run runs dyno and returns the run.
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
	if len(r.Trials) == 0 {
		return nil, fmt.Errorf("%v: no trial", cmd.Args)
	}
	return r, nil
}
