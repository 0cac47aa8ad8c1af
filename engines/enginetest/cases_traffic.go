package enginetest

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
)

// What needs nothing but a client is run against processes too.

// dialer is a server at work, wherever it is.
type dialer interface {
	connect() (net.Conn, error)
	dial() *client // or fail the test
}

const clients, each = 24, 20

func testConcurrent(t *testing.T, s Subject) {
	srv := s.start(t, options{})
	concurrently(t, srv, s.Traits.OneShot)
	srv.eventually("each request counts once in Stats", func() bool { return srv.engine.Stats().Requests == clients*each })
}

// concurrently has clients send each their requests, on one connection or on
// one for each.
func concurrently(t *testing.T, srv dialer, oneShot bool) {
	t.Helper()
	var wg sync.WaitGroup
	for i := range clients {
		wg.Go(func() {
			var c *client
			for j := range each {
				if c == nil || oneShot {
					conn, err := srv.connect()
					if err != nil {
						t.Error(err)
						return
					}
					c = newClient(t, conn)
				}
				want := fmt.Sprintf("client %d request %d", i, j)
				if _, err := io.WriteString(c, request("POST", "/echo", want)); err != nil {
					t.Error(err)
					return
				}
				if r := c.receive("POST"); r.err != nil || string(r.body) != want {
					t.Errorf("%q got %q, %v", want, r.body, r.err)
					return
				}
			}
			c.Close() // a slot is kept no longer than that
		})
	}
	wg.Wait()
}

func testPipelining(t *testing.T, s Subject) {
	pipeline(s.start(t, options{}).dial())
}

func pipeline(c *client) {
	c.t.Helper()
	const n = 200
	var all strings.Builder
	for i := range n {
		body := strings.Repeat(string(rune('a'+i%26)), i*37%3000+1)
		all.WriteString(request("POST", "/echo", body))
	}
	go io.WriteString(c, all.String())
	for i := range n {
		want := strings.Repeat(string(rune('a'+i%26)), i*37%3000+1)
		if got := c.receive("POST").text(); got != want {
			c.t.Fatalf("answers must come whole and in the order of the requests: number %d is %d bytes of %.5q, want %d of %.5q",
				i, len(got), got, len(want), want)
		}
	}
}

func testLargeBodies(t *testing.T, s Subject) {
	largeBodies(t, s.start(t, options{}))
}

func largeBodies(t *testing.T, srv dialer) {
	t.Helper()
	for _, chunked := range []bool{false, true} {
		body := bytes.Repeat([]byte("0123456789abcde\n"), 5<<20/16)
		if chunked {
			body = body[:1<<20]
		}
		c := srv.dial()
		sent := make(chan error, 1)
		go func() {
			if !chunked {
				fmt.Fprintf(c, "POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: %d\r\n\r\n", len(body))
				_, err := c.Write(body)
				sent <- err
				return
			}
			io.WriteString(c, "POST /echo HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n")
			for left := body; len(left) > 0; {
				n := min(len(left), 100_000)
				fmt.Fprintf(c, "%x\r\n%s\r\n", n, left[:n])
				left = left[n:]
			}
			_, err := io.WriteString(c, "0\r\n\r\n")
			sent <- err
		}()
		if r := c.receive("POST"); r.err != nil || !bytes.Equal(r.body, body) {
			t.Errorf("chunked %v: %d bytes came back, %v, want the same %d", chunked, len(r.body), r.err, len(body))
		}
		if err := <-sent; err != nil {
			t.Error(err)
		}
		c.Close()
	}
}

func testPanic(t *testing.T, s Subject) {
	srv := s.start(t, options{})
	panics(t, srv)
	srv.eventually("a Body that panics must be closed", func() bool { return srv.app.Open.Load() == 0 })
	srv.alive()
}

func panics(t *testing.T, srv dialer) {
	t.Helper()
	c := srv.dial()
	if r := c.get("/panic"); r.err != nil || r.StatusCode != 500 {
		t.Fatalf("a panic before the first byte must be a 500: %+v", r)
	}
	c.Close()
	c = srv.dial()
	if r := c.get("/panic-late"); r.err == nil {
		t.Fatalf("a panic after the first byte must cut the connection: the client takes %d bytes for whole", len(r.body))
	}
	c.Close()
	// Nothing but the end of the connection ends this answer.
	c = srv.dial()
	c.send("GET /panic-late HTTP/1.0\r\n\r\n")
	if b, err := io.ReadAll(c.r); err == nil {
		t.Errorf("HTTP/1.0: an answer that is not whole must end in an error: the client takes %d bytes for all", len(b))
	}
	c.Close()
}
