package gateway_test

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/dynobench/dyno/internal/testkit"
	"github.com/dynobench/dyno/protocol/gateway"
)

var plain = []gateway.Field{{Name: "Content-Type", Value: "text/plain"}}

// script is a Body told step by step; each step may call start.
type script struct {
	steps  []step
	size   int64 // −1: not told
	pulled int
	closed int
}

type step struct {
	before func()
	chunk  string
	err    error
}

func (s *script) Next() ([]byte, error) {
	if s.pulled == len(s.steps) {
		return nil, io.EOF
	}
	st := s.steps[s.pulled]
	s.pulled++
	if st.before != nil {
		st.before()
	}
	return []byte(st.chunk), st.err
}

func (s *script) Close() error { s.closed++; return nil }

// sized is a script that is a gateway.Sized.
type sized struct{ *script }

func (s sized) Size() int64 { return s.size }

// outcome is all that a server sees of an exchange.
type outcome struct {
	chunks []string // "" is a yield point
	head   gateway.Head
	left   bool
	err    error
}

func drive(t *testing.T, x *gateway.Exchange, app gateway.App, env *gateway.Environ) outcome {
	t.Helper()
	var out outcome
	x.Begin(app, env)
	for range 100_000 {
		chunk, err := x.Next()
		if err == nil || len(chunk) > 0 {
			out.chunks = append(out.chunks, string(chunk))
		}
		if err == nil {
			continue
		}
		out.err, out.head, out.left = err, x.Head(), x.Left()
		out.head.Header = slices.Clone(out.head.Header)
		if _, again := x.Next(); again != err {
			t.Errorf("Next after its error: %v, want %v again", again, err)
		}
		x.Close()
		x.Close()
		return out
	}
	t.Fatal("the exchange does not end")
	return out
}

var errCause = errors.New("changed my mind")

