package enginetest

import (
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/dynobench/dyno/protocol"
)

func testBodyLimit(t *testing.T, s Subject) {
	srv := s.start(t, options{limits: protocol.Limits{Body: 1 << 10}})
	c := srv.dial()
	// The client sends all of it before it looks: it must get to see the answer.
	c.send(request("POST", "/echo", strings.Repeat("x", 100_000)))
	if r := c.receive("POST"); r.err != nil || r.StatusCode != 413 {
		t.Errorf("a body over the limit must be answered 413: %+v", r)
	}
	c.Close()
	srv.alive()
}

// What uploads hold is bounded over all connections: one beyond that is
// answered 503, others go on, and what is held is given back however they end.
func testBodiesLimit(t *testing.T, s Subject) {
	const bodies, part = 1 << 20, 300 << 10
	srv := s.start(t, options{limits: protocol.Limits{Body: 4 << 20, Bodies: bodies}})
	held := srv.svc.Counters.Held.Load
	c := srv.dial()
	c.send(request("POST", "/echo", strings.Repeat("x", 2*bodies)))
	if r := c.receive("POST"); r.err != nil || r.StatusCode != 503 || r.Header.Get("Retry-After") == "" {
		t.Errorf("a body that there is no room for must be answered 503 with Retry-After: %+v", r)
	}
	c.Close()
	srv.eventually("what a refused upload has held must be given back", func() bool { return held() == 0 })
	if s.Traits.Slots != 1 {
		type answer struct {
			response
			from *client
		}
		var clients []*client
		answers := make(chan answer, 8)
		for range 5 {
			c := srv.dial()
			clients = append(clients, c)
			go func() { // the answer may come before all has been sent
				io.WriteString(c, fmt.Sprintf("POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: %d\r\n\r\n%s", 2*part, strings.Repeat("x", part)))
				answers <- answer{c.receive("POST"), c}
			}()
		}
		for got := 0; got < 2; got++ { // no more than three fit
			a := <-answers
			if a.err != nil || a.StatusCode != 503 {
				t.Errorf("an unfinished upload beyond the limit must be answered 503: %+v", a.response)
			}
			if n := held(); n > bodies {
				t.Errorf("%d bytes are held, more than the %d of the limit", n, bodies)
			}
		}
		srv.alive() // small requests are served meanwhile
		for i, c := range clients {
			if i%2 == 0 {
				c.reset()
			} else {
				c.Close()
			}
		}
		srv.eventually("what uploads have held whose clients are gone must be given back", func() bool { return held() == 0 })
	}
	for _, method := range []string{"chunked", "whole"} {
		c := srv.dial()
		body := strings.Repeat("0123456789", part/10)
		if method == "whole" {
			c.send(request("POST", "/echo", body))
		} else {
			c.send(fmt.Sprintf("POST /echo HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", len(body), body))
		}
		if got := c.receive("POST").text(); got != body {
			t.Errorf("%s: an upload that there is room for must be served: %d bytes", method, len(got))
		}
		c.Close()
	}
	srv.eventually("what is held for a request must be given back after its answer", func() bool { return held() == 0 })
}

func testHeaderLimits(t *testing.T, s Subject) {
	srv := s.start(t, options{limits: protocol.Limits{Line: 100, HeaderCount: 6}})
	for _, tt := range []struct {
		what, text string
		status     int
	}{
		{"a request line of the limit", request("GET", "/"+strings.Repeat("x", 100-len("GET / HTTP/1.1")), ""), 404},
		{"a longer one", request("GET", "/"+strings.Repeat("x", 101-len("GET / HTTP/1.1")), ""), 414},
		{"as many fields as the limit", request("GET", "/hello", "", "A: 1", "B: 2", "B: 3", "C: 4", "D: 5"), 200},
		{"one more", request("GET", "/hello", "", "A: 1", "B: 2", "B: 3", "C: 4", "D: 5", "E: 6"), 431},
	} {
		c := srv.dial()
		c.send(tt.text)
		if r := c.receive("GET"); r.err != nil || r.StatusCode != tt.status {
			t.Errorf("%s must be answered %d: %+v", tt.what, tt.status, r)
		}
		c.Close()
	}
	srv.alive()
}

// The app sees the path that was asked for, decoded and in no other way changed.
func testPaths(t *testing.T, s Subject) {
	srv := s.start(t, options{})
	for _, tt := range []struct{ method, target, want string }{
		{"GET", "//a//b/../c/./d/", "//a//b/../c/./d/"},
		{"GET", "/%C3%A9%20+?%41", "/é +"},
		{"GET", "http://other/x?y", "/x"},
		{"OPTIONS", "*", "*"},
	} {
		c := srv.dial()
		c.send(request(tt.method, tt.target, ""))
		if r := c.receive(tt.method); r.err != nil || string(r.body) != tt.want {
			t.Errorf("%s %s: the app must see %q: %q, %v", tt.method, tt.target, tt.want, r.body, r.err)
		}
		c.Close()
	}
}

// Requests are those that the app has run for and whose answer is whole,
// Errors those refused or broken off; a failed app's 500 is both.
func testCounts(t *testing.T, s Subject) {
	srv := s.start(t, options{limits: protocol.Limits{Body: 1 << 10}})
	for _, tt := range []struct {
		what, text       string
		requests, errors int64
	}{
		{"a 404", request("GET", "/none", ""), 1, 0},
		{"an app that writes to its log", request("GET", "/wait?ms=0", ""), 1, 0},
		{"a panic before the first byte", request("GET", "/panic", ""), 1, 1},
		{"a panic after it", request("GET", "/panic-late", ""), 0, 1},
		{"a body too large", request("POST", "/echo", strings.Repeat("x", 2<<10)), 0, 1},
		{"nonsense", "what\r\n\r\n", 0, 1},
		{"a client that leaves", request("GET", "/stream?n=1000000&size=65536", ""), 0, 1},
	} {
		if tt.what == "nonsense" && s.Traits.Uncounted {
			continue
		}
		before := srv.engine.Stats()
		c := srv.dial()
		c.send(tt.text)
		if strings.Contains(tt.text, "/stream") {
			c.head("GET")
			c.reset()
		} else {
			c.receive("GET")
			c.Close()
		}
		srv.eventually("the slot of a client that is gone must be free again", func() bool { return srv.engine.Stats().Busy == 0 })
		var r, e int64
		srv.eventually(tt.what+" must be counted", func() bool { // which is after its slot is free, for some
			after := srv.engine.Stats()
			r, e = after.Requests-before.Requests, after.Errors-before.Errors
			return r+e >= tt.requests+tt.errors
		})
		if r != tt.requests || e != tt.errors {
			t.Errorf("%s must count as %d requests and %d errors, not %d and %d", tt.what, tt.requests, tt.errors, r, e)
		}
	}
}
