package gateway_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/dynobench/dyno/protocol/gateway"
)

// under drives app within a middleware, with Lint on both sides of it: a
// middleware is an app to the engine and an engine to the app.
func under(t *testing.T, mw gateway.Middleware, app gateway.App, e *gateway.Environ) outcome {
	t.Helper()
	report := gateway.LintWith(func(err error) { t.Errorf("%s %s: %v", e.Method, e.RequestURI, err) })
	var x gateway.Exchange
	return drive(t, &x, gateway.Wrap(app, report, mw, report), e)
}

func (o outcome) body() string { return strings.Join(o.chunks, "") }

func (o outcome) field(name string) string {
	var values []string
	for _, f := range o.head.Header {
		if strings.EqualFold(f.Name, name) {
			values = append(values, f.Value)
		}
	}
	return strings.Join(values, "|")
}

// say is an app of one answer.
func say(status int, header []gateway.Field, body gateway.Body) gateway.App {
	return func(_ *gateway.Environ, start gateway.StartResponse) gateway.Body {
		if err := start(status, header, nil); err != nil {
			return gateway.Fail(err)
		}
		return body
	}
}

func chunks(all ...string) gateway.Body {
	return gateway.Chunks(func(yield func([]byte, error) bool) {
		for _, c := range all {
			if !yield([]byte(c), nil) {
				return
			}
		}
	})
}

func TestRequestID(t *testing.T) {
	var seen string
	app := func(env *gateway.Environ, start gateway.StartResponse) gateway.Body {
		seen = strings.Clone(env.Get(gateway.RequestIDKey))
		return say(200, plain, gateway.String("x"))(env, start)
	}
	for _, tt := range []struct {
		name, sent string
		passed     string // by a web server, as a variable
		trust      bool
		want       string // "": a new one
	}{
		{"without one", "", "", true, ""},
		{"trusted", "abc-123_X.y", "", true, "abc-123_X.y"},
		{"not trusted", "abc", "", false, ""},
		{"too long", strings.Repeat("a", 129), "", true, ""},
		{"of other bytes", "a b\"<script>", "", true, ""},
		{"a web server's", "", "def", true, "def"},
		{"a web server's, and a client's", "abc", "def", true, "def"},
		{"a web server's, not trusted", "abc", "def", false, ""},
	} {
		e, _ := env(t.Context(), "GET", "/", "")
		if tt.sent != "" {
			e.Header = append(e.Header, gateway.Field{Name: "x-request-id", Value: tt.sent})
		}
		if tt.passed != "" {
			e.Vars = append(e.Vars, gateway.Field{Name: gateway.RequestIDKey, Value: tt.passed})
		}
		o := under(t, gateway.RequestID(tt.trust), app, e)
		got := o.field("X-Request-ID")
		if got != seen || tt.want != "" && got != tt.want || tt.want == "" && !regexp.MustCompile("^[A-Z2-7]{26}$").MatchString(got) {
			t.Errorf("%s: the client gets %q, the app %q, want %q", tt.name, got, seen, tt.want)
		}
		if o.head.Length != 1 {
			t.Errorf("%s: length %d", tt.name, o.head.Length)
		}
	}
	e, _ := env(t.Context(), "GET", "/", "")
	o := under(t, gateway.RequestID(true), say(200, []gateway.Field{{Name: "x-request-id", Value: "mine"}}, nil), e)
	if got := o.field("X-Request-ID"); got != "mine" {
		t.Errorf("an app's own id must stand: %q", got)
	}
}

