package kernel

import (
	"context"
	"log/slog"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Without a descriptor to accept with, the engine tries again, but ever more
// seldom, and says so once. How often is bounded by the pauses, which a slow
// machine can only make longer.
func TestAcceptDoesNotSpin(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	var said strings.Builder
	tries := 0
	err := AcceptOne(ctx, slog.New(slog.NewTextHandler(&said, nil)), func() error {
		tries++
		return os.NewSyscallError("accept4", syscall.EMFILE)
	})
	if err == nil || tries < 1 || tries > 6 { // after 5, 10, 20, 40 and 80 ms
		t.Errorf("%d tries in 100 ms, and then %v", tries, err)
	}
	if n := strings.Count(said.String(), "\n"); n != 1 || !strings.Contains(said.String(), "too many open files") {
		t.Errorf("the reason must be told, once: %q", said.String())
	}

	tries = 0
	err = AcceptOne(t.Context(), slog.New(slog.DiscardHandler), func() error {
		if tries++; tries < 4 {
			return []error{syscall.ECONNABORTED, syscall.ENFILE, syscall.EINTR}[tries-1]
		}
		return nil
	})
	if err != nil || tries != 4 {
		t.Errorf("what passes must be waited out: %d tries, %v", tries, err)
	}
}
