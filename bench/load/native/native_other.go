//go:build !linux

// Package native is dyno's own generator, which needs Linux.
package native

import (
	"context"
	"runtime"

	"github.com/dynobench/dyno/bench/load/plan"
	"github.com/dynobench/dyno/bench/load/record"
)

// Run says that the native generator needs Linux.
func Run(context.Context, *plan.Config, plan.Endpoint) (*record.Reading, error) {
	return nil, plan.Errorf("Generator", "the native generator needs Linux, this is %s: use the vegeta generator", runtime.GOOS)
}
