package enginetest

import (
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/dynobench/dyno/engines"
)

func testDrain(t *testing.T, s Subject) {
	srv := s.start(t, options{})
	busy := srv.dial()
	busy.send(request("GET", "/hold", ""))
	srv.eventually("the request must reach the app", func() bool { return srv.app.Started.Load() == 1 })
	idle, half := srv.dial(), srv.dial()
	half.send("GET /hello HTTP/1.1\r\nHost: te")
	if s.Traits.Slots != 1 && !s.Traits.Inline {
		if got := idle.get("/hello").text(); got != Hello {
			t.Fatal(got)
		}
	}
	srv.stop()
	srv.refuses()
	close(srv.app.Release)
	r := busy.receive("GET")
	if got := r.text(); got != "held" {
		t.Errorf("a request in flight must be answered in a drain: %q", got)
	}
	// net/http decides before the app runs.
	if !r.Close && !s.Traits.Yardstick {
		t.Error("an answer in a drain must say Connection: close")
	}
	// Idle and half-sent connections must not hold the drain, whose limit is
	// longer than the patience.
	if err := srv.wait(); err != nil {
		t.Errorf("a drain in time must return nil, not %v", err)
	}
	for _, c := range []*client{idle, half} {
		if err := c.closedByServer(); err != nil {
			t.Errorf("a connection without a request must be closed: %v", err)
		}
	}
}

// A retired engine, which another one follows on its socket, keeps the idle
// connections of clients that are at work until they have had a last answer.
func testRetire(t *testing.T, s Subject) {
	srv := s.start(t, options{})
	c := srv.dial()
	if r := c.get("/hello"); r.text() != Hello || r.Close {
		t.Fatal("before, a connection must be kept")
	}
	srv.svc.Retire(patience)
	srv.stop()
	srv.refuses()
	if s.Traits.Yardstick { // they answer one by one in any case
		c.send(request("GET", "/hello", ""))
	} else {
		c.send(strings.Repeat(request("GET", "/hello", ""), 3))
		for range 2 {
			if r := c.receive("GET"); r.text() != Hello || r.Close {
				t.Error("requests that are there already must all be answered")
			}
		}
	}
	if r := c.receive("GET"); r.text() != Hello || !r.Close {
		t.Error("the last answer must say Connection: close")
	}
	if err := c.closedByServer(); err != nil {
		t.Error(err)
	}
	if err := srv.wait(); err != nil { // in a patience less than Retire was given: it does not wait for nothing
		t.Errorf("the end of a retired engine is a clean one, not %v", err)
	}
}

// While the app occupies a loop, others' requests wait in the kernel. They
// have been sent before the drain: it must not close their connections as idle.
func testDrainWaiting(t *testing.T, s Subject) {
	srv := s.start(t, options{})
	var waiting []*client
	for range 8 {
		c := srv.dial()
		c.get("/hello").text()
		waiting = append(waiting, c)
	}
	busy := srv.dial()
	busy.send(request("GET", "/hold", ""))
	srv.eventually("the request must reach the app", func() bool { return srv.app.Started.Load() == 1 })
	for _, c := range waiting {
		c.send(request("GET", "/hello", ""))
	}
	srv.stop()
	srv.refuses()
	close(srv.app.Release)
	if got := busy.receive("GET").text(); got != "held" {
		t.Error(got)
	}
	for i, c := range waiting {
		if r := c.receive("GET"); r.err != nil || string(r.body) != Hello {
			t.Errorf("a request sent before the drain must be answered: client %d: %v", i, r.err)
		}
		if err := c.closedByServer(); err != nil {
			t.Error(err)
		}
	}
	if err := srv.wait(); err != nil {
		t.Error(err)
	}
}

func testDrainUpload(t *testing.T, s Subject) {
	srv := s.start(t, options{})
	c := srv.dial()
	text := request("POST", "/echo", strings.Repeat("x", 1000), "Expect: 100-continue")
	c.send(text[:len(text)-1000])
	if line, err := c.r.ReadString('\n'); err != nil || !strings.Contains(line, "100") { // it has seen the header
		t.Fatalf("want 100 Continue, got %q, %v", line, err)
	}
	c.r.ReadString('\n')
	srv.stop()
	srv.refuses()
	c.send(text[len(text)-1000:])
	if got := c.receive("POST").text(); len(got) != 1000 {
		t.Errorf("a request whose rest comes at once must be answered in a drain: %d bytes", len(got))
	}
	if err := srv.wait(); err != nil {
		t.Error(err)
	}
}

// An answer of which the client has seen a part, and which the drain cuts, must
// not look whole to it: without a length, only a reset tells.
func testDrainCut(t *testing.T, s Subject) {
	// The one waits in the app, the other for the client to read.
	for _, path := range []string{"/gate", "/stream?n=1024&size=65536"} {
		srv := s.start(t, options{drain: 50 * time.Millisecond})
		c := srv.dial()
		c.Conn.(*net.TCPConn).SetReadBuffer(64 << 10)
		c.send("GET " + path + " HTTP/1.0\r\n\r\n")
		resp, err := c.head("GET")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(resp.Body, make([]byte, len("first "))); err != nil {
			t.Fatal(err)
		}
		settled(srv.app.Pulled.Load)
		if err := srv.end(); !isDrainTimeout(err) {
			t.Errorf("%s: a drain that runs out of time must return ErrDrainTimeout, not %v", path, err)
		}
		if n, err := io.Copy(io.Discard, resp.Body); err == nil {
			t.Errorf("%s: an answer that is cut must end in an error, not as if it were whole: %d more bytes", path, n)
		}
		srv.eventually("nothing may be left busy", func() bool { return srv.engine.Stats().Busy == 0 })
	}
}

func testDrainDeadline(t *testing.T, s Subject) {
	srv := s.start(t, options{drain: 50 * time.Millisecond})
	c := srv.dial()
	c.send(request("GET", "/hold", ""))
	srv.eventually("the request must reach the app", func() bool { return srv.app.Started.Load() == 1 })
	if err := srv.end(); !isDrainTimeout(err) {
		t.Errorf("a drain that runs out of time must return ErrDrainTimeout, not %v", err)
	}
	if n := srv.app.Ended.Load(); n != 1 {
		t.Error("the Context of a request that is cut off must end")
	}
	if r := c.receive("GET"); r.err == nil && r.StatusCode == 200 {
		t.Errorf("the connection must be cut: %+v", r)
	}
	srv.eventually("nothing may be left busy", func() bool { return srv.engine.Stats().Busy == 0 })
}

func testUnix(t *testing.T, s Subject) {
	path := filepath.Join(t.TempDir(), "s")
	srv := s.start(t, options{listen: "unix:" + path})
	c := srv.dial()
	if got := c.get("/hello").text(); got != Hello {
		t.Error(got)
	}
	if _, err := engines.Listen("unix:"+path, engines.SocketOptions{}); err == nil {
		t.Error("a unix socket that is in use must not be taken over")
	}
	if err := srv.end(); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(path); !os.IsNotExist(err) {
		t.Errorf("the socket's file must be gone: %v", err)
	}
}

func testInherited(t *testing.T, s Subject) {
	sock, err := engines.Listen("127.0.0.1:0", engines.SocketOptions{})
	if err != nil {
		t.Fatal(err)
	}
	file, err := sock.File()
	if err != nil {
		t.Fatal(err)
	}
	sock.Close()
	// The number only: the File must not close what Inherit takes over.
	inherited, err := engines.Inherit(detach(t, file))
	if err != nil {
		t.Fatal(err)
	}
	srv := s.start(t, options{sock: inherited})
	srv.alive()
}
