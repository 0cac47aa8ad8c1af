package protocol_test

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/dynobench/dyno/protocol"
	"github.com/dynobench/dyno/protocol/fastcgi"
	"github.com/dynobench/dyno/protocol/http1"
	"github.com/dynobench/dyno/protocol/scgi"
	"github.com/dynobench/dyno/protocol/uwsgi"
)

// TestMemoryIsBounded sends without end and counts the bytes that a Session
// holds: what the limits allow, at most twice, whatever comes.
func TestMemoryIsBounded(t *testing.T) {
	const (
		kib    = 1 << 10
		header = 64 * kib // the default limit
		body   = 256 * kib
		head   = "POST / HTTP/1.1\r\nHost: a\r\n"
	)
	params := "\x01\x01\x00\x01\x00\x08\x00\x00\x00\x01\x01\x00\x00\x00\x00\x00" // FCGI_BEGIN_REQUEST
	for _, tt := range []struct {
		name  string
		codec protocol.Codec
		first string
		again string // without end
		most  int    // bytes held
		want  string // how the answer begins; "" if there is none
	}{
		{"a request line", http1.Codec{}, "GET /", "a", 32 * kib, "HTTP/1.1 414 "},
		{"a field", http1.Codec{}, head + "X: ", "a", 2*header + 16*kib, "HTTP/1.1 431 "},
		{"fields", http1.Codec{}, head, "X: aaaaaaaaaaaa\r\n", 2*header + 16*kib, "HTTP/1.1 431 "},
		{"empty lines", http1.Codec{}, "", "\r\n", 16 * kib, "HTTP/1.1 400 "},
		{"a body too large", http1.Codec{}, head + "Content-Length: 262145\r\n\r\n", "a", 16 * kib, "HTTP/1.1 413 "},
		{"a chunk too large", http1.Codec{}, head + "Transfer-Encoding: chunked\r\n\r\n40001\r\n", "a", 16 * kib, "HTTP/1.1 413 "},
		{"chunks", http1.Codec{}, head + "Transfer-Encoding: chunked\r\n\r\n", "10\r\n0123456789abcdef\r\n", 2*body + 16*kib, "HTTP/1.1 413 "},
		{"a chunk extension", http1.Codec{}, head + "Transfer-Encoding: chunked\r\n\r\n1;", "a", 16 * kib, "HTTP/1.1 400 "},
		{"chunk extensions", http1.Codec{}, head + "Transfer-Encoding: chunked\r\n\r\n", "1;aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\nx\r\n", 64 * kib, "HTTP/1.1 400 "},
		{"a trailer", http1.Codec{}, head + "Transfer-Encoding: chunked\r\n\r\n0\r\nX: ", "a", 2*header + 16*kib, "HTTP/1.1 431 "},
		{"trailers", http1.Codec{}, head + "Transfer-Encoding: chunked\r\n\r\n0\r\n", "X: aaaaaaaaaaaa\r\n", 2*header + 16*kib, "HTTP/1.1 431 "},
		{"pipelined requests", http1.Codec{}, "", "GET / HTTP/1.1\r\nHost: a\r\n\r\n", 160 * kib, "HTTP/1.1 200 "},
		{"pipelined bodies", http1.Codec{}, "", head + "Content-Length: 5\r\n\r\nhello", 160 * kib, "HTTP/1.1 200 "},
		{"no HTTP", http1.Codec{}, "", "\x16\x03\x01", 16 * kib, "HTTP/1.1 400 "},
		{"a packet", uwsgi.Codec{}, "\x00\xff\xff\x00", "a", 2*header + 16*kib, "HTTP/1.1 400 "},
		{"packets", uwsgi.Codec{}, "", "\x00\x00\x00\x00", 16 * kib, "HTTP/1.1 400 "},
		{"a length", scgi.Codec{}, "", "1", 16 * kib, "Status: 431 "},
		{"a netstring", scgi.Codec{}, "999999:CONTENT_LENGTH\x000\x00", "a", 16 * kib, "Status: 431 "},
		{"records of nobody", fastcgi.Codec{}, "", "\x01\x05\x00\x07\x00\x08\x00\x0001234567", 16 * kib, ""},
		{"padding", fastcgi.Codec{}, "", "\x01\x05\x00\x07\x00\x00\xff\x00" + strings.Repeat("\x00", 255), 16 * kib, ""},
		{"questions", fastcgi.Codec{}, "", "\x01\x09\x00\x00\x00\x00\x00\x00", 160 * kib, "\x01\x0a"},
		{"variables", fastcgi.Codec{}, params, "\x01\x04\x00\x01\x00\x08\x00\x00\x01\x05Xvalue", 2*header + 80*kib, "\x01"},
		{"a second request", fastcgi.Codec{}, params, "\x01\x01\x00\x02\x00\x08\x00\x00\x00\x01\x01\x00\x00\x00\x00\x00", 160 * kib, "\x01\x03"},
	} {
		for _, reads := range []bool{true, false} { // does the client?
			t.Run(fmt.Sprintf("%s %s, reads %v", tt.codec.Name(), tt.name, reads), func(t *testing.T) {
				svc := protocol.NewService(say("ok"), tt.codec)
				svc.Log = slog.New(slog.DiscardHandler)
				svc.Limits = protocol.Limits{Body: body}
				s := svc.NewSession(protocol.Peer{})
				defer s.Release()
				stream := tt.first + strings.Repeat(tt.again, 2<<20/len(tt.again))
				var out strings.Builder
				largest := 0
				for len(stream) > 0 && s.Next() == protocol.Read {
					stream = stream[s.Feed([]byte(stream[:min(100_000, len(stream))])):]
					for more := true; more; {
						largest = max(largest, s.Held())
						switch s.Next() {
						case protocol.Run:
							s.Run()
						case protocol.Write:
							if out.Len() < 4*kib {
								out.Write(s.Output())
							}
							if more = reads; reads {
								s.Sent(len(s.Output()))
							}
						default:
							more = false
						}
					}
				}
				if largest > tt.most {
					t.Errorf("%d bytes held, more than %d", largest, tt.most)
				}
				if got := out.String(); !strings.HasPrefix(got, tt.want) {
					t.Errorf("answered %.60q, want %q", got, tt.want)
				}
			})
		}
	}
}