func TestExchange(t *testing.T) {
	length := func(s string) []gateway.Field { return []gateway.Field{plain[0], {Name: "content-length", Value: s}} }
	tests := []struct {
		name   string
		method string // default GET
		// app returns what the app does; s is its body, checked afterwards.
		app    func(env *gateway.Environ, start gateway.StartResponse, s *script) gateway.Body
		want   outcome
		pulls  int
		noBody bool // the app does not return s
	}{
		{
			name: "whole at once",
			app: func(_ *gateway.Environ, start gateway.StartResponse, s *script) gateway.Body {
				start(200, plain, nil)
				s.steps = []step{{chunk: "hello", err: io.EOF}}
				return s
			},
			want:  outcome{chunks: []string{"hello"}, head: gateway.Head{Status: 200, Length: 5}, left: true, err: io.EOF},
			pulls: 1,
		}, {
			name: "length unknown",
			app: func(_ *gateway.Environ, start gateway.StartResponse, s *script) gateway.Body {
				start(200, plain, nil)
				s.steps = []step{{chunk: "a"}, {chunk: ""}, {chunk: "b", err: io.EOF}}
				return s
			},
			want:  outcome{chunks: []string{"a", "", "b"}, head: gateway.Head{Status: 200, Length: -1}, left: true, err: io.EOF},
			pulls: 3,
		}, {
			name: "length told by the body",
			app: func(_ *gateway.Environ, start gateway.StartResponse, s *script) gateway.Body {
				start(200, plain, nil)
				s.steps, s.size = []step{{chunk: "a"}, {chunk: "b"}}, 2
				return sized{s}
			},
			want:  outcome{chunks: []string{"a", "b"}, head: gateway.Head{Status: 200, Length: 2}, left: true, err: io.EOF},
			pulls: 2,
		}, {
			name: "start from within Next, after a yield point",
			app: func(_ *gateway.Environ, start gateway.StartResponse, s *script) gateway.Body {
				s.steps, s.size = []step{{chunk: ""}, {before: func() { start(201, plain, nil) }, chunk: "ab"}}, 2
				return sized{s}
			},
			want:  outcome{chunks: []string{"", "ab"}, head: gateway.Head{Status: 201, Length: 2}, left: true, err: io.EOF},
			pulls: 2,
		}, {
			name: "nil body",
			app: func(_ *gateway.Environ, start gateway.StartResponse, _ *script) gateway.Body {
				start(200, plain, nil)
				return nil
			},
			want:   outcome{head: gateway.Head{Status: 200, Length: 0}, err: io.EOF},
			noBody: true,
		}, {
			name: "no start at all",
			app: func(*gateway.Environ, gateway.StartResponse, *script) gateway.Body {
				return nil
			},
			want:   outcome{err: gateway.ErrNoStart},
			noBody: true,
		}, {
			name: "chunk before start",
			app: func(_ *gateway.Environ, _ gateway.StartResponse, s *script) gateway.Body {
				s.steps = []step{{chunk: "x"}}
				return s
			},
			want:  outcome{err: gateway.ErrNoStart},
			pulls: 1,
		}, {
			name: "replaced before bytes left",
			app: func(_ *gateway.Environ, start gateway.StartResponse, s *script) gateway.Body {
				start(200, length("7"), nil)
				if err := start(500, plain, errCause); err != nil {
					t.Errorf("replacing start: %v", err)
				}
				s.steps = []step{{chunk: "oops", err: io.EOF}}
				return s
			},
			want:  outcome{chunks: []string{"oops"}, head: gateway.Head{Status: 500, Length: 4}, left: true, err: io.EOF},
			pulls: 1,
		}, {
			name: "second start without a cause has no effect",
			app: func(_ *gateway.Environ, start gateway.StartResponse, s *script) gateway.Body {
				start(200, plain, nil)
				if err := start(500, plain, nil); !errors.Is(err, gateway.ErrStarted) {
					t.Errorf("second start: %v", err)
				}
				s.steps = []step{{chunk: "x", err: io.EOF}}
				return s
			},
			want:  outcome{chunks: []string{"x"}, head: gateway.Head{Status: 200, Length: 1}, left: true, err: io.EOF},
			pulls: 1,
		}, {
			name: "cut after bytes left",
			app: func(_ *gateway.Environ, start gateway.StartResponse, s *script) gateway.Body {
				start(200, plain, nil)
				s.steps = []step{{chunk: "a"}, {before: func() {
					if err := start(500, plain, errCause); err != errCause {
						t.Errorf("start with cause after bytes left: %v", err)
					}
				}, chunk: "never sent"}, {chunk: "nor this"}}
				return s
			},
			want:  outcome{chunks: []string{"a"}, head: gateway.Head{Status: 200, Length: -1}, left: true, err: errCause},
			pulls: 2,
		}, {
			name: "error before bytes left",
			app: func(_ *gateway.Environ, start gateway.StartResponse, s *script) gateway.Body {
				start(200, plain, nil)
				s.steps = []step{{chunk: "lost", err: errCause}}
				return s
			},
			want:  outcome{err: errCause, head: gateway.Head{Status: 200, Length: -1}},
			pulls: 1,
		}, {
			name: "longer than declared, across chunks",
			app: func(_ *gateway.Environ, start gateway.StartResponse, s *script) gateway.Body {
				start(200, length("3"), nil)
				s.steps = []step{{chunk: "ab"}, {chunk: "cd"}, {chunk: "e"}}
				return s
			},
			want:  outcome{chunks: []string{"ab", "c"}, head: gateway.Head{Status: 200, Length: 3, Declared: true}, left: true, err: gateway.ErrTooLong},
			pulls: 2,
		}, {
			name: "longer than declared, in a chunk of its own",
			app: func(_ *gateway.Environ, start gateway.StartResponse, s *script) gateway.Body {
				start(200, length("2"), nil)
				s.steps = []step{{chunk: "ab"}, {chunk: ""}, {chunk: "c"}}
				return s
			},
			want:  outcome{chunks: []string{"ab", ""}, head: gateway.Head{Status: 200, Length: 2, Declared: true}, left: true, err: gateway.ErrTooLong},
			pulls: 3,
		}, {
			name: "shorter than declared",
			app: func(_ *gateway.Environ, start gateway.StartResponse, s *script) gateway.Body {
				start(200, length("5"), nil)
				s.steps = []step{{chunk: "ab"}, {chunk: "c", err: io.EOF}}
				return s
			},
			want:  outcome{chunks: []string{"ab"}, head: gateway.Head{Status: 200, Length: 5, Declared: true}, left: true, err: gateway.ErrTooShort},
			pulls: 2,
		}, {
			name: "shorter than declared, before bytes left",
			app: func(_ *gateway.Environ, start gateway.StartResponse, s *script) gateway.Body {
				start(200, length("5"), nil)
				s.steps = []step{{chunk: "ab", err: io.EOF}}
				return s
			},
			want:  outcome{head: gateway.Head{Status: 200, Length: 5, Declared: true}, err: gateway.ErrTooShort},
			pulls: 1,
		}, {
			name: "longer than a sized body said",
			app: func(_ *gateway.Environ, start gateway.StartResponse, s *script) gateway.Body {
				start(200, plain, nil)
				s.steps, s.size = []step{{chunk: "abc"}}, 1
				return sized{s}
			},
			want:  outcome{chunks: []string{"a"}, head: gateway.Head{Status: 200, Length: 1}, left: true, err: gateway.ErrTooLong},
			pulls: 1,
		}, {
			name: "HEAD", method: "HEAD",
			app: func(_ *gateway.Environ, start gateway.StartResponse, s *script) gateway.Body {
				start(200, plain, nil)
				s.steps, s.size = []step{{chunk: "abc"}}, 3
				return sized{s}
			},
			want: outcome{head: gateway.Head{Status: 200, Length: 3, NoBody: true}, err: io.EOF},
		}, {
			name: "HEAD with a lazy start", method: "HEAD",
			app: func(_ *gateway.Environ, start gateway.StartResponse, s *script) gateway.Body {
				s.steps = []step{{}, {before: func() { start(200, plain, nil) }, chunk: "abc"}, {chunk: "d"}}
				return s
			},
			want:  outcome{chunks: []string{""}, head: gateway.Head{Status: 200, Length: -1, NoBody: true}, err: io.EOF},
			pulls: 2,
		}, {
			name: "204",
			app: func(_ *gateway.Environ, start gateway.StartResponse, s *script) gateway.Body {
				start(204, plain, nil)
				s.steps, s.size = []step{{chunk: "abc"}}, 3
				return sized{s}
			},
			want: outcome{head: gateway.Head{Status: 204, Length: -1, NoBody: true}, err: io.EOF},
		}, {
			name: "304 keeps a declared length",
			app: func(_ *gateway.Environ, start gateway.StartResponse, s *script) gateway.Body {
				start(304, length("99"), nil)
				return s
			},
			want: outcome{head: gateway.Head{Status: 304, Length: 99, Declared: true, NoBody: true}, err: io.EOF},
		}, {
			name: "panic in the app",
			app: func(*gateway.Environ, gateway.StartResponse, *script) gateway.Body {
				panic("boom")
			},
			want:   outcome{err: gateway.ErrPanic},
			noBody: true,
		}, {
			name: "panic in the body, after bytes left",
			app: func(_ *gateway.Environ, start gateway.StartResponse, s *script) gateway.Body {
				start(200, plain, nil)
				s.steps = []step{{chunk: "a"}, {before: func() { panic(errCause) }}}
				return s
			},
			want:  outcome{chunks: []string{"a"}, head: gateway.Head{Status: 200, Length: -1}, left: true, err: errCause},
			pulls: 2,
		},
	}
	var x gateway.Exchange // one for all: what a request leaves behind must not show in the next
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			env := &gateway.Environ{Method: "GET", Path: "/"}
			if tt.method != "" {
				env.Method = tt.method
			}
			s := &script{size: -1}
			got := drive(t, &x, func(env *gateway.Environ, start gateway.StartResponse) gateway.Body {
				return tt.app(env, start, s)
			}, env)
			if !errors.Is(got.err, tt.want.err) {
				t.Errorf("error %v, want %v", got.err, tt.want.err)
			}
			if !slices.Equal(got.chunks, tt.want.chunks) {
				t.Errorf("chunks %q, want %q", got.chunks, tt.want.chunks)
			}
			if got.left != tt.want.left {
				t.Errorf("left %v, want %v", got.left, tt.want.left)
			}
			got.head.Header = nil
			if meaningful := got.left || got.err == io.EOF; meaningful && fmt.Sprint(got.head) != fmt.Sprint(tt.want.head) {
				t.Errorf("head %+v, want %+v", got.head, tt.want.head)
			}
			wantClosed := 1
			if tt.noBody {
				wantClosed = 0
			}
			if s.closed != wantClosed {
				t.Errorf("body closed %d times, want %d", s.closed, wantClosed)
			}
			if s.pulled != tt.pulls {
				t.Errorf("body pulled %d times, want %d", s.pulled, tt.pulls)
			}
		})
	}
}

