package gateway_test

import (
	"context"
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"

	"github.com/dynobench/dyno/protocol/gateway"
)

// linted is one request under Lint, with the engine's moves in the test's hands.
type linted struct {
	t    *testing.T
	env  *gateway.Environ
	body gateway.Body
	// start is what the engine gives; left is set by the engine once bytes have left.
	refuse error
	found  []string // rules, with who broke them
}

func (l *linted) report(err error) {
	var v *gateway.Violation
	if !errors.As(err, &v) {
		l.t.Errorf("reported %T, want a Violation", err)
		return
	}
	l.found = append(l.found, v.By+": "+v.Rule)
}

func (l *linted) begin(app gateway.App) {
	l.body = gateway.LintWith(l.report)(app)(l.env, func(int, []gateway.Field, error) error { return l.refuse })
}

// pull calls Next to the end and Close.
func (l *linted) pull() (err error) {
	for err == nil {
		_, err = l.body.Next()
	}
	l.body.Close()
	return err
}

func TestLint(t *testing.T) {
	length := func(s string) []gateway.Field { return []gateway.Field{{Name: "Content-Length", Value: s}} }
	answer := func(header []gateway.Field, steps ...step) gateway.App {
		return func(_ *gateway.Environ, start gateway.StartResponse) gateway.Body {
			start(200, header, nil)
			return &script{steps: steps, size: -1}
		}
	}
	two := answer(plain, step{chunk: "a"}, step{chunk: "b"})
	misfilled := func(change func(*gateway.Environ)) func(*linted) {
		return func(l *linted) {
			change(l.env)
			l.begin(helloApp)
			l.pull()
		}
	}
	tests := []struct {
		name string
		want string // "" if nothing is to be found
		run  func(l *linted)
	}{
		{"all is well", "", func(l *linted) { l.begin(two); l.pull() }},
		{"a variable beside its field", "engine: environ misfilled", misfilled(func(e *gateway.Environ) {
			e.Vars = append(e.Vars, gateway.Field{Name: "PATH_INFO", Value: "/other"})
		})},
		{"a variable without a name", "engine: environ misfilled", misfilled(func(e *gateway.Environ) {
			e.Vars = append(e.Vars, gateway.Field{Value: "x"})
		})},
		{"a size that a replaced answer had", "", func(l *linted) {
			l.begin(func(_ *gateway.Environ, start gateway.StartResponse) gateway.Body {
				start(200, plain, nil)
				return sized{&script{size: 9, steps: []step{{before: func() { start(500, plain, errCause) }, chunk: "x", err: io.EOF}}}}
			})
			l.pull()
		}},
		{"HEAD closed at once", "", func(l *linted) { l.env.Method = "HEAD"; l.begin(two); l.body.Close() }},
		{"closed early, client gone", "", func(l *linted) {
			ctx, cancel := context.WithCancel(t.Context())
			l.env.Context = ctx
			l.begin(two)
			l.body.Next()
			cancel()
			l.body.Close()
		}},
		{"the app's own error", "", func(l *linted) {
			l.begin(answer(plain, step{err: errCause}))
			if err := l.pull(); err != errCause {
				t.Errorf("error %v", err)
			}
		}},
		{"replaced with a cause", "", func(l *linted) {
			l.begin(func(_ *gateway.Environ, start gateway.StartResponse) gateway.Body {
				start(200, length("5"), nil)
				start(500, length("1"), errCause)
				return &script{steps: []step{{chunk: "x"}}}
			})
			l.pull()
		}},
		{"cut with a cause", "", func(l *linted) {
			l.begin(func(_ *gateway.Environ, start gateway.StartResponse) gateway.Body {
				start(200, plain, nil)
				return &script{steps: []step{{chunk: "x"}, {before: func() { start(500, plain, errCause) }}}}
			})
			l.body.Next()
			l.body.Next()
			l.body.Close()
		}},

		{"chunk before start", "app: chunk before start", func(l *linted) {
			l.begin(func(*gateway.Environ, gateway.StartResponse) gateway.Body { return gateway.String("x") })
			l.pull()
		}},
		{"no start", "app: no start", func(l *linted) {
			l.begin(func(*gateway.Environ, gateway.StartResponse) gateway.Body { return nil })
			l.pull()
		}},
		{"second start", "app: second start without a cause", func(l *linted) {
			l.begin(func(_ *gateway.Environ, start gateway.StartResponse) gateway.Body {
				start(200, plain, nil)
				start(200, plain, nil)
				return nil
			})
			l.pull()
		}},
		{"start after Close", "app: start after Close", func(l *linted) {
			var kept gateway.StartResponse
			l.begin(func(_ *gateway.Environ, start gateway.StartResponse) gateway.Body {
				kept = start
				start(200, plain, nil)
				return nil
			})
			l.pull()
			kept(200, plain, nil)
		}},
		{"status out of range", "app: head refused", func(l *linted) {
			l.begin(func(_ *gateway.Environ, start gateway.StartResponse) gateway.Body { start(99, nil, nil); return nil })
			l.pull()
		}},
		{"hop-by-hop", "app: head refused", func(l *linted) {
			l.begin(answer([]gateway.Field{{Name: "Connection", Value: "close"}}))
			l.pull()
		}},
		{"header name", "app: head refused", func(l *linted) { l.begin(answer([]gateway.Field{{Name: "a b"}})); l.pull() }},
		{"header value with CR LF", "app: head refused", func(l *linted) {
			l.begin(answer([]gateway.Field{{Name: "A", Value: "x\r\nB: y"}}))
			l.pull()
		}},
		{"header value with blanks around", "app: head refused", func(l *linted) {
			l.begin(answer([]gateway.Field{{Name: "A", Value: " x"}}))
			l.pull()
		}},
		{"header value with a control character", "app: head refused", func(l *linted) {
			l.begin(answer([]gateway.Field{{Name: "A", Value: "x\x01"}}))
			l.pull()
		}},
		{"longer than Content-Length", "app: body too long", func(l *linted) { l.begin(answer(length("1"), step{chunk: "ab"})); l.pull() }},
		{"shorter than Content-Length", "app: body too short", func(l *linted) { l.begin(answer(length("3"), step{chunk: "ab"})); l.pull() }},
		{"other than Size", "app: body too short", func(l *linted) {
			l.begin(func(_ *gateway.Environ, start gateway.StartResponse) gateway.Body {
				start(200, plain, nil)
				return sized{&script{size: 2}}
			})
			if size := l.body.(gateway.Sized).Size(); size != 2 {
				t.Errorf("Size = %d through Lint", size)
			}
			l.pull()
		}},
		{"body with 204", "app: body without leave", func(l *linted) {
			l.begin(func(_ *gateway.Environ, start gateway.StartResponse) gateway.Body {
				start(204, nil, nil)
				return gateway.String("x")
			})
			l.pull()
		}},
		{"chunk changed by the app", "app: chunk changed", func(l *linted) {
			buf := []byte("abc")
			l.begin(func(_ *gateway.Environ, start gateway.StartResponse) gateway.Body {
				start(200, plain, nil)
				return gateway.Chunks(func(yield func([]byte, error) bool) { yield(buf, nil) })
			})
			l.body.Next()
			buf[0] = 'x'
			l.pull()
		}},
		{"header changed", "app: header changed", func(l *linted) {
			header := []gateway.Field{{Name: "A", Value: "b"}}
			l.begin(answer(header))
			header[0].Value = "c"
			l.pull()
		}},

		{"no method", "engine: environ misfilled", misfilled(func(e *gateway.Environ) { e.Method = "" })},
		{"path not rooted", "engine: environ misfilled", misfilled(func(e *gateway.Environ) { e.Path = "x" })},
		{"path empty", "engine: environ misfilled", misfilled(func(e *gateway.Environ) { e.Path = "" })},
		{"path empty below a script", "", misfilled(func(e *gateway.Environ) { e.ScriptName, e.Path = "/app", "" })},
		{"the server itself", "", misfilled(func(e *gateway.Environ) { e.Method, e.Path = "OPTIONS", "*" })},
		{"script not rooted", "engine: environ misfilled", misfilled(func(e *gateway.Environ) { e.ScriptName = "app" })},
		{"scheme", "engine: environ misfilled", misfilled(func(e *gateway.Environ) { e.Scheme = "" })},
		{"protocol", "engine: environ misfilled", misfilled(func(e *gateway.Environ) { e.Proto = "" })},
		{"server name", "engine: environ misfilled", misfilled(func(e *gateway.Environ) { e.ServerName = "" })},
		{"server port", "engine: environ misfilled", misfilled(func(e *gateway.Environ) { e.ServerPort = "" })},
		{"length negative", "engine: environ misfilled", misfilled(func(e *gateway.Environ) { e.ContentLength = -1 })},
		{"nil Input", "engine: environ misfilled", misfilled(func(e *gateway.Environ) { e.Input = nil })},
		{"nil Errors", "engine: environ misfilled", misfilled(func(e *gateway.Environ) { e.Errors = nil })},
		{"nil Context", "engine: environ misfilled", misfilled(func(e *gateway.Environ) { e.Context = nil })},
		{"nil Wait", "engine: environ misfilled", misfilled(func(e *gateway.Environ) { e.Wait = nil })},
		{"header field", "engine: environ misfilled", misfilled(func(e *gateway.Environ) {
			e.Header = append(e.Header, gateway.Field{Name: "A", Value: "x\ny"})
		})},
		{"Input too short", "engine: environ misfilled", func(l *linted) { l.env.ContentLength = 9; l.begin(reader); l.pull() }},
		{"Input too long", "engine: environ misfilled", func(l *linted) { l.env.ContentLength = 2; l.begin(reader); l.pull() }},
		{"Input right", "", func(l *linted) { l.begin(reader); l.pull() }},
		{"Next after the end", "engine: Next after the end", func(l *linted) {
			l.begin(answer(plain))
			l.body.Next()
			l.body.Next()
			l.body.Close()
		}},
		{"Next after an error", "engine: Next after the end", func(l *linted) {
			l.begin(answer(plain, step{err: errCause}))
			l.body.Next()
			l.body.Next()
			l.body.Close()
		}},
		{"Next after Close", "engine: Next after Close", func(l *linted) { l.begin(two); l.pull(); l.body.Next() }},
		{"closed twice", "engine: closed twice", func(l *linted) { l.begin(two); l.pull(); l.body.Close() }},
		{"closed before the end", "engine: closed before the end", func(l *linted) { l.begin(two); l.body.Next(); l.body.Close() }},
		{"concurrent Next", "engine: concurrent calls", func(l *linted) {
			l.begin(func(_ *gateway.Environ, start gateway.StartResponse) gateway.Body {
				start(200, plain, nil)
				return &script{steps: []step{{before: func() { l.body.Next() }, chunk: "x"}}}
			})
			l.pull()
		}},
		{"Close during Next", "engine: concurrent calls", func(l *linted) {
			l.begin(func(_ *gateway.Environ, start gateway.StartResponse) gateway.Body {
				start(200, plain, nil)
				return &script{steps: []step{{before: func() { l.body.Close() }, chunk: "x"}}}
			})
			l.pull()
		}},
		{"chunk written to", "engine: chunk written to", func(l *linted) {
			l.begin(two)
			chunk, _ := l.body.Next()
			chunk[0] = 'x'
			l.pull()
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e, log := env(t.Context(), "POST", "/", "input")
			l := &linted{t: t, env: e}
			tt.run(l)
			if got := strings.Join(l.found, ", "); got != tt.want {
				t.Errorf("found %q, want %q", got, tt.want)
			}
			if tt.want != "" && tt.name != "nil Errors" && !strings.Contains(log.String(), "gateway: lint: the "+strings.Split(tt.want, ":")[0]) {
				t.Errorf("env.Errors has %q", log)
			}
		})
	}
}

