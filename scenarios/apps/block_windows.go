package apps

import (
	"time"

	"golang.org/x/sys/windows"
)

// holdThread blocks the OS thread in the kernel for d.
func holdThread(d time.Duration) error {
	windows.SleepEx(uint32(d.Milliseconds()), false)
	return nil
}
