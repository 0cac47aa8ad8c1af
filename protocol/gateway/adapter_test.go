package gateway_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dynobench/dyno/protocol/gateway"
)

// env is an Environ that Lint has nothing to say against.
func env(ctx context.Context, method, target, body string) (*gateway.Environ, *bytes.Buffer) {
	log := new(bytes.Buffer)
	path, query, _ := strings.Cut(target, "?")
	return &gateway.Environ{
		Method: method, Path: path, Query: query, RequestURI: target, Proto: "HTTP/1.1", Scheme: "http",
		Host: "example.org", ServerName: "example.org", ServerPort: "80", RemoteAddr: "192.0.2.1", RemotePort: "1234",
		Header:        []gateway.Field{{Name: "Host", Value: "example.org"}, {Name: "x-test", Value: "1"}},
		ContentLength: int64(len(body)), Input: strings.NewReader(body), Errors: log,
		Context: ctx, Wait: testWaiter{},
	}, log
}

type testWaiter struct{}

func (testWaiter) Sleep(ctx context.Context, d time.Duration) error           { return ctx.Err() }
func (testWaiter) Readable(ctx context.Context, _ int, _ time.Duration) error { return ctx.Err() }
func (testWaiter) Writable(ctx context.Context, _ int, _ time.Duration) error { return ctx.Err() }

func runHandler(t *testing.T, h http.HandlerFunc, method, target, body string) (outcome, *bytes.Buffer) {
	t.Helper()
	var x gateway.Exchange
	e, log := env(t.Context(), method, target, body)
	return drive(t, &x, gateway.Lint(gateway.FromHTTP(h)), e), log
}

func fields(h gateway.Head) string {
	var list []string
	for _, f := range h.Header {
		list = append(list, f.Name+": "+f.Value)
	}
	return strings.Join(list, "\n")
}

