package enginetest

import (
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dynobench/dyno/protocol"
	"github.com/dynobench/dyno/protocol/gateway"
	"github.com/dynobench/dyno/protocol/protocoltest"
)

// Slowloris in its forms. Each has as many clients as an engine serves at a
// time, or a few: all of them must be gone at their deadline however busy they
// keep the connection, and whoever comes then must be served.

// brief is a deadline that a test waits for.
const brief = 150 * time.Millisecond

// besiege runs attack on as many connections as srv has slots, and then tells
// by a healthy client that they are free.
func besiege(srv *server, healthy func(), attack func(*client)) {
	srv.t.Helper()
	n := srv.traits.Slots
	if n == 0 {
		n = 8
	}
	var wg sync.WaitGroup
	for range n {
		c := srv.dial()
		wg.Go(func() {
			defer c.Close()
			attack(c)
		})
	}
	healthy()
	wg.Wait()
	srv.eventually("the slots of slow clients must be free again", func() bool {
		return srv.engine.Stats().Busy == 0 && srv.app.Open.Load() == 0
	})
}

// drip sends text and then a byte of more every few milliseconds, over and over,
// until stop is called.
func drip(c *client, text, more string) (stop func()) {
	end, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		if _, err := io.WriteString(c, text); err != nil {
			return
		}
		for i := 0; ; i++ {
			select {
			case <-end:
				return
			case <-time.After(5 * time.Millisecond):
			}
			if _, err := c.Write([]byte{more[i%len(more)]}); err != nil {
				return
			}
		}
	}()
	return func() {
		close(end)
		<-done
	}
}

// timesOut tells whether an answer is what a request gets that is too slow.
func timesOut(srv *server, c *client, silent bool) {
	r := c.receive("GET")
	switch {
	case silent && r.err != nil:
	case r.err != nil:
		srv.t.Errorf("a request that does not end must be answered 408, not by %v", r.err)
	case r.StatusCode != 408 || !r.Close:
		srv.t.Errorf("a request that does not end must be answered 408 and the connection close, not %s", r.Status)
	}
}

func testSlowHeaders(t *testing.T, s Subject) {
	srv := s.start(t, options{limits: protocol.Limits{HeaderTime: brief, BodyTime: brief}})
	besiege(srv, srv.alive, func(c *client) {
		defer drip(c, "GET /hello HTTP/1.1\r\nHost: test\r\nX-Slow: ", "x")()
		timesOut(srv, c, s.Traits.NoTimeout)
	})
}

func testSlowBodies(t *testing.T, s Subject) {
	srv := s.start(t, options{limits: protocol.Limits{HeaderTime: brief, BodyTime: brief}})
	besiege(srv, srv.alive, func(c *client) {
		defer drip(c, "POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 100000\r\n\r\n", "x")()
		timesOut(srv, c, false)
	})
}

// sip reads a little now and then, until the server has had enough.
func sip(srv *server, c *client) {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	few := make([]byte, 16)
	for range tick.C {
		if _, err := c.Read(few); err != nil {
			if errors.Is(err, os.ErrDeadlineExceeded) {
				srv.t.Error("a client that hardly reads must be cut")
			}
			return
		}
		if srv.app.Pulled.Load() > 0 && srv.app.Open.Load() == 0 { // what is left is in the kernel
			return
		}
	}
}

// A client that reads is not cut, one that reads a little now and then is.
func testSlowReaders(t *testing.T, s Subject) {
	srv := s.start(t, options{limits: protocol.Limits{WriteTime: brief}})
	besiege(srv, srv.alive, func(c *client) {
		c.Conn.(*net.TCPConn).SetReadBuffer(8 << 10)
		if !s.Traits.OneShot { // a later answer must be limited as the first is
			c.send(request("GET", "/hello", ""))
			c.receive("GET")
		}
		c.send(request("GET", "/stream?n=4096&size=65536", ""))
		sip(srv, c)
	})
	if got, most := srv.app.Pulled.Load(), int64(max(s.Traits.Slots, 8))*bound; got > most {
		t.Errorf("pulled %d bytes for clients that hardly read, more than %d", got, most)
	}
	if s.Traits.Slots == 1 && s.Traits.OneShot {
		return
	}
	got := int64(0)
	for range 5 { // on a busy host the client is slow itself, now and then
		c := srv.dial()
		c.send(request("GET", "/stream?n=64&size=65536", ""))
		if got, _ = c.length("GET"); got == 4<<20 {
			return
		}
	}
	t.Errorf("a client that reads must get all: %d bytes", got)
}

