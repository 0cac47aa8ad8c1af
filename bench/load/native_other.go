//go:build !linux

package load

import (
	"context"
	"runtime"
	"time"
)

func runNative(context.Context, *Config, endpoint) (*reading, error) {
	return nil, bad("Generator", "the native generator needs Linux's epoll, this is %s: use the vegeta generator", runtime.GOOS)
}

func sleepUntil(t int64) { time.Sleep(time.Duration(t - now())) }
