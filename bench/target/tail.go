package target

import (
	"bytes"
	"io"
	"sync"
)

// tailBytes is how much of a tree's output is kept: enough for a stack trace
// of a few dozen goroutines or a Python traceback with its log.
const tailBytes = 64 << 10

// tail keeps the last tailBytes of what is written to it.
type tail struct {
	mu  sync.Mutex
	buf []byte
	cut bool // something was dropped, so the first line may be partial
}

// Write never fails.
func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := len(p)
	if len(p) > tailBytes {
		p, t.cut = p[len(p)-tailBytes:], true
	}
	// Let it grow to twice the size before moving, so that a chatty server
	// costs a copy per 64 KiB rather than per line.
	if len(t.buf)+len(p) > 2*tailBytes {
		keep := tailBytes - len(p)
		t.buf = append(t.buf[:0], t.buf[len(t.buf)-keep:]...)
		t.cut = true
	}
	t.buf = append(t.buf, p...)
	return n, nil
}

// String returns whole lines, the last 64 KiB of them at most.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	b, cut := t.buf, t.cut
	if len(b) > tailBytes {
		b, cut = b[len(b)-tailBytes:], true
	}
	if cut {
		if i := bytes.IndexByte(b, '\n'); i >= 0 {
			b = b[i+1:]
		}
	}
	return string(b)
}

// tee passes to the tail first and then to w. An error of w must not stop
// the copying: a server whose pipe is no longer read would block on its log.
type tee struct {
	tail *tail
	w    io.Writer
}

func (t tee) Write(p []byte) (int, error) {
	t.tail.Write(p)
	if t.w != nil {
		_, _ = t.w.Write(p)
	}
	return len(p), nil
}
