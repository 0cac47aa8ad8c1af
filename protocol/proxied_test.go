package protocol_test

import (
	"strings"
	"testing"
	"time"

	"github.com/dynobench/dyno/protocol"
	"github.com/dynobench/dyno/protocol/gateway"
)

// What comes before a connection's first request, where the Service asks for it.

const (
	line4  = "PROXY TCP4 10.0.0.1 10.0.0.2 1234 443\r\n"
	line6  = "PROXY TCP6 2001:db8::1 ::ffff:10.0.0.2 1 2\r\n"
	binary = "\r\n\r\n\x00\r\nQUIT\n"
)

func proxied(s *protocol.Service) { s.Proxied = true }

// ends answers with the two ends of the connection.
func ends(env *gateway.Environ, start gateway.StartResponse) gateway.Body {
	return say(env.RemoteAddr+" "+env.RemotePort+" > "+env.ServerName+" "+env.ServerPort)(env, start)
}

func TestProxied(t *testing.T) {
	const own = "::1 4567 > 127.0.0.1 80"
	for _, tt := range []struct{ name, header, want string }{
		{"TCP4", line4, "10.0.0.1 1234 > 10.0.0.2 443"},
		{"TCP6", line6, "2001:db8::1 1 > 10.0.0.2 2"},
		{"UNKNOWN", "PROXY UNKNOWN\r\n", own},
		{"2, IPv4", binary + "\x21\x11\x00\x0c\x0a\x00\x00\x01\x0a\x00\x00\x02\x04\xd2\x01\xbb", "10.0.0.1 1234 > 10.0.0.2 443"},
		{"2, with TLVs", binary + "\x21\x11\x10\x00\x0a\x00\x00\x01\x0a\x00\x00\x02\x04\xd2\x01\xbb" + strings.Repeat("x", 4096-12),
			"10.0.0.1 1234 > 10.0.0.2 443"},
		{"2, LOCAL", binary + "\x20\x11\x00\x0c\x0a\x00\x00\x01\x0a\x00\x00\x02\x04\xd2\x01\xbb", own},
	} {
		t.Run(tt.name, func(t *testing.T) {
			stream := tt.header + get + get
			for _, n := range []int{1, len(tt.header) - 1, len(tt.header), len(tt.header) + 1, len(stream)} {
				c := connect(t, ends, proxied)
				var got strings.Builder
				for rest := stream; len(rest) > 0; rest = rest[min(n, len(rest)):] {
					c.send(rest[:min(n, len(rest))])
					got.WriteString(c.all())
				}
				if strings.Count(got.String(), "\r\n\r\n"+tt.want) != 2 {
					t.Errorf("in pieces of %d: got %q, want %q twice", n, got.String(), tt.want)
				}
				c.next(protocol.Read)
				c.counted(2, 0)
			}
		})
	}
}

// A connection without a header is closed without a word, and nothing of it is
// taken for a request.
func TestProxiedWithout(t *testing.T) {
	for _, stream := range []string{get, "\r\n" + get, "PROXY TCP4\r\n" + get, line4[:10] + "\n" + get, binary + "\x31\x00\x00\x00" + get} {
		c := connect(t, ends, proxied)
		c.Feed([]byte(stream))
		c.next(protocol.Close)
		if len(c.Output()) > 0 || c.Broken() {
			t.Errorf("%q: output %q, broken %v", stream, c.Output(), c.Broken())
		}
		c.counted(0, 1)
	}
	// A header comes once.
	c := connect(t, ends, proxied)
	c.send(line4 + line4)
	if got := c.all(); !strings.HasPrefix(got, "HTTP/1.1 400 ") {
		t.Errorf("a second header: got %q", got)
	}
}

// Unasked, a header is a request like any other, and no good one.
func TestProxyHeaderUnasked(t *testing.T) {
	for _, header := range []string{line4, "PROXY UNKNOWN\r\n", binary + "\x20\x00\x00\x00"} {
		c := connect(t, ends)
		c.Feed([]byte(header + get))
		if got := c.all(); !strings.HasPrefix(got, "HTTP/1.1 400 ") {
			t.Errorf("%q: got %q", header, got)
		}
		c.next(protocol.Close)
		c.counted(0, 1)
	}
}

func TestProxiedEnds(t *testing.T) {
	limits := func(s *protocol.Service) {
		s.Proxied = true
		s.Limits = protocol.Limits{HeaderTime: 1 * time.Hour, IdleTime: 3 * time.Hour}
	}
	in := func(c *client, d time.Duration) {
		t.Helper()
		if left := time.Until(c.Deadline()); left > d || left < d-30*time.Minute {
			t.Errorf("the deadline is in %v, want %v", left, d)
		}
	}
	for _, part := range []string{"", "P", line4[:len(line4)-1]} {
		c := connect(t, ends, limits)
		in(c, time.Hour)
		d := c.Deadline()
		c.send(part)
		if !c.Deadline().Equal(d) {
			t.Errorf("%q moves the deadline", part)
		}
		c.Expire(d.Add(-1))
		c.next(protocol.Read)
		c.Expire(d)
		c.next(protocol.Close)
		if len(c.Output()) > 0 || c.Held() > 0 {
			t.Errorf("%q: output %q, %d bytes held", part, c.Output(), c.Held())
		}
		c.counted(0, 1)
	}
	// From its end on the connection is as any other.
	c := connect(t, ends, limits)
	c.send(line4)
	if !c.Idle() || c.Held() > 0 {
		t.Errorf("idle %v, %d bytes held", c.Idle(), c.Held())
	}
	in(c, time.Hour)
	d := c.Deadline()
	c.send("GET")
	if !c.Deadline().Equal(d) {
		t.Error("the time of the first request runs from the accept")
	}
	c.Expire(c.Deadline())
	if got := c.all(); !strings.HasPrefix(got, "HTTP/1.1 408 ") {
		t.Errorf("got %q", got)
	}

	for part, errors := range map[string]int64{"": 0, "PROXY": 1, line4: 0} {
		c := connect(t, ends, proxied)
		c.send(part)
		c.EOF()
		c.next(protocol.Close)
		c.counted(0, errors)
	}
	for _, part := range []string{"", line4} {
		c := connect(t, ends, proxied)
		c.send(part)
		c.Drain()
		c.next(protocol.Close)
		c.counted(0, 0)
	}
}
