package iouring

import (
	"errors"
	"os"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/dynobench/dyno/internal/peer"
)

// A ring that the kernel gives, but not all that belongs to it, is an error
// and leaves nothing behind.
func TestHalfARing(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	r, err := New(64, 256, 4, 1<<10)
	if err != nil {
		peer.Missing(t, err)
	}
	r.Close()
	before := descriptors(t)
	if _, err := New(64, 256, 3, 1<<10); !errors.Is(err, unix.EINVAL) { // no power of two
		t.Errorf("three buffers: %v", err)
	}
	if after := descriptors(t); after != before {
		t.Errorf("%d descriptors before, %d after", before, after)
	}
}

// A ring that is used up keeps what it was told to do and goes on; one that the
// kernel does not know any more says so, and holds nobody up.
func TestDeadRing(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	r, err := New(4, 16, 4, 1<<10)
	if err != nil {
		peer.Missing(t, err)
	}
	defer r.Close()
	const n = 10 // of 4
	for i := range uint64(n) {
		s := r.Next()
		s.Opcode, s.FD, s.UserData = OpSend, -1, i
	}
	for want := uint64(0); want < n; {
		r.Wait(int64(time.Second))
		for c, ok := r.Take(); ok; c, ok = r.Take() {
			if c.UserData != want || unix.Errno(-c.Res) != unix.EBADF {
				t.Fatalf("operation %d: %+v", want, c)
			}
			want++
		}
	}
	if r.Err() != nil {
		t.Fatal(r.Err())
	}
	fd := r.fd
	r.fd = -1
	for range n {
		r.Next()
	}
	if r.Look(); !errors.Is(r.Err(), unix.EBADF) {
		t.Errorf("without the kernel's end: %v", r.Err())
	}
	r.fd = fd
}

func descriptors(t *testing.T) int {
	open, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(open)
}
