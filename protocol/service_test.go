package protocol_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/dynobench/dyno/protocol"
	"github.com/dynobench/dyno/protocol/gateway"
	"github.com/dynobench/dyno/protocol/http1"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// client drives one Session step by step.
type client struct {
	*protocol.Session
	t   *testing.T
	svc *protocol.Service
	log *bytes.Buffer
}

func connect(t *testing.T, app gateway.App, with ...func(*protocol.Service)) *client {
	c := &client{t: t, log: new(bytes.Buffer)}
	c.svc = protocol.NewService(app, http1.Codec{})
	c.svc.Log = slog.New(slog.NewTextHandler(c.log, nil))
	for _, f := range with {
		f(c.svc)
	}
	c.Session = c.svc.NewSession(protocol.Peer{
		Local:  &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 80},
		Remote: &net.TCPAddr{IP: net.IPv6loopback, Port: 4567},
	})
	t.Cleanup(c.Release)
	return c
}

func (c *client) send(s string) {
	c.t.Helper()
	if n := c.Feed([]byte(s)); n != len(s) {
		c.t.Fatalf("Feed took %d of %d bytes", n, len(s))
	}
}

func (c *client) next(want protocol.Action) {
	c.t.Helper()
	if got := c.Next(); got != want {
		c.t.Fatalf("Next is %v, want %v; output %.200q", got, want, c.Output())
	}
}

// run expects Run, and runs.
func (c *client) run() {
	c.t.Helper()
	c.next(protocol.Run)
	c.Run()
}

// read expects Write, and takes all output there is without running.
func (c *client) read() string {
	c.t.Helper()
	c.next(protocol.Write)
	var got strings.Builder
	for c.Next() == protocol.Write {
		got.Write(c.Output())
		c.Sent(len(c.Output()))
	}
	return got.String()
}

// all drives the Session until it wants to read or close.
func (c *client) all() string {
	var got strings.Builder
	for {
		switch c.Next() {
		case protocol.Run:
			c.Run()
		case protocol.Write:
			got.Write(c.Output())
			c.Sent(len(c.Output()))
		default:
			return got.String()
		}
	}
}

func (c *client) counted(requests, errors int64) {
	c.t.Helper()
	if r, e := c.svc.Counters.Requests.Load(), c.svc.Counters.Errors.Load(); r != requests || e != errors {
		c.t.Errorf("counted %d requests and %d errors, want %d and %d", r, e, requests, errors)
	}
}

// expect compares an answer, of which want has {DATE} for the Date field.
func expect(t *testing.T, got, want string) {
	t.Helper()
	if i := strings.Index(got, "Date: "); i >= 0 && strings.Contains(want, "{DATE}") {
		for i >= 0 {
			got = got[:i] + "{DATE}" + got[i+len("Date: Thu, 01 Jan 1970 00:00:00 GMT"):]
			i = strings.Index(got, "Date: ")
		}
	}
	if got != want {
		t.Fatalf("got  %q\nwant %q", got, want)
	}
}

const get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"

var plain = []gateway.Field{{Name: "Content-Type", Value: "text/plain"}}

// say answers with text at once.
func say(text string) gateway.App {
	return func(_ *gateway.Environ, start gateway.StartResponse) gateway.Body {
		start(200, plain, nil)
		return gateway.Bytes([]byte(text))
	}
}

// target answers with the request's target.
func target(env *gateway.Environ, start gateway.StartResponse) gateway.Body {
	start(200, nil, nil)
	return gateway.Bytes([]byte(env.RequestURI))
}

// steps is a Body that does what it is told, and counts.
type steps struct {
	next   func(n int) ([]byte, error)
	n      int
	closed int
}

func (s *steps) Next() ([]byte, error) { s.n++; return s.next(s.n) }
func (s *steps) Close() error          { s.closed++; return nil }

func (s *steps) app(header ...gateway.Field) gateway.App {
	return func(_ *gateway.Environ, start gateway.StartResponse) gateway.Body {
		start(200, header, nil)
		return s
	}
}

func chunks(parts ...string) *steps {
	return &steps{next: func(n int) ([]byte, error) {
		if n > len(parts) {
			return nil, io.EOF
		}
		return []byte(parts[n-1]), nil
	}}
}

