//go:build !linux

package netio

import (
	"time"

	"github.com/dynobench/dyno/bench/load/record"
)

// SleepUntil sleeps until t, a time of record.Now.
func SleepUntil(t int64) { time.Sleep(time.Duration(t - record.Now())) }
