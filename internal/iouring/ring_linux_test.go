package iouring

import (
	"errors"
	"runtime"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/dynobench/dyno/internal/peer"
	"github.com/dynobench/dyno/internal/testkit"
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
	before := testkit.Descriptors(t)
	if _, err := New(64, 256, 3, 1<<10); !errors.Is(err, unix.EINVAL) { // no power of two
		t.Errorf("three buffers: %v", err)
	}
	if after := testkit.Descriptors(t); after != before {
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

// What does not wait is complete when Submit returns, whichever thread calls it.
func TestBatch(t *testing.T) {
	r, err := NewBatch(4)
	if err != nil {
		peer.Missing(t, err)
	}
	defer r.Close()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(pair[0])
	defer unix.Close(pair[1])
	what, got := []byte("what"), make([]byte, 16)
	for _, c := range []struct {
		opcode uint8
		fd     int
		buffer []byte
		want   int32
	}{
		{OpRecv, pair[1], got, -int32(unix.EAGAIN)},
		{OpSend, pair[0], what, 4},
		{OpRecv, pair[1], got, 4},
		{OpRecv, -1, got, -int32(unix.EBADF)},
	} {
		done := make(chan struct{})
		go func() { // on another thread than the last one
			runtime.LockOSThread()
			defer close(done)
			s := r.Next()
			s.Opcode, s.FD, s.OpFlags = c.opcode, int32(c.fd), unix.MSG_DONTWAIT
			s.Addr, s.Len = uint64(uintptr(unsafe.Pointer(&c.buffer[0]))), uint32(len(c.buffer))
			r.Submit()
		}()
		<-done
		if done, ok := r.Take(); !ok || done.Res != c.want {
			t.Errorf("operation %d on %d: %+v (%v), want %d", c.opcode, c.fd, done, ok, c.want)
		}
		if _, ok := r.Take(); ok {
			t.Error("two completions of one operation")
		}
	}
	if string(got[:4]) != "what" || r.Err() != nil {
		t.Errorf("%q, %v", got, r.Err())
	}
}
