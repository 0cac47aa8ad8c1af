package enginetest

import (
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
