package protocol_test

import (
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"

	"github.com/dynobench/dyno/protocol"
	"github.com/dynobench/dyno/protocol/gateway"
	"github.com/dynobench/dyno/protocol/http1"
)

// An idle connection that has been served before holds its Session, its
// addresses and no buffers.
func TestIdleSessionsHoldNoBuffers(t *testing.T) {
	const n, most = 5000, 1024
	svc := protocol.NewService(say("hi"), http1.Codec{})
	sessions := make([]*client, n)
	before := heap()
	for i := range sessions {
		sessions[i] = &client{t: t, Session: svc.NewSession(protocol.Peer{})}
		sessions[i].send(get)
		sessions[i].all()
	}
	if per := (heap() - before) / n; per > most {
		t.Errorf("%d bytes per idle session, want at most %d", per, most)
	}
	for _, s := range sessions {
		s.Release()
	}
}

func heap() int64 {
	var m runtime.MemStats
	for range 3 { // what a sync.Pool holds goes in the second cycle
		runtime.GC()
	}
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// A body takes memory as it comes, not as it is announced, and not more than
// twice what is needed.
func TestBodyMemory(t *testing.T) {
	const size = 8 << 20
	var buffers []int
	c := connect(t, func(env *gateway.Environ, start gateway.StartResponse) gateway.Body {
		n, err := io.Copy(io.Discard, env.Input)
		if n != size || err != nil {
			t.Errorf("%d bytes, %v", n, err)
		}
		return say("ok")(env, start)
	})
	c.send(fmt.Sprintf("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n", size))
	for sent := 0; sent < size; {
		c.next(protocol.Read)
		b := c.Buffer()
		if len(b) > max(8192, sent+8192) || sent+len(b) > size {
			t.Fatalf("%d bytes of buffer after %d of %d", len(b), sent, size)
		}
		c.Received(len(b))
		sent += len(b)
		buffers = append(buffers, len(b))
	}
	if got := c.all(); !strings.HasSuffix(got, "ok") {
		t.Fatalf("got %q", got)
	}
	if len(buffers) > 20 {
		t.Errorf("%d buffers", len(buffers))
	}
}

// The encoding of a body in chunks of one byte takes no memory.
func TestChunkOverheadMemory(t *testing.T) {
	c := connect(t, say("ok"))
	c.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
	largest := 0
	for range 1000 {
		b := c.Buffer()
		largest = max(largest, len(b))
		n := copy(b, "1\r\nx\r\n1\r\nx\r\n1\r\nx\r\n1\r\nx\r\n1\r\nx\r\n1\r\nx\r\n1\r\nx\r\n1\r\nx\r\n")
		c.Received(n)
	}
	if largest > 16<<10 {
		t.Errorf("%d bytes of buffer for a body of 8000", largest)
	}
}