func TestStartRefuses(t *testing.T) {
	field := func(name, value string) []gateway.Field { return []gateway.Field{{Name: name, Value: value}} }
	tests := []struct {
		name   string
		status int
		header []gateway.Field
		want   error
	}{
		{"informational", 101, plain, gateway.ErrStatus},
		{"too small", 99, plain, gateway.ErrStatus},
		{"too large", 1000, plain, gateway.ErrStatus},
		{"empty name", 200, field("", "x"), gateway.ErrHeader},
		{"name with blank", 200, field("A B", "x"), gateway.ErrHeader},
		{"name with colon", 200, field("A:", "x"), gateway.ErrHeader},
		{"name beyond ASCII", 200, field("É", "x"), gateway.ErrHeader},
		{"CR in value", 200, field("A", "x\ry"), gateway.ErrHeader},
		{"LF in value", 200, field("A", "x\n"), gateway.ErrHeader},
		{"NUL in value", 200, field("A", "\x00"), gateway.ErrHeader},
		{"length with sign", 200, field("Content-Length", "+1"), gateway.ErrHeader},
		{"length empty", 200, field("Content-Length", ""), gateway.ErrHeader},
		{"length with blank", 200, field("Content-Length", " 1"), gateway.ErrHeader},
		{"length too large", 200, field("Content-Length", "9223372036854775808"), gateway.ErrHeader},
		{"length twice", 200, append(field("Content-Length", "1"), field("content-length", "1")...), gateway.ErrHeader},
		{"length with 204", 204, field("Content-Length", "0"), gateway.ErrHeader},
		{"largest length", 200, field("Content-Length", "9223372036854775807"), nil},
		{"value beyond ASCII", 200, field("A", "é"), nil},
		{"empty value", 200, field("A", ""), nil},
		{"unknown status", 799, nil, nil},
	}
	for _, name := range []string{"Connection", "keep-alive", "Proxy-Authenticate", "proxy-authorization", "TE",
		"Trailer", "trailers", "TRANSFER-ENCODING", "Upgrade", "Proxy-Connection"} {
		tests = append(tests, struct {
			name   string
			status int
			header []gateway.Field
			want   error
		}{name, 200, field(name, "x"), gateway.ErrHeader})
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var x gateway.Exchange
			out := drive(t, &x, func(_ *gateway.Environ, start gateway.StartResponse) gateway.Body {
				if err := start(tt.status, tt.header, nil); !errors.Is(err, tt.want) {
					t.Errorf("start: %v, want %v", err, tt.want)
				}
				start(201, plain, nil) // without effect unless the first was refused
				return nil
			}, &gateway.Environ{Method: "GET"})
			if wantStatus := 201; tt.want != nil && out.head.Status != wantStatus {
				t.Errorf("a refused start had an effect: status %d", out.head.Status)
			}
		})
	}
}

