package enginetest

import (
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dynobench/dyno/protocol/gateway"
)

// handlers are what net/http and FromHTTP must answer alike. Where they differ,
// differs says why.
var handlers = []struct {
	name    string
	method  string // default GET
	body    string
	differs string
	serve   http.HandlerFunc
}{
	{name: "nothing", serve: func(http.ResponseWriter, *http.Request) {}},
	{name: "small", serve: func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "hello") }},
	{name: "sniffed", serve: func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "<html><body>") }},
	{name: "sniffed over two writes", serve: func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, "<ht")
		io.WriteString(w, "ml>")
	}},
	{name: "typed", serve: func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "a/b")
		io.WriteString(w, "<html>")
	}},
	{name: "type suppressed", serve: func(w http.ResponseWriter, _ *http.Request) {
		w.Header()["Content-Type"] = nil
		io.WriteString(w, "<html>")
	}},
	{name: "encoded", serve: func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "x-own")
		io.WriteString(w, "<html>")
	}},
	{name: "echo", method: "POST", body: strings.Repeat("0123456789", 5000), serve: func(w http.ResponseWriter, r *http.Request) {
		io.Copy(w, r.Body)
	}},
	{name: "body not read", method: "POST", body: "GET / HTTP/1.1\r\n\r\n", serve: func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "no") }},
	{name: "what the request says", method: "PUT", body: "abc", serve: func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, r.Method, r.URL, r.Proto, r.Host, r.ContentLength, r.Header["X-Test"], r.RequestURI, r.URL.Path, r.URL.RawQuery, r.TransferEncoding)
	}},
	{name: "large", serve: func(w http.ResponseWriter, _ *http.Request) { w.Write(block) }},
	{name: "large, declared", serve: func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", fmt.Sprint(len(block)))
		w.Write(block)
	}},
	{name: "flushed", serve: func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, "a")
		w.(http.Flusher).Flush()
		io.WriteString(w, "b")
	}},
	{name: "flushed by a controller", serve: func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, "a")
		fmt.Fprint(w, http.NewResponseController(w).Flush())
	}},
	{name: "flushed before any byte", serve: func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Before", "1")
		w.(http.Flusher).Flush()
		w.Header().Set("X-After", "1")
		io.WriteString(w, "a")
	}, differs: "the type is sniffed: the header leaves with the first byte (PEP 3333), so that it is known by then"},
	{name: "status", serve: func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(418) }},
	{name: "superfluous", serve: func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(201)
		w.WriteHeader(500)
		io.WriteString(w, "x")
	}},
	{name: "header after the status", serve: func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Before", "1")
		w.WriteHeader(200)
		w.Header().Set("X-After", "1")
	}},
	{name: "header after the first byte", serve: func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, "x")
		w.Header().Set("X-After", "1")
	}},
	{name: "204", serve: func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(204)
		_, err := io.WriteString(w, "x")
		told(err, http.ErrBodyNotAllowed)
	}},
	{name: "304", serve: func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("ETag", `"x"`)
		w.WriteHeader(304)
		_, err := io.WriteString(w, "x")
		told(err, http.ErrBodyNotAllowed)
	}},
	{name: "more than declared", serve: func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "2")
		io.WriteString(w, "ab")
		_, err := io.WriteString(w, "c")
		told(err, http.ErrContentLength)
	}},
	{name: "less than declared", serve: func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "5")
		io.WriteString(w, "ab")
	}, differs: "nothing has left yet, so that the client gets a 500 rather than a cut answer"},
	{name: "less than declared, flushed", serve: func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "5")
		io.WriteString(w, "ab")
		w.(http.Flusher).Flush()
	}},
	{name: "malformed length", serve: func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "many")
		io.WriteString(w, "ab")
	}, differs: "it is dropped by both, but then the true length is told rather than none"},
	{name: "values repaired", serve: func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Lines", " a\r\nX-Injected: b ")
		w.Header()["X-Twice"] = []string{"1", "2"}
		w.Header()["Bad Name"] = []string{"x"}
	}},
	{name: "HEAD", method: "HEAD", serve: func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "hello") }},
	{name: "HEAD, large", method: "HEAD", serve: func(w http.ResponseWriter, _ *http.Request) { w.Write(block) }},
	{name: "HEAD, nothing", method: "HEAD", serve: func(http.ResponseWriter, *http.Request) {}},
	{name: "HEAD, declared", method: "HEAD", serve: func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Length", "1234") }},
	{name: "interim", serve: func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Link", "</style.css>; rel=preload")
		w.WriteHeader(103)
		io.WriteString(w, "x")
	}},
	{name: "interim, several", serve: func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "1")
		w.Header().Set("X-Lines", " a\r\nX-Injected: b ")
		w.WriteHeader(102)
		w.Header().Del("X-Lines")
		w.WriteHeader(103)
		w.WriteHeader(199)
		w.WriteHeader(201)
		w.WriteHeader(103) // superfluous
		io.WriteString(w, "x")
	}},
	{name: "interim without a body", method: "HEAD", serve: func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(103) }},
	{name: "continue, unasked", serve: func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(100)
		io.WriteString(w, "x")
	}},
	{name: "trailers", serve: func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Trailer", "X-Sum")
		io.WriteString(w, "x")
		w.(http.Flusher).Flush()
		w.Header().Set("X-Sum", "1")
		w.Header().Set("X-Late", "1")
	}},
	{name: "trailers, not flushed", serve: func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Add("Trailer", "x-sum, X-Never")
		w.Header().Add("Trailer", "X-Lines")
		io.WriteString(w, "x")
		w.Header()["X-Sum"] = []string{"1", "2"}
		w.Header().Set("X-Lines", " a\r\nX-Injected: b ")
	}},
	{name: "trailers without a body", serve: func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Trailer", "X-Sum")
		w.WriteHeader(200)
		w.Header().Set("X-Sum", "1")
	}},
	{name: "trailers, set before the head", serve: func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Trailer", "X-Sum")
		w.Header().Set("X-Sum", "1") // and so a field of the header too
		io.WriteString(w, "x")
	}},
	{name: "trailers by prefix", serve: func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set(http.TrailerPrefix+"X-Sum", "1")
		io.WriteString(w, "x")
	}},
	{name: "trailers by prefix, late", serve: func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, "x")
		w.(http.Flusher).Flush()
		w.Header().Set(http.TrailerPrefix+"X-Sum", "1")
	}},
	{name: "trailers by prefix, late, of a short body", serve: func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, "x")
		w.Header().Set(http.TrailerPrefix+"X-Sum", "1")
	}},
	{name: "trailers to HEAD", method: "HEAD", serve: func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Trailer", "X-Sum")
		io.WriteString(w, "x")
		w.Header().Set("X-Sum", "1")
	}},
	{name: "trailers of a declared length", serve: func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Trailer", "X-Sum")
		w.Header().Set("Content-Length", "1")
		io.WriteString(w, "x")
		w.Header().Set("X-Sum", "1")
	}, differs: "there is no place for them, and so they are not announced"},
	{name: "trailers that cannot be some", serve: func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set(http.TrailerPrefix+"Host", "a")
		w.Header().Set(http.TrailerPrefix+"X-Sum", "1")
		io.WriteString(w, "x")
	}, differs: "a field that frames or routes is not sent behind the body (RFC 9110, 6.5.1)"},
	{name: "panic", serve: func(http.ResponseWriter, *http.Request) { panic("on purpose") },
		differs: "the client gets a 500 rather than no answer"},
	{name: "panic after bytes", serve: func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, "a")
		w.(http.Flusher).Flush()
		panic("on purpose")
	}},
	{name: "abort after bytes", serve: func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, "a")
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}},
	{name: "abort", serve: func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }},
	{name: "hijack", serve: func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err == nil {
			io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
			conn.Close()
			return
		}
		fmt.Fprint(w, errors.Is(err, http.ErrNotSupported), " ", err)
	}, differs: "the connection is the server's, and the error says so"},
	{name: "redirect", serve: func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/there", http.StatusFound) }},
	{name: "content with a range", serve: func(w http.ResponseWriter, r *http.Request) {
		r.Header.Set("Range", "bytes=2-4")
		http.ServeContent(w, r, "a.txt", time.Time{}, strings.NewReader("0123456789"))
	}},
}