func TestAccessLog(t *testing.T) {
	broken := errors.New("broken")
	late := gateway.Chunks(func(yield func([]byte, error) bool) { _ = yield([]byte("12345"), nil) && yield(nil, broken) })
	for _, tt := range []struct {
		name   string
		method string
		app    gateway.App
		status int
		bytes  int64
		err    error
	}{
		{"whole", "GET", say(201, plain, chunks("abc", "", "de")), 201, 5, nil},
		{"no body", "GET", say(204, nil, nil), 204, 0, nil},
		{"HEAD", "HEAD", say(200, plain, gateway.String("abc")), 200, 0, nil},
		{"broken off", "GET", say(200, plain, late), 200, 5, broken},
		{"failed", "GET", say(200, plain, gateway.Fail(broken)), 500, 0, broken},
		{"panics", "GET", func(*gateway.Environ, gateway.StartResponse) gateway.Body { panic("x") }, 500, 0, gateway.ErrPanic},
		{"panics later", "GET", say(200, plain, gateway.Chunks(func(yield func([]byte, error) bool) { panic("x") })), 500, 0, gateway.ErrPanic},
	} {
		t.Run(tt.name, func(t *testing.T) {
			calls := 0
			e, _ := env(t.Context(), tt.method, "/a?b", "")
			o := under(t, gateway.AccessLog(func(a *gateway.Access) {
				calls++
				if a.Status != tt.status || a.Bytes != tt.bytes || !errors.Is(a.Err, tt.err) || a.Target != "/a?b" || a.Start.IsZero() || a.Duration < 0 {
					t.Errorf("%+v", a)
				}
			}), tt.app, e)
			if calls != 1 {
				t.Errorf("logged %d times", calls)
			}
			if tt.name == "whole" && o.body() != "abcde" {
				t.Error(o)
			}
		})
	}
}

