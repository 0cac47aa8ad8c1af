package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/pflag"

	"github.com/dynobench/dyno/bench/measure"
)

// waitFlag adds --wait to a verb that measures.
func waitFlag(flags *pflag.FlagSet, wait *bool) {
	flags.BoolVar(wait, "wait", false, "wait until no other measurement uses the CPUs (default: name the process that uses them, and exit)")
}

// lockCPUs keeps other measurements off the CPUs until release is called.
func (c *cli) lockCPUs(ctx context.Context, cpus measure.CPUs, wait bool) (release func(), err error) {
	var waiting func(error)
	if wait {
		waiting = func(by error) { fmt.Fprintf(c.stderr, "waiting: %v\n", by) }
	}
	lock, err := measure.LockCPUs(ctx, cpus.All(), waiting)
	switch {
	case err == nil:
	case ctx.Err() != nil:
		return nil, errInterrupted
	case errors.Is(err, measure.ErrNoLocks):
		fmt.Fprintf(c.stderr, "warning: dyno cannot keep a second measurement off these CPUs: %v (%s names a folder for locks)\n", err, measure.LockDirVariable)
	default:
		return nil, failed(fmt.Errorf("%w; --wait waits for it, --server-cpus and --generator-cpus choose other CPUs", err))
	}
	return lock.Release, nil
}