// Clients that never say a word.
func testSilent(t *testing.T, s Subject) {
	srv := s.start(t, options{limits: protocol.Limits{IdleTime: brief, HeaderTime: brief, BodyTime: brief}})
	besiege(srv, srv.alive, func(c *client) {
		b, err := io.ReadAll(c.r)
		if err != nil || len(b) > 0 && !strings.HasPrefix(string(b), "HTTP/1.1 408 ") {
			t.Errorf("a silent client must be closed silently, or by a 408: %q, %v", b, err)
		}
	})
}

// silent is a client that never says a word, after what, and must be closed for it.
func silent(t *testing.T, what string) func(*client) {
	return func(c *client) {
		if _, err := io.WriteString(c, what); err != nil {
			t.Error(err)
		}
		b, err := io.ReadAll(c.r)
		if err != nil || len(b) > 0 && !strings.HasPrefix(string(b), "HTTP/1.1 408 ") {
			t.Errorf("a silent client must be closed silently, or by a 408: %q, %v", b, err)
		}
	}
}

// Until its first request a client has the time of a header, and not that of a
// connection that is kept.
func testNeverSpoken(t *testing.T, s Subject) {
	srv := s.start(t, options{limits: protocol.Limits{HeaderTime: brief}})
	besiege(srv, srv.alive, silent(t, ""))
	if s.Codec != nil {
		return
	}
	part := silent(t, "GET /hello HTTP/1.1\r\n")
	if s.Traits.NoTimeout {
		part = func(c *client) {
			c.send("GET /hello HTTP/1.1\r\n")
			if err := c.closedByServer(); err != nil {
				t.Errorf("half a header must be closed: %v", err)
			}
		}
	}
	besiege(srv, srv.alive, part)
}

// From its first request on a client has the time of a connection that is kept.
func testHasSpoken(t *testing.T, s Subject) {
	srv := s.start(t, options{limits: protocol.Limits{HeaderTime: brief}})
	c := srv.dial()
	for range 2 {
		if got := c.get("/hello").text(); got != Hello {
			t.Fatal(got)
		}
		time.Sleep(3 * brief) // nothing is to happen in it
	}
}

// The same before and behind a PROXY header.
func testNeverProxied(t *testing.T, s Subject) {
	srv := s.start(t, options{limits: protocol.Limits{HeaderTime: brief}, proxied: true})
	const header = "PROXY TCP4 10.0.0.1 10.0.0.2 1234 80\r\n"
	healthy := func() {
		c := srv.dial()
		defer c.Close()
		c.send(header + request("GET", "/hello", ""))
		if got := c.receive("GET").text(); got != Hello {
			t.Error(got)
		}
	}
	for _, what := range []string{"", header[:10], header} {
		besiege(srv, healthy, silent(t, what))
	}
}

// protocolSlow has the four forms over another protocol, whose requests are
// slow by their own bytes: anything else might be refused for what it is.
func protocolSlow(t *testing.T, s Subject, p Protocol) {
	srv := s.start(t, options{limits: protocol.Limits{HeaderTime: brief, BodyTime: brief, IdleTime: brief, WriteTime: brief}})
	healthy := func() {
		a := newAsker(srv, p)
		defer a.close()
		a.expect("GET", "/hello", "", 200, Hello)
	}
	long := strings.Repeat("x", 20_000)
	for what, r := range map[string]protocoltest.Request{
		"header": {Method: "GET", Target: "/hello", Host: "test", Header: []gateway.Field{{Name: "X-Slow", Value: long}}},
		"body":   {Method: "POST", Target: "/echo", Host: "test", Body: long},
	} {
		stream := string(p.Client.Encode(r))
		at := len(stream) - len(long)/2
		before := srv.svc.Counters.Timeouts.Load()
		besiege(srv, healthy, func(c *client) {
			defer drip(c, stream[:at], stream[at:])()
			all, err := io.ReadAll(c.r)
			if err != nil {
				t.Errorf("a %s that does not end: %v", what, err)
				return
			}
			if r, _, err := p.Client.Decode(r.Method, all, true); err != nil || r.Status != 408 {
				t.Errorf("a %s that does not end must be answered 408 and the connection close: %+v, %v", what, r, err)
			}
		})
		if srv.svc.Counters.Timeouts.Load() == before {
			t.Errorf("a %s that does not end must count as a timeout", what)
		}
	}
	besiege(srv, healthy, func(c *client) {
		if err := c.closedByServer(); err != nil {
			t.Errorf("a silent client must be closed silently: %v", err)
		}
	})
	stream := p.Client.Encode(protocoltest.Request{Method: "GET", Target: "/stream?n=4096&size=65536", Host: "test"})
	besiege(srv, healthy, func(c *client) {
		c.Conn.(*net.TCPConn).SetReadBuffer(8 << 10)
		c.send(string(stream))
		sip(srv, c)
	})
	if got, most := srv.app.Pulled.Load(), int64(max(s.Traits.Slots, 8))*bound; got > most {
		t.Errorf("pulled %d bytes for clients that hardly read, more than %d", got, most)
	}
}