func TestAccessLogForms(t *testing.T) {
	var common, combined, structured bytes.Buffer
	logger := slog.New(slog.NewJSONHandler(&structured, nil))
	forms := []func(*gateway.Access){gateway.CommonLog(&common), gateway.CombinedLog(&combined), gateway.SlogLog(logger)}
	a := gateway.Access{
		Env: &gateway.Environ{Header: []gateway.Field{
			{Name: "Referer", Value: `http://x/" 200 1 "`}, {Name: "User-Agent", Value: "evil\x1b[2J\n127.0.0.1 \\ \xc3\xa9"},
		}, Vars: []gateway.Field{{Name: "REMOTE_USER", Value: "a b\n"}, {Name: gateway.RequestIDKey, Value: "id-1"}}},
		Method: "GET", Target: `/"\` + "\x00", Proto: "HTTP/1.1", Client: "192.0.2.1", Status: 200, Bytes: 1234,
		Start: time.Date(2000, 10, 10, 13, 55, 36, 0, time.FixedZone("", -7*3600)), Duration: time.Millisecond,
	}
	for _, f := range forms {
		f(&a)
	}
	want := `192.0.2.1 - a\x20b\x0a [10/Oct/2000:13:55:36 -0700] "GET /\"\\\x00 HTTP/1.1" 200 1234`
	if got := common.String(); got != want+"\n" {
		t.Errorf("common:\n%s\nwant\n%s", got, want)
	}
	want += ` "http://x/\" 200 1 \"" "evil\x1b[2J\x0a127.0.0.1 \\ \xc3\xa9"`
	if got := combined.String(); got != want+"\n" {
		t.Errorf("combined:\n%s\nwant\n%s", got, want)
	}
	var line map[string]any
	if err := json.Unmarshal(structured.Bytes(), &line); err != nil || strings.Count(structured.String(), "\n") != 1 {
		t.Fatalf("%v: %s", err, &structured)
	}
	for key, want := range map[string]any{"target": a.Target, "status": 200.0, "bytes": 1234.0, "id": "id-1", "level": "INFO", "user": "a b\n"} {
		if line[key] != want {
			t.Errorf("%s is %v, want %v", key, line[key], want)
		}
	}
	common.Reset()
	forms[0](&gateway.Access{Env: new(gateway.Environ), Method: "GET", Target: "/", Proto: "HTTP/1.0", Status: 304})
	if got := common.String(); !strings.HasPrefix(got, "- - - [") || !strings.HasSuffix(got, "\"GET / HTTP/1.0\" 304 -\n") {
		t.Errorf("what is unknown must be a dash: %s", got)
	}
}

func TestTimeout(t *testing.T) {
	const far, none = time.Hour, -1 // a deadline that has passed before the app is called
	patient := func(env *gateway.Environ, start gateway.StartResponse) gateway.Body {
		<-env.Context.Done()
		if context.Cause(env.Context) != gateway.ErrTimedOut {
			t.Errorf("the Context must end with ErrTimedOut, not %v", context.Cause(env.Context))
		}
		return say(200, plain, gateway.String("too late"))(env, start)
	}
	streams := func(env *gateway.Environ, start gateway.StartResponse) gateway.Body {
		return say(200, plain, gateway.Chunks(func(yield func([]byte, error) bool) {
			if yield([]byte("first"), nil) {
				<-env.Context.Done()
				yield([]byte("second"), nil)
			}
		}))(env, start)
	}
	e, _ := env(t.Context(), "GET", "/", "")
	if o := under(t, gateway.Timeout(far), say(200, plain, gateway.String("in time")), e); o.body() != "in time" || o.err != io.EOF || o.head.Length != 7 {
		t.Errorf("in time: %+v", o)
	}
	for _, d := range []time.Duration{none, time.Millisecond} {
		e, _ = env(t.Context(), "GET", "/", "")
		if o := under(t, gateway.Timeout(d), patient, e); o.head.Status != 503 || o.err != io.EOF || strings.Contains(o.body(), "late") || o.field("Content-Length") != strconv.Itoa(len(o.body())) {
			t.Errorf("too late: %+v", o)
		}
	}
	e, _ = env(t.Context(), "GET", "/", "")
	if o := under(t, gateway.Timeout(50*time.Millisecond), streams, e); o.body() != "first" || !errors.Is(o.err, gateway.ErrTimedOut) {
		t.Errorf("too late to answer: %+v", o)
	}
	// That the client has gone is another thing.
	gone, leave := context.WithCancel(t.Context())
	leave()
	e, _ = env(gone, "GET", "/", "")
	if o := under(t, gateway.Timeout(far), say(200, plain, gateway.String("x")), e); o.head.Status != 200 {
		t.Errorf("client gone: %+v", o)
	}
}

func TestRecover(t *testing.T) {
	for _, tt := range []struct {
		name   string
		app    gateway.App
		status int
		body   string
		err    error
		panics int
	}{
		{"none", say(200, plain, gateway.String("fine")), 200, "fine", io.EOF, 0},
		{"in the app", func(*gateway.Environ, gateway.StartResponse) gateway.Body { panic("x") }, 500, "Internal Server Error\n", io.EOF, 1},
		{"after start", func(_ *gateway.Environ, start gateway.StartResponse) gateway.Body {
			start(200, []gateway.Field{{Name: "Content-Length", Value: "3"}}, nil)
			panic("x")
		}, 500, "Internal Server Error\n", io.EOF, 1},
		{"in Next", say(200, plain, gateway.Chunks(func(func([]byte, error) bool) { panic("x") })), 500, "Internal Server Error\n", io.EOF, 1},
		{"after the first byte", say(200, plain, gateway.Chunks(func(yield func([]byte, error) bool) { yield([]byte("first"), nil); panic("x") })),
			200, "first", gateway.ErrPanic, 1},
		{"in a body that knows its size", say(200, plain, sized{&script{size: 9, steps: []step{{before: func() { panic("x") }}}}}), 500, "Internal Server Error\n", io.EOF, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var found []*gateway.PanicError
			e, _ := env(t.Context(), "GET", "/", "")
			o := under(t, gateway.Recover(func(_ *gateway.Environ, p *gateway.PanicError) { found = append(found, p) }), tt.app, e)
			if o.head.Status != tt.status || o.body() != tt.body || !errors.Is(o.err, tt.err) || len(found) != tt.panics {
				t.Errorf("%+v, %d panics", o, len(found))
			}
			for _, p := range found {
				if p.Value != "x" || len(p.Stack) == 0 {
					t.Errorf("%+v", p)
				}
			}
		})
	}
	e, log := env(t.Context(), "GET", "/there", "")
	under(t, gateway.Recover(nil), func(*gateway.Environ, gateway.StartResponse) gateway.Body { panic("on purpose") }, e)
	if !strings.Contains(log.String(), "GET /there: ") || !strings.Contains(log.String(), "on purpose") {
		t.Errorf("log: %s", log)
	}
}

func TestGzip(t *testing.T) {
	long := strings.Repeat("the same again and again; ", 400)
	text := []gateway.Field{{Name: "Content-Type", Value: "text/html; charset=utf-8"}}
	and := func(pairs ...string) []gateway.Field {
		h := append([]gateway.Field(nil), text...)
		for i := 0; i < len(pairs); i += 2 {
			h = append(h, gateway.Field{Name: pairs[i], Value: pairs[i+1]})
		}
		return h
	}
	lengthOf := strconv.Itoa(len(long))
	for _, tt := range []struct {
		name    string
		accept  string
		method  string
		status  int
		header  []gateway.Field
		body    func() gateway.Body
		gzipped bool
		vary    string
		length  int64 // −1: not told
	}{
		{"one chunk", "gzip, br", "GET", 200, text, func() gateway.Body { return gateway.String(long) }, true, "Accept-Encoding", -2},
		{"chunks", "gzip", "GET", 200, text, func() gateway.Body { return chunks("a", "", long, "b") }, true, "Accept-Encoding", -1},
		{"declared", "*", "GET", 200, and("Content-Length", lengthOf, "ETag", `"x"`, "Accept-Ranges", "bytes"), func() gateway.Body { return chunks(long) }, true, "Accept-Encoding", -1},
		{"with an error status", "gzip", "GET", 404, text, func() gateway.Body { return gateway.String(long) }, true, "Accept-Encoding", -2},
		{"another Vary", "gzip", "GET", 200, and("Vary", "Cookie"), func() gateway.Body { return gateway.String(long) }, true, "Cookie|Accept-Encoding", -2},
		{"Vary already", "gzip", "GET", 200, and("Vary", "Cookie, accept-encoding"), func() gateway.Body { return gateway.String(long) }, true, "Cookie, accept-encoding", -2},
		{"not asked for", "", "GET", 200, and("ETag", `"x"`), func() gateway.Body { return gateway.String(long) }, false, "Accept-Encoding", int64(len(long))},
		{"refused", "gzip;q=0, *", "GET", 200, text, func() gateway.Body { return gateway.String(long) }, false, "Accept-Encoding", int64(len(long))},
		{"refused among all", "br, *;q=0", "GET", 200, text, func() gateway.Body { return gateway.String(long) }, false, "Accept-Encoding", int64(len(long))},
		{"a weight", "br;q=1, GZIP ; q=0.2", "GET", 200, text, func() gateway.Body { return gateway.String(long) }, true, "Accept-Encoding", -2},
		{"small", "gzip", "GET", 200, text, func() gateway.Body { return gateway.String("small") }, false, "Accept-Encoding", 5},
		{"small chunk", "gzip", "GET", 200, text, func() gateway.Body { return &script{steps: []step{{chunk: "small", err: io.EOF}}} }, false, "Accept-Encoding", 5},
		{"small, declared", "gzip", "GET", 200, and("Content-Length", "4", "ETag", `"x"`), func() gateway.Body { return chunks("ab", "cd") }, false, "Accept-Encoding", 4},
		{"empty", "gzip", "GET", 200, text, func() gateway.Body { return nil }, false, "Accept-Encoding", 0},
		{"encoded already", "gzip", "GET", 200, and("Content-Encoding", "br"), func() gateway.Body { return gateway.String(long) }, false, "", int64(len(long))},
		{"a part", "gzip", "GET", 206, and("Content-Range", "bytes 0-9/99"), func() gateway.Body { return gateway.String(long) }, false, "", int64(len(long))},
		{"not to be changed", "gzip", "GET", 200, and("Cache-Control", "private, No-Transform"), func() gateway.Body { return gateway.String(long) }, false, "", int64(len(long))},
		{"an image", "gzip", "GET", 200, []gateway.Field{{Name: "content-type", Value: "image/png"}}, func() gateway.Body { return gateway.String(long) }, false, "", int64(len(long))},
		{"not modified", "gzip", "GET", 304, []gateway.Field{{Name: "ETag", Value: `"x"`}}, func() gateway.Body { return nil }, false, "Accept-Encoding", -1},
		{"not modified, not asked for", "", "GET", 304, []gateway.Field{{Name: "ETag", Value: `"x"`}}, func() gateway.Body { return nil }, false, "Accept-Encoding", -1},
		{"HEAD", "gzip", "HEAD", 200, text, func() gateway.Body { return gateway.String(long) }, false, "Accept-Encoding", -1},
		{"HEAD, declared", "gzip", "HEAD", 200, and("Content-Length", lengthOf, "ETag", `"x"`), func() gateway.Body { return chunks(long) }, false, "Accept-Encoding", -1},
		{"HEAD of a small one", "gzip", "HEAD", 200, text, func() gateway.Body { return gateway.String("small") }, false, "Accept-Encoding", 5},
		{"HEAD, not asked for", "", "HEAD", 200, text, func() gateway.Body { return gateway.String(long) }, false, "Accept-Encoding", int64(len(long))},
	} {
		for _, lazy := range []bool{false, true} {
			if lazy && tt.body() == nil {
				continue
			}
			t.Run(fmt.Sprintf("%s/lazy=%v", tt.name, lazy), func(t *testing.T) {
				e, _ := env(t.Context(), tt.method, "/", "")
				if tt.accept != "" {
					e.Header = append(e.Header, gateway.Field{Name: "Accept-Encoding", Value: tt.accept})
				}
				app := say(tt.status, tt.header, tt.body())
				if lazy {
					app = lazily(tt.status, tt.header, tt.body())
				}
				o := under(t, gateway.Gzip(0), app, e)
				if o.err != io.EOF || o.head.Status != tt.status {
					t.Fatalf("%+v", o)
				}
				if got := o.field("Vary"); got != tt.vary {
					t.Errorf("Vary: %q, want %q", got, tt.vary)
				}
				if got := o.field("Content-Encoding"); (got == "gzip") != tt.gzipped {
					t.Errorf("Content-Encoding: %q", got)
				}
				if tt.length != -2 && o.head.Length != tt.length && !lazy {
					t.Errorf("length %d, want %d", o.head.Length, tt.length)
				}
				weak := tt.gzipped || tt.accept != "" && (tt.status == 304 || tt.method == "HEAD")
				if tag := o.field("ETag"); tag != "" && strings.HasPrefix(tag, "W/") != weak {
					t.Errorf("ETag %s", tag)
				}
				if tt.gzipped {
					if o.field("Accept-Ranges") != "" {
						t.Errorf("Accept-Ranges %q", o.field("Accept-Ranges"))
					}
					if got := unzip(t, o.body()); !strings.Contains(got, long) || len(o.body()) > len(long)/2 {
						t.Errorf("%d bytes unpack to %d", len(o.body()), len(got))
					}
				} else if tt.method == "GET" && tt.length > 0 && int64(len(o.body())) != tt.length {
					t.Errorf("body of %d bytes", len(o.body()))
				}
			})
		}
	}
}

// lazily is say by an app that starts with its first chunk.
func lazily(status int, header []gateway.Field, body gateway.Body) gateway.App {
	return func(_ *gateway.Environ, start gateway.StartResponse) gateway.Body {
		return gateway.Chunks(func(yield func([]byte, error) bool) {
			if err := start(status, header, nil); err != nil {
				yield(nil, err)
				return
			}
			defer body.Close()
			for {
				chunk, err := body.Next()
				if !yield(chunk, err) || err != nil {
					return
				}
			}
		})
	}
}

// Each chunk can be read by the client before the next one is made.
func TestGzipFlushes(t *testing.T) {
	e, _ := env(t.Context(), "GET", "/", "")
	e.Header = append(e.Header, gateway.Field{Name: "Accept-Encoding", Value: "gzip"})
	o := under(t, gateway.Gzip(gzip.BestSpeed), say(200, plain, chunks("one ", "two ", "three")), e)
	sofar, read := "", ""
	for i, want := range []string{"one ", "one two ", "one two three"} {
		sofar += o.chunks[i]
		z, err := gzip.NewReader(strings.NewReader(sofar))
		if err != nil {
			t.Fatal(err)
		}
		b, _ := io.ReadAll(z) // it ends in the middle of the stream
		if read = string(b); read != want {
			t.Errorf("after chunk %d the client reads %q, want %q", i, read, want)
		}
	}
}

func TestGzipChangedMind(t *testing.T) {
	cause := errors.New("changed")
	e, _ := env(t.Context(), "GET", "/", "")
	e.Header = append(e.Header, gateway.Field{Name: "Accept-Encoding", Value: "gzip"})
	var x gateway.Exchange // without Lint, which holds the app's mistakes against it
	o := drive(t, &x, gateway.Gzip(0)(func(_ *gateway.Environ, start gateway.StartResponse) gateway.Body {
		start(200, plain, nil)
		if err := start(201, plain, nil); !errors.Is(err, gateway.ErrStarted) {
			t.Errorf("a second start: %v", err)
		}
		if err := start(200, []gateway.Field{{Name: "Upgrade", Value: "x"}}, cause); !errors.Is(err, gateway.ErrHeader) {
			t.Errorf("a hop-by-hop field: %v", err)
		}
		if err := start(503, plain, cause); err != nil {
			t.Error(err)
		}
		return gateway.String("sorry")
	}), e)
	if o.head.Status != 503 || o.body() != "sorry" {
		t.Errorf("%+v", o)
	}
}

func unzip(t *testing.T, s string) string {
	t.Helper()
	z, err := gzip.NewReader(strings.NewReader(s))
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestRouter(t *testing.T) {
	var r gateway.Router
	named := func(name string) gateway.App {
		return func(env *gateway.Environ, start gateway.StartResponse) gateway.Body {
			return say(200, plain, gateway.String(name+" "+gateway.PathValue(env, "id")+gateway.PathValue(env, "rest")))(env, start)
		}
	}
	for _, pattern := range []string{"/{$}", "GET /users/{id}", "POST /users/{id}", "/files/{rest...}", "example.org/host", "/dir/"} {
		r.Handle(pattern, named(pattern))
	}
	for _, tt := range []struct {
		method, target string
		status         int
		body, field    string
	}{
		{"GET", "/", 200, "/{$} ", ""},
		{"GET", "/users/42", 200, "GET /users/{id} 42", ""},
		{"POST", "/users/a%2Fb%20c", 200, "POST /users/{id} a/b c", ""},
		{"HEAD", "/users/42", 200, "", ""},
		{"DELETE", "/users/42", 405, "Method Not Allowed\n", "Allow: GET, HEAD, POST"},
		{"GET", "/files/a/b", 200, "/files/{rest...} a/b", ""},
		{"GET", "/host", 200, "example.org/host ", ""},
		{"GET", "/nothing", 404, "404 page not found\n", ""},
		{"GET", "/dir", 307, "", "Location: /dir/"},
		{"GET", "/dir/../users/1", 307, "", "Location: /users/1"},
	} {
		e, _ := env(t.Context(), tt.method, tt.target, "")
		if u, err := http.NewRequest("GET", tt.target, nil); err == nil {
			e.Path = u.URL.Path
		}
		o := under(t, func(app gateway.App) gateway.App { return app }, r.Serve, e)
		moved := o.head.Status == 301 || o.head.Status == 307
		if o.head.Status != tt.status && !(moved && tt.status == 307) || !moved && o.body() != tt.body {
			t.Errorf("%s %s: %d %q, want %d %q", tt.method, tt.target, o.head.Status, o.body(), tt.status, tt.body)
		}
		if name, value, ok := strings.Cut(tt.field, ": "); ok && o.field(name) != value {
			t.Errorf("%s %s: %s is %q, want %q", tt.method, tt.target, name, o.field(name), value)
		}
	}
	defer func() {
		if recover() == nil {
			t.Error("a malformed pattern must panic")
		}
	}()
	r.Handle("GET  /{", nil)
}