func reader(env *gateway.Environ, start gateway.StartResponse) gateway.Body {
	io.Copy(io.Discard, env.Input)
	start(200, plain, nil)
	return gateway.String("ok")
}

// The violation breaks the answer off: through an Exchange it is an error before
// bytes have left, a 500.
func TestLintBreaksOff(t *testing.T) {
	app := func(_ *gateway.Environ, start gateway.StartResponse) gateway.Body {
		start(200, []gateway.Field{{Name: "Connection", Value: "close"}}, nil)
		start(200, plain, nil) // as if nothing had been
		return gateway.String("x")
	}
	var x gateway.Exchange
	e, _ := env(t.Context(), "GET", "/", "")
	out := drive(t, &x, gateway.Lint(app), e)
	var v *gateway.Violation
	if !errors.As(out.err, &v) || v.By != "app" || out.left {
		t.Errorf("got %+v", out)
	}
}

// A chunk used after the next call shows in the bytes.
func TestLintTakesChunksBack(t *testing.T) {
	e, _ := env(t.Context(), "GET", "/", "")
	l := &linted{t: t, env: e}
	l.begin(func(_ *gateway.Environ, start gateway.StartResponse) gateway.Body {
		start(200, plain, nil)
		return &script{steps: []step{{chunk: "abc"}}}
	})
	chunk, _ := l.body.Next()
	l.pull()
	if string(chunk) != "!!!" {
		t.Errorf("the chunk is %q after the next call", chunk)
	}
}

func TestLintNeverClosed(t *testing.T) {
	found := make(chan error, 1)
	func() {
		e, _ := env(t.Context(), "GET", "/", "")
		app := gateway.LintWith(func(err error) { found <- err })(helloApp)
		app(e, func(int, []gateway.Field, error) error { return nil })
	}()
	for {
		runtime.GC()
		select {
		case err := <-found:
			if !strings.Contains(err.Error(), "never closed") {
				t.Error(err)
			}
			return
		default:
			runtime.Gosched()
		}
	}
}
