package enginetest

import (
	"errors"
	"fmt"
	"io"
	"log"
	"mime"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dynobench/dyno/protocol/gateway"
)

// handler is something that net/http's server and FromHTTP must answer alike.
type handler struct {
	name    string
	says    string // what net/http promises of it
	method  string // default GET
	body    string
	field   string   // one more of the request
	raw     string   // the request, where those do not tell all of it
	differs string   // why FromHTTP answers otherwise
	alike   []string // engines on which it does not, nevertheless
	serve   http.HandlerFunc
}

// unlike are differences that a yardstick makes.
var unlike = map[string]map[string]string{"fasthttp": {
	"interim": noExtras, "interim, several": noExtras, "interim without a body": noExtras, "continue, unasked": noExtras,
	"trailers": noExtras, "trailers, not flushed": noExtras, "trailers without a body": noExtras, "trailers, set before the head": noExtras,
	"trailers by prefix": noExtras, "trailers by prefix, late": noExtras, "trailers to HEAD": noExtras,

	"less than declared, flushed":  "chunks of a known length gather in its buffer, which goes with the connection",
	"Write, empty type":            "it sends no empty values",
	"Header, encoded":              "likewise",
	"Header, own Date":             "it sends its own",
	"Header, length not canonical": "it knows the type by any name, and sends one",
}}

const noExtras = "it offers the app no Extras"