func TestFromHTTP(t *testing.T) {
	big := strings.Repeat("0123456789", 1000)
	tests := []struct {
		name    string
		method  string // default GET
		handler http.HandlerFunc
		chunks  []string
		status  int
		header  string
		length  int64
		err     error // default io.EOF
		log     string
	}{
		{name: "small", handler: func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "hello") },
			chunks: []string{"hello"}, status: 200, header: "Content-Type: text/plain; charset=utf-8", length: 5},
		{name: "nothing", handler: func(w http.ResponseWriter, r *http.Request) {}, status: 200, length: 0},
		{name: "status", handler: func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(404) }, status: 404, length: 0},
		{name: "type given", handler: func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "a/b")
			io.WriteString(w, "<html>")
		}, chunks: []string{"<html>"}, status: 200, header: "Content-Type: a/b", length: 6},
		{name: "type not wanted", handler: func(w http.ResponseWriter, r *http.Request) {
			w.Header()["Content-Type"] = nil
			io.WriteString(w, "<html>")
		}, chunks: []string{"<html>"}, status: 200, length: 6},
		{name: "sniffed", handler: func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "<html>") },
			chunks: []string{"<html>"}, status: 200, header: "Content-Type: text/html; charset=utf-8", length: 6},
		{name: "encoded is not sniffed", handler: func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			io.WriteString(w, "<html>")
		}, chunks: []string{"<html>"}, status: 200, header: "Content-Encoding: gzip", length: 6},
		{name: "flushed", handler: func(w http.ResponseWriter, r *http.Request) {
			w.(http.Flusher).Flush() // without a byte: nothing to send yet
			io.WriteString(w, "a")
			w.(http.Flusher).Flush()
			io.WriteString(w, "b")
		}, chunks: []string{"a", "b"}, status: 200, header: "Content-Type: text/plain; charset=utf-8", length: -1},
		{name: "large", handler: func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, big) },
			chunks: []string{big[:4096], big[4096:8192], big[8192:]}, status: 200, header: "Content-Type: text/plain; charset=utf-8", length: -1},
		{name: "large, length declared", handler: func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "10000")
			w.Write([]byte(big))
		}, chunks: []string{big[:4096], big[4096:8192], big[8192:]}, status: 200,
			header: "Content-Length: 10000\nContent-Type: text/plain; charset=utf-8", length: 10000},
		{name: "longer than declared", handler: func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "2")
			io.WriteString(w, "ab")
			if _, err := io.WriteString(w, "c"); err != http.ErrContentLength {
				t.Errorf("surplus write: %v", err)
			}
		}, chunks: []string{"ab"}, status: 200, header: "Content-Length: 2\nContent-Type: text/plain; charset=utf-8", length: 2},
		{name: "header dropped and repaired", handler: func(w http.ResponseWriter, r *http.Request) {
			h := w.Header()
			h.Set("Connection", "close")
			h.Set("Transfer-Encoding", "chunked")
			h.Set("Trailer", "X")
			h.Set(http.TrailerPrefix+"X", "1")
			h.Set("Content-Length", "many")
			h["Bad Name"] = []string{"x"}
			h.Set("X-Lines", " a\r\nb\x00 ")
			h.Add("X-Twice", "1")
			h.Add("X-Twice", "2")
			w.WriteHeader(200)
			h.Set("X-Late", "1")
		}, status: 200, header: "X-Lines: a  b\nX-Twice: 1\nX-Twice: 2", length: 0},
		{name: "204", handler: func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "0")
			w.WriteHeader(204)
			if _, err := io.WriteString(w, "x"); err != http.ErrBodyNotAllowed {
				t.Errorf("write after 204: %v", err)
			}
		}, status: 204, length: -1},
		{name: "early hints are dropped", handler: func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(103)
			w.WriteHeader(201)
		}, status: 201, length: 0},
		{name: "superfluous", handler: func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(200)
			w.WriteHeader(500)
		}, status: 200, length: 0, log: "superfluous WriteHeader(500) after 200"},
		{name: "HEAD", method: "HEAD", handler: func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "hello") },
			status: 200, header: "Content-Type: text/plain; charset=utf-8", length: 5},
		{name: "HEAD without a body written", method: "HEAD", handler: func(w http.ResponseWriter, r *http.Request) {},
			status: 200, length: -1},
		{name: "HEAD of something endless", method: "HEAD", handler: func(w http.ResponseWriter, r *http.Request) {
			for {
				if _, err := io.WriteString(w, big); err != nil {
					break
				}
			}
			<-r.Context().Done()
		}, status: 200, header: "Content-Type: text/plain; charset=utf-8", length: -1},
		{name: "panic", handler: func(w http.ResponseWriter, r *http.Request) {
			io.WriteString(w, "lost")
			panic("boom")
		}, err: gateway.ErrPanic},
		{name: "abort after bytes", handler: func(w http.ResponseWriter, r *http.Request) {
			io.WriteString(w, "a")
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		}, chunks: []string{"a"}, status: 200, header: "Content-Type: text/plain; charset=utf-8", length: -1, err: http.ErrAbortHandler},
		{name: "invalid status", handler: func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(42) }, err: gateway.ErrPanic},
		{name: "switching protocols", handler: func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(101) }, err: errAny,
			log: "101 is not between 200 and 999"},
		{name: "hijack", handler: func(w http.ResponseWriter, r *http.Request) {
			if _, _, err := http.NewResponseController(w).Hijack(); !errors.Is(err, http.ErrNotSupported) {
				t.Errorf("Hijack: %v", err)
			}
			if err := http.NewResponseController(w).EnableFullDuplex(); err != nil {
				t.Errorf("EnableFullDuplex: %v", err)
			}
		}, status: 200, length: 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			method := "GET"
			if tt.method != "" {
				method = tt.method
			}
			want := tt.err
			if want == nil {
				want = io.EOF
			}
			out, log := runHandler(t, tt.handler, method, "/", "")
			if !errors.Is(out.err, want) && want != errAny {
				t.Errorf("error %v, want %v", out.err, want)
			}
			if strings.Join(out.chunks, "|") != strings.Join(tt.chunks, "|") {
				t.Errorf("chunks %.40q, want %.40q", out.chunks, tt.chunks)
			}
			if tt.status != 0 && (out.head.Status != tt.status || fields(out.head) != tt.header || out.head.Length != tt.length) {
				t.Errorf("head %d, %d bytes, %q; want %d, %d bytes, %q", out.head.Status, out.head.Length, fields(out.head),
					tt.status, tt.length, tt.header)
			}
			if !strings.Contains(log.String(), tt.log) || tt.log == "" && log.Len() > 0 {
				t.Errorf("log %q, want %q", log, tt.log)
			}
		})
	}
}