func TestExchangePanicCarriesValueAndStack(t *testing.T) {
	var x gateway.Exchange
	out := drive(t, &x, func(*gateway.Environ, gateway.StartResponse) gateway.Body { panic(errCause) }, &gateway.Environ{})
	var p *gateway.PanicError
	if !errors.As(out.err, &p) || p.Value != errCause || !errors.Is(out.err, errCause) {
		t.Fatalf("got %v, want a PanicError of errCause", out.err)
	}
	if !strings.Contains(string(p.Stack), "exchange_test.go") {
		t.Errorf("the stack does not show the app:\n%s", p.Stack)
	}
}

func TestExchangeClosedMidway(t *testing.T) {
	var x gateway.Exchange
	s := &script{steps: []step{{chunk: "a"}, {chunk: "b"}}}
	var kept gateway.StartResponse
	x.Begin(func(_ *gateway.Environ, start gateway.StartResponse) gateway.Body {
		kept = start
		start(200, plain, nil)
		return s
	}, &gateway.Environ{})
	x.Next()
	x.Close()
	if s.closed != 1 || s.pulled != 1 {
		t.Errorf("closed %d times after %d pulls, want once after one", s.closed, s.pulled)
	}
	if chunk, err := x.Next(); err == nil || len(chunk) > 0 {
		t.Errorf("Next after Close: %q, %v", chunk, err)
	}
	if err := kept(200, nil, nil); err == nil {
		t.Error("start after Close succeeded")
	}
}

func TestExchangeBeginTwicePanics(t *testing.T) {
	var x gateway.Exchange
	x.Begin(func(*gateway.Environ, gateway.StartResponse) gateway.Body { return nil }, &gateway.Environ{})
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	x.Begin(nil, nil)
}

func helloApp(_ *gateway.Environ, start gateway.StartResponse) gateway.Body {
	start(200, plain, nil)
	return gateway.String("Hello, World!")
}

func exchangeOnce(x *gateway.Exchange, env *gateway.Environ) {
	x.Begin(helloApp, env)
	for {
		if _, err := x.Next(); err != nil {
			break
		}
	}
	x.Close()
}

func TestExchangeDoesNotAllocate(t *testing.T) {
	if testkit.Race {
		t.Skip("under the race detector sync.Pool drops at random, so allocations cannot be counted")
	}
	var x gateway.Exchange
	env := &gateway.Environ{Method: "GET"}
	if n := testing.AllocsPerRun(1000, func() { exchangeOnce(&x, env) }); n != 0 {
		t.Errorf("%v allocations per request", n)
	}
}

func BenchmarkExchange(b *testing.B) {
	b.ReportAllocs()
	var x gateway.Exchange
	env := &gateway.Environ{Method: "GET"}
	for b.Loop() {
		exchangeOnce(&x, env)
	}
}
