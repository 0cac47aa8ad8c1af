package load

import (
	"errors"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// A ring that the kernel gives, but not all that belongs to it, is an error
// and leaves nothing behind.
func TestHalfARing(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	q, err := newQueue(64, 256, 4, 1<<10)
	if err != nil {
		t.Skip(err)
	}
	q.close()
	before := openFiles(t)
	if _, err := newQueue(64, 256, 3, 1<<10); !errors.Is(err, unix.EINVAL) { // no power of two
		t.Errorf("three buffers: %v", err)
	}
	if after := openFiles(t); after != before {
		t.Errorf("%d descriptors before, %d after", before, after)
	}
}
