package cli

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

const (
	logPiece = 4 << 10 // what a pipe takes as a whole once it takes anything (PIPE_BUF)
	logWait  = 50 * time.Millisecond
)

// logWriter writes to a log that may be a pipe whose reader has stopped: a server
// must not wait for it. It waits once, and from then on all records are lost, and
// counted, until the log takes some again. Writing never fails.
type logWriter struct {
	to io.Writer

	mu    sync.Mutex
	stuck bool
	lost  int
}

func newLogWriter(to io.Writer) *logWriter { return &logWriter{to: to} }

// Write implements io.Writer.
func (w *logWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for rest := p; len(rest) > 0; {
		if !w.ready() {
			w.lost++
			break
		}
		if w.lost > 0 {
			fmt.Fprintf(w.to, "dyno: %d log records are lost: nobody read them\n", w.lost)
			w.lost = 0
			continue
		}
		n := min(len(rest), logPiece)
		w.to.Write(rest[:n]) //nolint:errcheck // a log that is full, or whose reader is gone, ends nothing
		rest = rest[n:]
	}
	return len(p), nil
}

// ready tells whether the log takes a piece now, or soon.
func (w *logWriter) ready() bool {
	f, ok := w.to.(*os.File)
	if !ok {
		return true
	}
	wait := logWait
	if w.stuck {
		wait = 0
	}
	fds := []unix.PollFd{{Fd: int32(f.Fd()), Events: unix.POLLOUT}}
	n, err := unix.Poll(fds, int(wait.Milliseconds()))
	w.stuck = err == nil && n == 0
	return !w.stuck
}
