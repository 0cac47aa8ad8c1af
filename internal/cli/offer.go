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

// An offer runs the generator.
type offer func(context.Context, load.Config) (*results.Load, error)

// offering runs the generator by itself, and judges what it can see of the host
// but for the codes that are tolerated. Under dyno run the harness does that.
func offering(tolerate []string) offer {
	return func(ctx context.Context, config load.Config) (*results.Load, error) {
		l, err := offerAlone(ctx, config)
		if err == nil {
			bench.Tolerate(l, tolerate)
		}
		return l, err
	}
}

// offerAlone watches what the hypervisor takes within the window.
func offerAlone(ctx context.Context, config load.Config) (*results.Load, error) {
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
