package apps

import (
	"time"

	"golang.org/x/sys/unix"
)

// holdThread blocks the OS thread in the kernel for d. Go's own time.Sleep
// would park the goroutine and give the thread to others, which is just what a
// call into a blocking driver or library does not do.
func holdThread(d time.Duration) error {
	var until unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &until); err != nil {
		return err
	}
	until = unix.NsecToTimespec(until.Nano() + int64(d))
	for { // the runtime's preemption signals interrupt the call; an absolute end survives them
		err := unix.ClockNanosleep(unix.CLOCK_MONOTONIC, unix.TIMER_ABSTIME, &until, nil)
		if err != unix.EINTR {
			return err
		}
	}
}