var errAny = errors.New("any error")

func TestFromHTTPRequest(t *testing.T) {
	var got *http.Request
	var body []byte
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r
		body, _ = io.ReadAll(r.Body)
	})
	e, _ := env(t.Context(), "POST", "/a%2Fb?q=1", "input")
	e.Path = "/a/b"
	e.ContentType = "text/plain"
	e.Header = append(e.Header, gateway.Field{Name: "X-Test", Value: "2"}, gateway.Field{Name: "Transfer-Encoding", Value: "chunked"})
	kept := []byte("example.org")
	e.Host = unsafeString(kept)
	var x gateway.Exchange
	drive(t, &x, gateway.FromHTTP(handler), e)
	copy(kept, "overwritten") // as a server does once the request is over
	if got.Method != "POST" || got.URL.Path != "/a/b" || got.URL.EscapedPath() != "/a%2Fb" || got.URL.RawQuery != "q=1" ||
		got.Host != "example.org" || got.RemoteAddr != "192.0.2.1:1234" || got.Proto != "HTTP/1.1" || got.ProtoMinor != 1 ||
		got.ContentLength != 5 || got.RequestURI != "/a%2Fb?q=1" || string(body) != "input" {
		t.Errorf("request %+v, body %q", got, body)
	}
	if h := fmt.Sprint(got.Header); h != "map[Content-Type:[text/plain] X-Test:[1 2]]" {
		t.Errorf("header %s", h)
	}
	if _, err := got.Body.Read(make([]byte, 1)); err != http.ErrBodyReadAfterClose {
		t.Errorf("reading on after the handler: %v", err)
	}
	if got.Context().Err() == nil {
		t.Error("the context outlives the request")
	}

	// Mounted by a middleware: the handler sees what is left of the path.
	e, _ = env(t.Context(), "GET", "/app/x?q", "")
	e.ScriptName, e.Path = "/app", "/x"
	drive(t, &x, gateway.FromHTTP(handler), e)
	if got.URL.Path != "/x" || got.URL.RawQuery != "q" || got.RequestURI != "/app/x?q" || got.Body != http.NoBody {
		t.Errorf("mounted: %+v", got)
	}
}

// What only some servers can tell.
func TestFromHTTPConnection(t *testing.T) {
	var got *http.Request
	app := gateway.FromHTTP(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { got = r }))
	var x gateway.Exchange
	e, _ := env(t.Context(), "GET", "/", "")
	e.Scheme, e.RemoteAddr, e.RemotePort = "https", "", ""
	e.LocalAddr = &net.UnixAddr{Name: "/run/app.sock", Net: "unix"}
	drive(t, &x, app, e)
	if got.TLS == nil || !got.TLS.HandshakeComplete || got.RemoteAddr != "@" {
		t.Errorf("TLS %+v, client %q", got.TLS, got.RemoteAddr)
	}
	server, _ := got.Context().Value(http.ServerContextKey).(*http.Server)
	if server == nil || got.Context().Value(http.LocalAddrContextKey) != e.LocalAddr {
		t.Errorf("server %v, at %v", server, got.Context().Value(http.LocalAddrContextKey))
	}
	for fields, last := range map[string]bool{"": false, "keep-alive": false, "X , Close": true, "closed": false} {
		e, _ := env(t.Context(), "GET", "/", "")
		e.Header = append(e.Header, gateway.Field{Name: "connection", Value: fields})
		drive(t, &x, app, e)
		if got.Close != last {
			t.Errorf("Connection: %s: Close is %v", fields, got.Close)
		}
	}
}

