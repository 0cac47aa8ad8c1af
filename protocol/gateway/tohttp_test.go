package gateway_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/dynobench/dyno/protocol/gateway"
)

// serve runs app by way of ToHTTP on a real server. The log is complete once close
// has returned.
func serve(t *testing.T, h *gateway.Handler) (url string, log *bytes.Buffer, stop func()) {
	log = new(bytes.Buffer)
	h.Errors = log
	server := httptest.NewUnstartedServer(h)
	server.Config.ErrorLog = nil
	server.Start()
	return server.URL, log, server.Close
}

func TestToHTTP(t *testing.T) {
	tests := []struct {
		name, method, body string
		app                gateway.App
		status             int
		want               string
		header             map[string]string
		log                string
		cut                bool
	}{
		{name: "plain", app: helloApp, status: 200, want: "Hello, World!",
			header: map[string]string{"Content-Type": "text/plain", "Content-Length": "13"}},
		{name: "HEAD", method: "HEAD", app: helloApp, status: 200, header: map[string]string{"Content-Length": "13"}},
		{name: "no type is not guessed", app: func(_ *gateway.Environ, start gateway.StartResponse) gateway.Body {
			start(200, nil, nil)
			return gateway.String("<html>")
		}, status: 200, want: "<html>", header: map[string]string{"Content-Type": ""}},
		{name: "echo", method: "POST", body: "some body", app: func(env *gateway.Environ, start gateway.StartResponse) gateway.Body {
			data, err := io.ReadAll(env.Input)
			if err != nil || env.ContentLength != int64(len(data)) || !env.MultiThread {
				t.Errorf("input: %q, %v", data, err)
			}
			start(200, []gateway.Field{{Name: "set-cookie", Value: "a"}, {Name: "Set-Cookie", Value: "b"}}, nil)
			return gateway.Bytes(data)
		}, status: 200, want: "some body", header: map[string]string{"Set-Cookie": "a"}},
		{name: "too large a body", method: "POST", body: strings.Repeat("x", 101), app: helloApp, status: 413,
			want: "the body is longer than 100 bytes\n"},
		{name: "panic", app: func(*gateway.Environ, gateway.StartResponse) gateway.Body { panic("boom") }, status: 500,
			want: "Internal Server Error\n", log: "boom"},
		{name: "cut", app: func(_ *gateway.Environ, start gateway.StartResponse) gateway.Body {
			start(200, plain, nil)
			return gateway.Chunks(func(yield func([]byte, error) bool) {
				_ = yield([]byte("some"), nil) && yield(nil, nil) && yield(nil, errCause)
			})
		}, status: 200, want: "some", log: errCause.Error(), cut: true},
		{name: "too long", app: func(_ *gateway.Environ, start gateway.StartResponse) gateway.Body {
			start(200, []gateway.Field{{Name: "Content-Length", Value: "2"}}, nil)
			return gateway.String("abc")
		}, status: 200, want: "ab", log: "longer than its Content-Length"},
		{name: "304", app: func(_ *gateway.Environ, start gateway.StartResponse) gateway.Body {
			start(304, nil, nil)
			return gateway.String("dropped")
		}, status: 304},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			url, log, stop := serve(t, &gateway.Handler{App: tt.app, MaxBody: 100})
			defer stop()
			method := "GET"
			if tt.method != "" {
				method = tt.method
			}
			req, err := http.NewRequest(method, url+"/path?q=1", strings.NewReader(tt.body))
			if err != nil {
				t.Fatal(err)
			}
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(resp.Body)
			resp.Body.Close()
			if (err != nil) != tt.cut {
				t.Errorf("reading the answer: %v, want cut %v", err, tt.cut)
			}
			if resp.StatusCode != tt.status || string(body) != tt.want {
				t.Errorf("%d %q, want %d %q", resp.StatusCode, body, tt.status, tt.want)
			}
			for name, value := range tt.header {
				if got := resp.Header.Get(name); got != value {
					t.Errorf("%s: %q, want %q", name, got, value)
				}
			}
			http.DefaultClient.CloseIdleConnections()
			stop()
			if !strings.Contains(log.String(), tt.log) || tt.log == "" && log.Len() > 0 {
				t.Errorf("log %q, want %q", log, tt.log)
			}
		})
	}
}