// handlers are what writers are made for.
var handlers = []handler{
	{name: "nothing", says: "a handler that does nothing answers 200", serve: func(http.ResponseWriter, *http.Request) {}},
	{name: "small", says: "a body without a length is told by its length where it is small", serve: func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "hello") }},
	{name: "sniffed", says: "the type is sniffed where none is set", serve: func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "<html><body>") }},
	{name: "sniffed over two writes", says: "the type is made of what has been written before the header leaves", serve: func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, "<ht")
		io.WriteString(w, "ml>")
	}},
	{name: "typed", says: "a type that is set is kept", serve: func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "a/b")
		io.WriteString(w, "<html>")
	}},
	{name: "type suppressed", says: "a type of nil suppresses the sniffing", serve: func(w http.ResponseWriter, _ *http.Request) {
		w.Header()["Content-Type"] = nil
		io.WriteString(w, "<html>")
	}},
	{name: "encoded", says: "what is encoded is not sniffed", serve: func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "x-own")
		io.WriteString(w, "<html>")
	}},
	{name: "echo", says: "the body is there to read", method: "POST", body: strings.Repeat("0123456789", 5000), serve: func(w http.ResponseWriter, r *http.Request) {
		io.Copy(w, r.Body)
	}},
	{name: "body not read", says: "a body that nobody reads is not the next request", method: "POST", body: "GET / HTTP/1.1\r\n\r\n", serve: func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "no") }},
	{name: "what the request says", says: "the fields of Request are those of the client's request", method: "PUT", body: "abc", serve: func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, r.Method, r.URL, r.Proto, r.Host, r.ContentLength, r.Header["X-Test"], r.RequestURI, r.URL.Path, r.URL.RawQuery, r.TransferEncoding)
	}},
	{name: "large", says: "a large body of unknown length leaves in chunks", serve: func(w http.ResponseWriter, _ *http.Request) { w.Write(block) }},
	{name: "large, declared", says: "a length that is declared is told", serve: func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", fmt.Sprint(len(block)))
		w.Write(block)
	}},
	{name: "flushed", says: "Flush sends what has been written", serve: func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, "a")
		w.(http.Flusher).Flush()
		io.WriteString(w, "b")
	}},
	{name: "flushed by a controller", says: "so does a ResponseController", serve: func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, "a")
		fmt.Fprint(w, http.NewResponseController(w).Flush())
	}},
	{name: "flushed before any byte", says: "Flush sends the header", serve: func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Before", "1")
		w.(http.Flusher).Flush()
		w.Header().Set("X-After", "1")
		io.WriteString(w, "a")
	}, differs: "the type is sniffed: the header leaves with the first byte (PEP 3333), so that it is known by then"},
	{name: "status", says: "the status is the handler's", serve: func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(418) }},
	{name: "superfluous", says: "only the first status counts", serve: func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(201)
		w.WriteHeader(500)
		io.WriteString(w, "x")
	}},
	{name: "header after the status", says: "a field that is set after WriteHeader is not sent", serve: func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Before", "1")
		w.WriteHeader(200)
		w.Header().Set("X-After", "1")
	}},
	{name: "header after the first byte", says: "nor one that is set after the first Write", serve: func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, "x")
		w.Header().Set("X-After", "1")
	}},
	{name: "204", says: "a Write of an answer that has no body is ErrBodyNotAllowed", serve: func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(204)
		_, err := io.WriteString(w, "x")
		told(err, http.ErrBodyNotAllowed)
	}},
	{name: "304", says: "likewise", serve: func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("ETag", `"x"`)
		w.WriteHeader(304)
		_, err := io.WriteString(w, "x")
		told(err, http.ErrBodyNotAllowed)
	}},
	{name: "more than declared", says: "a Write beyond Content-Length is ErrContentLength", serve: func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "2")
		io.WriteString(w, "ab")
		_, err := io.WriteString(w, "c")
		told(err, http.ErrContentLength)
	}},
	{name: "less than declared", says: "an answer shorter than Content-Length is not whole", serve: func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "5")
		io.WriteString(w, "ab")
	}, differs: "nothing has left yet, so that the client gets a 500 rather than a cut answer"},
	{name: "less than declared, flushed", says: "likewise", serve: func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "5")
		io.WriteString(w, "ab")
		w.(http.Flusher).Flush()
	}},
	{name: "malformed length", says: "a length that is no number is not sent", serve: func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "many")
		io.WriteString(w, "ab")
	}, differs: "it is dropped by both, but then the true length is told rather than none"},
	{name: "values repaired", says: "line ends and blanks around a value are taken out, and names that are none dropped", serve: func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Lines", " a\r\nX-Injected: b ")
		w.Header()["X-Twice"] = []string{"1", "2"}
		w.Header()["Bad Name"] = []string{"x"}
	}},
	{name: "HEAD", says: "the answer to HEAD has the header of GET", method: "HEAD", serve: func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "hello") }},
	{name: "HEAD, large", says: "likewise", method: "HEAD", serve: func(w http.ResponseWriter, _ *http.Request) { w.Write(block) }},
	{name: "HEAD, nothing", says: "a handler that writes nothing to HEAD has told no length", method: "HEAD", serve: func(http.ResponseWriter, *http.Request) {}},
	{name: "HEAD, declared", says: "a length that is declared is told to HEAD", method: "HEAD", serve: func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Length", "1234") }},
	{name: "interim", says: "WriteHeader of 1xx sends an answer before the answer", serve: func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Link", "</style.css>; rel=preload")
		w.WriteHeader(103)
		io.WriteString(w, "x")
	}},
	{name: "interim, several", says: "as often as wanted, with the fields of the moment and no length", serve: func(w http.ResponseWriter, _ *http.Request) {
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
	{name: "interim without a body", says: "to HEAD too", method: "HEAD", serve: func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(103) }},
	{name: "continue, unasked", says: "a 100 is one of them", serve: func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(100)
		io.WriteString(w, "x")
	}},
	{name: "trailers", says: "fields that Trailer declares follow the body with the values that they have then", serve: func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Trailer", "X-Sum")
		io.WriteString(w, "x")
		w.(http.Flusher).Flush()
		w.Header().Set("X-Sum", "1")
		w.Header().Set("X-Late", "1")
	}},
	{name: "trailers, not flushed", says: "an answer with trailers leaves in chunks however small", serve: func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Add("Trailer", "x-sum, X-Never")
		w.Header().Add("Trailer", "X-Lines")
		io.WriteString(w, "x")
		w.Header()["X-Sum"] = []string{"1", "2"}
		w.Header().Set("X-Lines", " a\r\nX-Injected: b ")
	}},
	{name: "trailers without a body", says: "also without a body", serve: func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Trailer", "X-Sum")
		w.WriteHeader(200)
		w.Header().Set("X-Sum", "1")
	}},
	{name: "trailers, set before the head", says: "a declared field that has a value before is in the header too", serve: func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Trailer", "X-Sum")
		w.Header().Set("X-Sum", "1") // and so a field of the header too
		io.WriteString(w, "x")
	}},
	{name: "trailers by prefix", says: "TrailerPrefix marks trailers", serve: func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set(http.TrailerPrefix+"X-Sum", "1")
		io.WriteString(w, "x")
	}},
	{name: "trailers by prefix, late", says: "that need not be declared where the answer is in chunks", serve: func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, "x")
		w.(http.Flusher).Flush()
		w.Header().Set(http.TrailerPrefix+"X-Sum", "1")
	}},
	{name: "trailers by prefix, late, of a short body", says: "and are dropped where it is not", serve: func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, "x")
		w.Header().Set(http.TrailerPrefix+"X-Sum", "1")
	}},
	{name: "trailers to HEAD", says: "HEAD has no trailers", method: "HEAD", serve: func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Trailer", "X-Sum")
		io.WriteString(w, "x")
		w.Header().Set("X-Sum", "1")
	}},
	{name: "trailers of a declared length", says: "nor has an answer of declared length", serve: func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Trailer", "X-Sum")
		w.Header().Set("Content-Length", "1")
		io.WriteString(w, "x")
		w.Header().Set("X-Sum", "1")
	}, differs: "there is no place for them, and so they are not announced"},
	{name: "trailers that cannot be some", says: "fields that frame an answer are no trailers", serve: func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set(http.TrailerPrefix+"Host", "a")
		w.Header().Set(http.TrailerPrefix+"X-Sum", "1")
		io.WriteString(w, "x")
	}, differs: "a field that frames or routes is not sent behind the body (RFC 9110, 6.5.1)"},
	{name: "panic", says: "a handler that panics ends its connection", serve: func(http.ResponseWriter, *http.Request) { panic("on purpose") },
		differs: "the client gets a 500 rather than no answer"},
	{name: "panic after bytes", says: "the client sees that the answer is not whole", serve: func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, "a")
		w.(http.Flusher).Flush()
		panic("on purpose")
	}},
	{name: "abort after bytes", says: "ErrAbortHandler cuts an answer", serve: func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, "a")
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}},
	{name: "abort", says: "also one that has not begun", serve: func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }},
	{name: "hijack", says: "a handler may take the connection over", serve: func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err == nil {
			io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
			conn.Close()
			return
		}
		fmt.Fprint(w, errors.Is(err, http.ErrNotSupported), " ", err)
	}, differs: "the connection is the server's, and the error says so"},
	{name: "redirect", says: "Redirect answers with a link", serve: func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/there", http.StatusFound) }},
	{name: "content with a range", says: "ServeContent knows ranges", serve: func(w http.ResponseWriter, r *http.Request) {
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

var quiet = log.New(io.Discard, "", 0)

// TestFromHTTPAsNetHTTP runs the same handlers under net/http's own server and
// under FromHTTP on engines, and compares what comes over the wire.
func TestFromHTTPAsNetHTTP(t *testing.T) {
	all := slices.Concat(handlers, promises)
	serve := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for _, h := range all {
			if r.Header.Get("X-Handler") == h.name {
				h.serve(w, r)
			}
		}
	})
	theirs := httptest.NewUnstartedServer(serve)
	theirs.Config.ErrorLog = quiet
	theirs.Start()
	defer theirs.Close()
	ask := func(t *testing.T, addr string, h handler) string {
		conn, err := net.DialTimeout("tcp", addr, patience)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		return onWire(newClient(t, conn), h)
	}
	want := map[string]string{}
	for _, h := range all {
		want[h.name] = ask(t, theirs.Listener.Addr().String(), h)
	}
	overAll(t, func(t *testing.T, s Subject) {
		srv := s.start(t, options{wrap: func(gateway.App) gateway.App { return gateway.Lint(gateway.FromHTTP(serve)) }})
		name, _, _ := strings.Cut(strings.TrimPrefix(t.Name(), "TestFromHTTPAsNetHTTP/"), ",")
		for _, h := range all {
			if h.says == "" {
				t.Errorf("%s: what is it that net/http promises?", h.name)
			}
			differs := h.differs
			if slices.Contains(h.alike, name) {
				differs = ""
			}
			if why := unlike[name][h.name]; why != "" {
				differs = why
			}
			switch got := ask(t, srv.addr, h); {
			case got != want[h.name] && differs == "":
				t.Errorf("%s: %s: net/http answers\n%s\nand FromHTTP\n%s", h.name, h.says, want[h.name], got)
			case got == want[h.name] && differs != "":
				t.Errorf("%s: there is no difference any more: %s", h.name, differs)
			}
		}
	})
}

// onWire is what a client sees, but for the time and what engines decide of the connection.
func onWire(c *client, h handler) string {
	method := h.method
	if method == "" {
		method = "GET"
	}
	if h.raw != "" {
		method, _, _ = strings.Cut(h.raw, " ")
		c.send(h.raw)
	} else {
		header := []string{"X-Handler: " + h.name, "X-Test: 1", "x-test: 2", "Connection: close"}
		if h.field != "" {
			header = append(header, h.field)
		}
		c.send(request(method, "/a%20b/../c?d=%20", h.body, header...))
	}
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
			if name == "Connection" {
				continue
			}
			if d, err := http.ParseTime(values[0]); name == "Date" && err == nil && time.Since(d) < patience {
				values = []string{"now"}
			}
			fields = append(fields, fmt.Sprintf("%s: %q\n", name, values))
		}
		slices.Sort(fields)
		text := fmt.Sprintf("%s%d bytes %.400q trailer %q\n", strings.Join(fields, ""), len(got), got, resp.Trailer)
		if _, params, _ := mime.ParseMediaType(resp.Header.Get("Content-Type")); params["boundary"] != "" {
			text = strings.ReplaceAll(text, params["boundary"], "boundary")
		}
		b.WriteString(text)
		if resp.StatusCode >= 200 {
			return b.String()
		}
	}
}