// A Write that waits for the client ends with its deadline, also one that is
// set meanwhile, and the answer with it.
func TestFromHTTPWriteDeadline(t *testing.T) {
	for _, meanwhile := range []bool{false, true} {
		failed := make(chan error, 1)
		app := gateway.FromHTTP(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			c := http.NewResponseController(w)
			set := func() {
				if err := c.SetWriteDeadline(time.Now().Add(time.Millisecond)); err != nil {
					t.Error(err)
				}
			}
			if meanwhile {
				defer time.AfterFunc(time.Millisecond, set).Stop()
			} else {
				set()
			}
			var err error
			for err == nil {
				_, err = w.Write(make([]byte, 10_000))
			}
			c.SetWriteDeadline(time.Time{}) // too late
			if _, again := w.Write([]byte("x")); again == nil {
				t.Error("a Write after one that has failed succeeds")
			}
			failed <- err
		}))
		e, _ := env(t.Context(), "GET", "/", "")
		var x gateway.Exchange
		x.Begin(app, e)
		if _, err := x.Next(); err != nil && !errors.Is(err, os.ErrDeadlineExceeded) { // it may be over by then
			t.Fatal(err)
		}
		if err := <-failed; !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("set meanwhile %v: %v", meanwhile, err)
		}
		if _, err := x.Next(); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("the answer goes on: %v", err)
		}
		x.Close()
	}
}

func TestFromHTTPCloseNotify(t *testing.T) {
	ctx, gone := context.WithCancel(t.Context())
	e, _ := env(ctx, "GET", "/", "")
	var x gateway.Exchange
	drive(t, &x, gateway.FromHTTP(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		notify := w.(interface{ CloseNotify() <-chan bool }).CloseNotify()
		gone()
		<-notify
	})), e)
}

// An aborted answer passes all middlewares as what it is.
func TestAborted(t *testing.T) {
	for name, app := range map[string]gateway.App{
		"a handler": gateway.FromHTTP(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })),
		"an app":    func(*gateway.Environ, gateway.StartResponse) gateway.Body { panic(http.ErrAbortHandler) },
		"a chunk": func(*gateway.Environ, gateway.StartResponse) gateway.Body {
			return gateway.Chunks(func(func([]byte, error) bool) { panic(http.ErrAbortHandler) })
		},
		"a body": func(*gateway.Environ, gateway.StartResponse) gateway.Body { return gateway.Fail(http.ErrAbortHandler) },
	} {
		e, log := env(t.Context(), "GET", "/", "")
		status := -1
		recover := gateway.Recover(func(_ *gateway.Environ, err *gateway.PanicError) { t.Errorf("%s: told of %v", name, err) })
		app = gateway.Wrap(app, recover, gateway.Timeout(time.Hour), gateway.AccessLog(func(a *gateway.Access) { status = a.Status }), gateway.Gzip(1), gateway.Lint)
		var x gateway.Exchange
		if out := drive(t, &x, app, e); !gateway.Aborted(out.err) || len(out.chunks) > 0 || log.Len() > 0 || status != 0 {
			t.Errorf("%s: %v, %q, log %q, status %d", name, out.err, out.chunks, log, status)
		}
	}
}

func TestFromHTTPClientGone(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	app := gateway.FromHTTP(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "a")
		w.(http.Flusher).Flush()
		<-r.Context().Done()
		ended <- r.Context().Err()
	}))
	e, _ := env(ctx, "GET", "/", "")
	var x gateway.Exchange
	x.Begin(app, e)
	if chunk, err := x.Next(); string(chunk) != "a" || err != nil {
		t.Fatalf("got %q, %v", chunk, err)
	}
	cancel()
	x.Close() // returns once the handler has
	select {
	case err := <-ended:
		if err != context.Canceled {
			t.Error(err)
		}
	default:
		t.Error("Close has not waited for the handler")
	}
}

