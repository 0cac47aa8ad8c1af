//go:build unix && !linux

package kernel

import (
	"context"
	"time"

	"golang.org/x/sys/unix"
)

// sysPoll is poll; the timeout is rounded up to milliseconds, negative means none.
func sysPoll(fds []unix.PollFd, timeout time.Duration) (int, error) {
	ms := -1
	if timeout >= 0 {
		ms = int((timeout + time.Millisecond - 1) / time.Millisecond)
	}
	return unix.Poll(fds, ms)
}

// park parks a thread as well here: only on Linux can a set of
// descriptors wait in Go's poller.
func park(ctx context.Context, fd int, to direction, timeout time.Duration) error {
	var b Block
	defer b.Close()
	return b.ready(ctx, fd, to, timeout)
}