// TestHeldIsBounded has many clients upload and not finish, on connections that
// share a limit, and ends them in every way there is.
func TestHeldIsBounded(t *testing.T) {
	const limit, body, part = 1 << 20, 512 << 10, 200 << 10
	head := fmt.Sprintf("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n", body)
	for name, end := range map[string]func(*client){
		"aborted":  func(c *client) { c.Abort(errors.New("reset")) },
		"gone":     func(c *client) { c.EOF() },
		"too late": func(c *client) { c.Expire(time.Now().Add(time.Hour)); c.all() },
		"released": func(c *client) { c.Release() },
		"finished": func(c *client) { c.send(strings.Repeat("x", body-part)); c.all() },
		"refused":  func(c *client) { c.send(strings.Repeat("x", body-part)); c.all(); c.send("nonsense\r\n\r\n"); c.all() },
		"followed": func(c *client) { c.send(strings.Repeat("x", body-part)); c.all(); c.send(get + "GET"); c.all() },
	} {
		t.Run(name, func(t *testing.T) {
			svc := protocol.NewService(say("ok"), http1.Codec{})
			svc.Log = slog.New(slog.DiscardHandler)
			svc.Limits = protocol.Limits{Bodies: limit}
			var open []*client
			refused, held := 0, 0
			for range 20 {
				c := &client{t: t, Session: svc.NewSession(protocol.Peer{})}
				c.send(head + strings.Repeat("x", part))
				if c.Next() == protocol.Write {
					if got := c.all(); !strings.HasPrefix(got, "HTTP/1.1 503 ") || !strings.Contains(got, "Retry-After: 1\r\n") {
						t.Errorf("got %q", got)
					}
					c.next(protocol.Close)
					refused++
					continue
				}
				open = append(open, c)
				held += c.Held()
				if n := svc.Counters.Held.Load(); n > limit || held > limit+len(open)*protocol.HeldFree {
					t.Fatalf("%d bytes held, and %d are known", held, n)
				}
			}
			if len(open) < limit/body || refused == 0 || svc.Counters.Shed.Load() != int64(refused) {
				t.Errorf("%d are taken and %d refused, %d shed", len(open), refused, svc.Counters.Shed.Load())
			}
			small := &client{t: t, Session: svc.NewSession(protocol.Peer{})}
			for _, request := range []string{get, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10000\r\n\r\n" + strings.Repeat("x", 10000)} {
				small.send(request)
				if got := small.all(); !strings.HasPrefix(got, "HTTP/1.1 200 ") {
					t.Errorf("small requests must be served: %q", got)
				}
			}
			for _, c := range open {
				end(c)
			}
			if n := svc.Counters.Held.Load(); n != 0 {
				t.Errorf("%d bytes are not given back", n)
			}
		})
	}
}

// A small request is served by whatever buffer it gets, also where there is no
// room for more: one that a larger request has left is not held against it.
func TestSmallRequestsAreNotHeld(t *testing.T) {
	svc := protocol.NewService(say("ok"), http1.Codec{})
	ask := func(size int) {
		c := &client{t: t, Session: svc.NewSession(protocol.Peer{})}
		defer c.Release()
		text := fmt.Sprintf("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%s", size, strings.Repeat("x", size))
		for len(text) > 0 {
			n := min(len(text), 1000)
			c.send(text[:n])
			text = text[n:]
		}
		if got := c.all(); !strings.HasPrefix(got, "HTTP/1.1 200 ") {
			t.Errorf("%d bytes: %q", size, got)
		}
	}
	for range 10 {
		ask(60_000)
		if !svc.Hold(svc.Limits.MaxBodies()) {
			t.Fatal("something is held")
		}
		ask(12_000)
		svc.Hold(-svc.Limits.MaxBodies())
	}
	if n := svc.Counters.Held.Load(); n != 0 {
		t.Errorf("%d bytes are not given back", n)
	}
}

func TestMaxBodies(t *testing.T) {
	for _, tt := range []struct {
		limits protocol.Limits
		want   int64
	}{
		{protocol.Limits{}, 256 << 20},
		{protocol.Limits{Body: 1 << 30}, 1 << 30},
		{protocol.Limits{Body: 1 << 30, Bodies: 1}, 1},
		{protocol.Limits{Bodies: -1}, math.MaxInt64},
		{protocol.Limits{Body: -1}, math.MaxInt64},
	} {
		if got := tt.limits.MaxBodies(); got != tt.want {
			t.Errorf("%+v: %d, want %d", tt.limits, got, tt.want)
		}
	}
}
