package systemd

import "golang.org/x/sys/unix"

// monotonic is the system's monotonic clock in microseconds.
func monotonic() int64 {
	var t unix.Timespec
	unix.ClockGettime(unix.CLOCK_MONOTONIC, &t) //nolint:errcheck // there is always one
	return t.Nano() / 1000
}
