//go:build unix

package kernel

import (
	"context"
	"errors"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"github.com/dynobench/dyno/protocol/gateway"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// nonblocking tells whether fd is.
func nonblocking(t *testing.T, fd int) bool {
	flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
	if err != nil {
		t.Fatal(err)
	}
	return flags&unix.O_NONBLOCK != 0
}

func TestWaiters(t *testing.T) {
	block := new(Block)
	defer block.Close()
	for name, w := range map[string]gateway.Waiter{"Park": Park{}, "Block": block} {
		t.Run(name, func(t *testing.T) {
			var p [2]int
			if err := unix.Pipe(p[:]); err != nil {
				t.Fatal(err)
			}
			defer unix.Close(p[0])
			bg := context.Background()

			began := time.Now()
			if err := w.Sleep(bg, 3*time.Millisecond); err != nil || time.Since(began) < 3*time.Millisecond {
				t.Errorf("Sleep: %v after %v", err, time.Since(began))
			}
			if err := w.Readable(bg, p[0], time.Millisecond); !errors.Is(err, gateway.ErrWaitTimeout) {
				t.Errorf("nothing to read: %v, want ErrWaitTimeout", err)
			}
			go unix.Write(p[1], []byte("x"))
			for range 2 { // it stays readable
				if err := w.Readable(bg, p[0], 0); err != nil {
					t.Errorf("something to read: %v", err)
				}
			}
			if err := w.Writable(bg, p[1], 0); err != nil {
				t.Errorf("room to write: %v", err)
			}
			full, page, err := 0, make([]byte, 512), error(nil) // PIPE_BUF at least: it does not block
			for ; err == nil; err = w.Writable(bg, p[1], time.Millisecond) {
				n, _ := unix.Write(p[1], page)
				full += n
			}
			if !errors.Is(err, gateway.ErrWaitTimeout) {
				t.Errorf("no room to write: %v, want ErrWaitTimeout", err)
			}
			for full > 0 {
				n, err := unix.Read(p[0], page[:min(full, len(page))])
				if err != nil {
					t.Fatal(err)
				}
				full -= n
			}
			if nonblocking(t, p[0]) {
				t.Error("the descriptor stays the caller's: it has become non-blocking")
			}
			unix.Read(p[0], make([]byte, 1))

			for range 3 { // again and again: one end of a Context must not be heard twice
				ctx, cancel := context.WithCancel(bg)
				go cancel()
				if err := w.Sleep(ctx, time.Hour); !errors.Is(err, context.Canceled) {
					t.Errorf("Sleep, cancelled: %v", err)
				}
				ctx, cancel = context.WithCancel(bg)
				go cancel()
				if err := w.Readable(ctx, p[0], 0); !errors.Is(err, context.Canceled) {
					t.Errorf("Readable, cancelled: %v", err)
				}
				if err := w.Sleep(ctx, time.Hour); !errors.Is(err, context.Canceled) {
					t.Errorf("Sleep, cancelled before: %v", err)
				}
				live, end := context.WithCancel(bg)
				if err := w.Sleep(live, time.Millisecond); err != nil {
					t.Errorf("Sleep after a cancelled one: %v", err)
				}
				end()
			}
			unix.Close(p[1])
			if err := w.Readable(bg, p[0], 0); err != nil {
				t.Errorf("the end of the stream is for reading to tell: %v", err)
			}
			if err := w.Readable(bg, 1<<20, time.Second); !errors.Is(err, unix.EBADF) {
				t.Errorf("no descriptor: %v, want EBADF", err)
			}
			f, err := os.Open("/etc/passwd")
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			if err := w.Readable(bg, int(f.Fd()), 0); err != nil {
				t.Errorf("a file is always ready: %v", err)
			}
		})
	}
}

func TestBlockClose(t *testing.T) {
	var b Block
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	for range 2 {
		if err := b.Sleep(ctx, time.Microsecond); err != nil {
			t.Fatal(err)
		}
		b.Close()
		b.Close()
	}
}
