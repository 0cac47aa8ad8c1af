//go:build unix && !linux

package apps

import (
	"time"

	"golang.org/x/sys/unix"
)

// holdThread blocks the OS thread in the kernel for d: a select on nothing, the
// one sleep that all of these systems offer as a plain call.
func holdThread(d time.Duration) error {
	for end := time.Now().Add(d); ; {
		rest := time.Until(end)
		if rest <= 0 {
			return nil
		}
		timeout := unix.NsecToTimeval(int64(rest))
		if _, err := unix.Select(0, nil, nil, nil, &timeout); err != nil && err != unix.EINTR {
			return err
		}
	}
}