// told panics unless a Write has failed as net/http's does: then the answers differ.
func told(err, want error) {
	if !errors.Is(err, want) {
		panic(fmt.Sprintf("Write returns %v, want %v", err, want))
	}
}

// TestFromHTTPAsNetHTTP runs the same handlers under net/http's own server and
// under FromHTTP on engines, and compares what comes over the wire.
func TestFromHTTPAsNetHTTP(t *testing.T) {
	serve := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for _, h := range handlers {
			if r.Header.Get("X-Handler") == h.name {
				h.serve(w, r)
			}
		}
	})
	theirs := httptest.NewUnstartedServer(serve)
	theirs.Config.ErrorLog = log.New(io.Discard, "", 0)
	theirs.Start()
	defer theirs.Close()
	for _, spec := range []string{"sync", "threads,threads=4", "pool,size=4", "goroutine", "eventloop,loops=1", "eventloop-pool,workers=4", "coroutine,loops=1"} {
		t.Run(spec, func(t *testing.T) {
			srv := subject(spec, Traits{OneShot: spec == "sync"}).start(t, options{
				wrap: func(gateway.App) gateway.App { return gateway.Lint(gateway.FromHTTP(serve)) }})
			for _, h := range handlers {
				var answers [2]string
				for i, addr := range []string{theirs.Listener.Addr().String(), srv.addr} {
					conn, err := net.DialTimeout("tcp", addr, patience)
					if err != nil {
						t.Fatal(err)
					}
					answers[i] = onWire(newClient(t, conn), h.name, h.method, h.body)
					conn.Close()
				}
				switch same := answers[0] == answers[1]; {
				case !same && h.differs == "":
					t.Errorf("%s: net/http answers\n%s\nand FromHTTP\n%s", h.name, answers[0], answers[1])
				case same && h.differs != "":
					t.Errorf("%s: there is no difference any more: %s", h.name, h.differs)
				}
			}
		})
	}
}

// onWire is what a client sees, but for the date and what engines decide of the connection.
func onWire(c *client, handler, method, body string) string {
	if method == "" {
		method = "GET"
	}
	c.send(request(method, "/a%20b/../c?d=%20", body, "X-Handler: "+handler, "X-Test: 1", "x-test: 2", "Connection: close"))
	var b strings.Builder
	for {
		resp, err := c.head(method)
		if err != nil {
			fmt.Fprintf(&b, "no answer")
			return b.String()
		}
		got, err := io.ReadAll(resp.Body)
		fmt.Fprintf(&b, "%s %d, in chunks %v, whole %v\n", resp.Proto, resp.StatusCode, len(resp.TransferEncoding) > 0, err == nil)
		var fields []string
		for name, values := range resp.Header {
			if name != "Date" && name != "Connection" {
				fields = append(fields, fmt.Sprintf("%s: %q\n", name, values))
			}
		}
		slices.Sort(fields)
		fmt.Fprintf(&b, "%s%d bytes %.200q trailer %q\n", strings.Join(fields, ""), len(got), got, resp.Trailer)
		if resp.StatusCode >= 200 {
			return b.String()
		}
	}
}
