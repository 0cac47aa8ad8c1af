package cli

import (
	"context"

	"github.com/dynobench/dyno/bench"
	"github.com/dynobench/dyno/bench/load"
	"github.com/dynobench/dyno/bench/meter"
	"github.com/dynobench/dyno/results"
)

// readHost is a variable for tests.
var readHost = meter.ReadHost

// offer runs the generator by itself, and watches what the hypervisor takes
// within the window. Under dyno run the harness does that, which knows whose
// CPUs they are.
func offer(ctx context.Context, config load.Config) (*results.Load, error) {
	var host []meter.HostSample
	config.Phase = func(load.Phase) {
		if now, err := readHost(); err == nil { // other systems do not tell
			host = append(host, now)
		}
	}
	l, err := load.Run(ctx, config)
	if err == nil && len(host) == 2 {
		bench.JudgeSteal(l, host[1].Sub(host[0], nil).StealPct)
	}
	return l, err
}