func TestEnviron(t *testing.T) {
	var env *gateway.Environ
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	svc := protocol.NewService(func(e *gateway.Environ, start gateway.StartResponse) gateway.Body {
		env = e.Clone()
		if e.Context.Err() != nil || e.Wait != nil {
			t.Errorf("Context ended, or a Wait from nowhere")
		}
		io.WriteString(e.Errors, "written by the app\n")
		return say("x")(e, start)
	}, http1.Codec{})
	var log bytes.Buffer
	svc.Log = slog.New(slog.NewTextHandler(&log, nil))
	svc.Flags = gateway.Flags{MultiThread: true, NonBlocking: true}
	c := &client{t: t, svc: svc, Session: svc.NewSession(protocol.Peer{
		Local:   &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 80},
		Remote:  &net.TCPAddr{IP: net.IPv6loopback, Port: 4567},
		Context: ctx,
	})}
	defer c.Release()
	c.send("POST /a%20b?c HTTP/1.1\r\nHost: x:81\r\nContent-Type: text/css\r\nContent-Length: 2\r\n\r\nhi")
	c.all()
	for key, want := range map[string]string{
		"REQUEST_METHOD": "POST", "SCRIPT_NAME": "", "PATH_INFO": "/a b", "QUERY_STRING": "c",
		"REQUEST_URI": "/a%20b?c", "SERVER_PROTOCOL": "HTTP/1.1", "wsgi.url_scheme": "http",
		"HTTP_HOST": "x:81", "SERVER_NAME": "127.0.0.1", "SERVER_PORT": "80", "REMOTE_ADDR": "::1",
		"REMOTE_PORT": "4567", "CONTENT_TYPE": "text/css", "CONTENT_LENGTH": "2",
	} {
		if got := env.Get(key); got != want {
			t.Errorf("%s is %q, want %q", key, got, want)
		}
	}
	if env.Flags != svc.Flags {
		t.Errorf("flags %+v", env.Flags)
	}
	if !strings.Contains(log.String(), `msg=app text="written by the app"`) {
		t.Errorf("log: %s", log.String())
	}
}

// SERVER_NAME and SERVER_PORT are never empty.
func TestServerNameOfUnixSocket(t *testing.T) {
	for host, want := range map[string]string{
		"": "localhost:80", "a": "a:80", "a:": "a:80", "a:81": "a:81", ":81": "localhost:81",
		"[::1]": "[::1]:80", "[::1]:81": "[::1]:81",
	} {
		svc := protocol.NewService(func(env *gateway.Environ, start gateway.StartResponse) gateway.Body {
			return say(env.ServerName+":"+env.ServerPort+" "+env.RemoteAddr)(env, start)
		}, http1.Codec{})
		unix := &net.UnixAddr{Net: "unix", Name: "/x"}
		c := &client{t: t, svc: svc, Session: svc.NewSession(protocol.Peer{Local: unix, Remote: unix})}
		c.send("GET / HTTP/1.1\r\nHost: " + host + "\r\n\r\n")
		if got := c.all(); !strings.HasSuffix(got, "\r\n"+want+" ") {
			t.Errorf("Host %q: got %q, want %s", host, got, want)
		}
		c.Release()
	}
}

func TestContext(t *testing.T) {
	cause := errors.New("gone")
	for _, c := range []struct {
		name string
		end  func(c *client, engine context.CancelCauseFunc)
		want error
	}{
		{"abort", func(c *client, _ context.CancelCauseFunc) { c.Abort(cause) }, cause},
		{"cancel", func(c *client, _ context.CancelCauseFunc) { c.Cancel(cause) }, cause},
		{"release", func(c *client, _ context.CancelCauseFunc) { c.Release() }, protocol.ErrReleased},
		{"engine", func(_ *client, engine context.CancelCauseFunc) { engine(cause) }, cause},
	} {
		t.Run(c.name, func(t *testing.T) {
			engine, cancel := context.WithCancelCause(context.WithValue(context.Background(), contextKey{}, "value"))
			defer cancel(nil)
			var ctx, derived context.Context
			svc := protocol.NewService(func(env *gateway.Environ, start gateway.StartResponse) gateway.Body {
				ctx = env.Context
				var stop context.CancelFunc
				derived, stop = context.WithCancel(ctx)
				t.Cleanup(stop)
				start(200, nil, nil)
				return chunks("a", "b")
			}, http1.Codec{})
			svc.Log = slog.New(slog.DiscardHandler)
			s := &client{t: t, svc: svc, Session: svc.NewSession(protocol.Peer{Context: engine})}
			defer s.Release()
			s.send(get)
			s.run()
			if ctx.Err() != nil || ctx.Value(contextKey{}) != "value" {
				t.Fatalf("at first: %v, value %v", ctx.Err(), ctx.Value(contextKey{}))
			}
			c.end(s, cancel)
			<-ctx.Done()
			<-derived.Done()
			if ctx.Err() != context.Canceled || context.Cause(ctx) != c.want || context.Cause(derived) != c.want {
				t.Errorf("ended with %v, %v, derived %v", ctx.Err(), context.Cause(ctx), context.Cause(derived))
			}
		})
	}
}

type contextKey struct{}