// A chunked body without a length is gathered and bounded as well.
func TestToHTTPGathersChunkedBody(t *testing.T) {
	for _, tt := range []struct{ n, status int }{{100, 200}, {101, 413}} {
		url, _, stop := serve(t, &gateway.Handler{App: helloApp, MaxBody: 100})
		resp, err := http.Post(url, "text/plain", io.MultiReader(strings.NewReader(strings.Repeat("x", tt.n))))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != tt.status {
			t.Errorf("%d bytes: status %d, want %d", tt.n, resp.StatusCode, tt.status)
		}
		http.DefaultClient.CloseIdleConnections()
		stop()
	}
}

// reads keeps the sizes of the buffers that it was read into.
type reads struct {
	io.Reader
	sizes []int
}

func (r *reads) Read(p []byte) (int, error) {
	r.sizes = append(r.sizes, len(p))
	return r.Reader.Read(p)
}

// A body is gathered in few pieces, but never in more memory than it may need
// by what has come of it.
func TestToHTTPGathersInFewReads(t *testing.T) {
	for _, tt := range []struct{ length, most, first int }{{100, 2, 4 << 10}, {60_000, 2, 60_000}, {1 << 20, 20, 64 << 10}} {
		body := &reads{Reader: strings.NewReader(strings.Repeat("x", tt.length))}
		r := httptest.NewRequest("POST", "/", nil)
		r.Body, r.ContentLength = io.NopCloser(body), int64(tt.length)
		w := httptest.NewRecorder()
		gateway.ToHTTP(helloApp).ServeHTTP(w, r)
		if w.Code != 200 || len(body.sizes) > tt.most || body.sizes[0] < tt.first || body.sizes[0] > 2*max(tt.first, 64<<10) {
			t.Errorf("%d bytes: status %d, reads into %d", tt.length, w.Code, body.sizes)
		}
	}
}

func TestToHTTPDone(t *testing.T) {
	failing := func(_ *gateway.Environ, start gateway.StartResponse) gateway.Body { return gateway.Fail(errCause) }
	for _, tt := range []struct {
		name, target string
		app          gateway.App
		fields       int
		status       int
		answered     bool
		err          bool
	}{
		{name: "well", target: "/", app: helloApp, status: 200, answered: true},
		{name: "failed", target: "/", app: failing, status: 500, answered: true, err: true},
		{name: "line at the limit", target: "/" + strings.Repeat("x", 16), app: helloApp, status: 200, answered: true},
		{name: "line over it", target: "/" + strings.Repeat("x", 17), app: helloApp, status: 414, err: true},
		{name: "fields at the limit", target: "/", fields: 4, app: helloApp, status: 200, answered: true},
		{name: "fields over it", target: "/", fields: 5, app: helloApp, status: 431, err: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			calls := 0
			h := gateway.Handler{App: tt.app, MaxLine: 30, MaxFields: 5, Errors: io.Discard, Done: func(answered bool, err error) {
				calls++
				if answered != tt.answered || (err != nil) != tt.err {
					t.Errorf("answered %v, error %v", answered, err)
				}
			}}
			r := httptest.NewRequest("GET", tt.target, nil) // with a Host
			for i := range tt.fields {
				r.Header.Add("X-Field", fmt.Sprint(i))
			}
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if w.Code != tt.status || calls != 1 {
				t.Errorf("status %d, %d calls", w.Code, calls)
			}
		})
	}
}

func TestToHTTPClientGone(t *testing.T) {
	closed := make(chan struct{})
	url, _, stop := serve(t, &gateway.Handler{App: func(_ *gateway.Environ, start gateway.StartResponse) gateway.Body {
		start(200, plain, nil)
		return &onClose{Body: gateway.Chunks(func(yield func([]byte, error) bool) {
			for chunk := make([]byte, 64<<10); yield(chunk, nil); {
			}
		}), closed: closed}
	}})
	defer stop()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	http.DefaultClient.CloseIdleConnections()
	<-closed
}

type onClose struct {
	gateway.Body
	closed chan struct{}
}

func (b *onClose) Close() error {
	close(b.closed)
	return b.Body.Close()
}
