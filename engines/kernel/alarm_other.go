//go:build !linux

package kernel

import (
	"context"
	"time"
)

// sleep waits until d is over or ctx ends, and returns ctx's error then.
func sleep(ctx context.Context, d time.Duration) error { return timerSleep(ctx, d) }