func TestFromHTTPWritesFromOtherGoroutines(t *testing.T) {
	const writers, lines = 4, 300
	out, _ := runHandler(t, func(w http.ResponseWriter, r *http.Request) {
		var wg sync.WaitGroup
		for range writers {
			wg.Go(func() {
				for range lines {
					io.WriteString(w, "0123456\n")
					w.(http.Flusher).Flush()
				}
			})
		}
		wg.Wait()
	}, "GET", "/", "")
	if got, want := strings.Join(out.chunks, ""), strings.Repeat("0123456\n", writers*lines); got != want || out.err != io.EOF {
		t.Errorf("%d bytes, want %d; %v", len(got), len(want), out.err)
	}
}

func TestFromHTTPLateWrite(t *testing.T) {
	var late http.ResponseWriter
	runHandler(t, func(w http.ResponseWriter, r *http.Request) { late = w }, "GET", "/", "")
	if _, err := io.WriteString(late, "x"); err == nil {
		t.Error("a write after the handler's return succeeded")
	}
	if err := http.NewResponseController(late).Flush(); err == nil {
		t.Error("a flush after the handler's return succeeded")
	}
	late.WriteHeader(500) // without effect
}

// There and back: what a handler does must survive FromHTTP and ToHTTP.
func TestRoundTrip(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /small", func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "small") })
	mux.HandleFunc("GET /large", func(w http.ResponseWriter, r *http.Request) { w.Write(make([]byte, 100_000)) })
	mux.HandleFunc("POST /echo/{name}", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Name", r.PathValue("name"))
		w.Header().Set("Content-Type", "text/plain") // the recorder does not sniff after WriteHeader
		w.WriteHeader(201)
		io.Copy(w, r.Body)
	})
	mux.Handle("GET /old", http.RedirectHandler("/small", http.StatusMovedPermanently))
	mux.HandleFunc("GET /stream", func(w http.ResponseWriter, r *http.Request) {
		for i := range 5 {
			fmt.Fprintln(w, i)
			w.(http.Flusher).Flush()
		}
	})
	var mu sync.Mutex
	var complaints []error
	lint := gateway.LintWith(func(err error) {
		mu.Lock()
		defer mu.Unlock()
		complaints = append(complaints, err)
	})
	there := gateway.ToHTTP(gateway.Wrap(gateway.FromHTTP(mux), lint))
	andBack := gateway.ToHTTP(gateway.Wrap(gateway.FromHTTP(there), lint))
	for _, req := range []struct{ method, path, body string }{
		{"GET", "/small", ""}, {"HEAD", "/small", ""}, {"GET", "/large", ""}, {"HEAD", "/large", ""}, {"POST", "/echo/me", "text"},
		{"GET", "/old", ""}, {"GET", "/stream", ""}, {"GET", "/none", ""}, {"DELETE", "/small", ""},
	} {
		var want string
		for i, h := range []http.Handler{mux, there, andBack} {
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequest(req.method, req.path, strings.NewReader(req.body)))
			resp := w.Result()
			resp.Header.Del("Date")
			resp.Header.Del("Content-Length") // the recorder states none, the gateway where it can
			body, _ := io.ReadAll(resp.Body)
			if req.method == "HEAD" {
				body = nil // the recorder keeps what a server drops
			}
			got := fmt.Sprintf("%d %q %s %d %q", resp.StatusCode, resp.Header.Get("Content-Type"), resp.Header.Get("X-Name"), len(body), body)
			if i == 0 {
				want = got
			} else if got != want {
				t.Errorf("%s %s through %d adapters:\n got %.200s\nwant %.200s", req.method, req.path, 2*i, got, want)
			}
		}
	}
	if len(complaints) > 0 {
		t.Error(errors.Join(complaints...))
	}
}
