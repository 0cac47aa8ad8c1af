package enginetest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"mime/multipart"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/dynobench/dyno/protocol/gateway"
)

// promises are what net/http's package documentation says of its server, of
// what a handler is given and of the handlers that come with it, item by item.
// They run as the handlers of TestFromHTTPAsNetHTTP do.
var promises = []handler{
	// Request.
	{name: "Request.Proto", says: "the version is there as text and as two numbers", raw: "GET /a HTTP/1.0\r\nX-Handler: Request.Proto\r\n\r\n",
		serve: func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprintf(w, "%s %d %d %q %v %v", r.Proto, r.ProtoMajor, r.ProtoMinor, r.Host, r.ProtoAtLeast(1, 1), r.Close)
		}, differs: "the answer says HTTP/1.1 to everybody (RFC 9110, 6.2)", alike: []string{"nethttp"}},
	{name: "Request.Close", says: "it tells that the client has asked for the connection's end", serve: func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.Close, r.Header["Connection"]) }},
	{name: "Request.Close, keep-alive", says: "an HTTP/1.0 client that asks for it keeps its connection",
		raw:     "GET /a HTTP/1.0\r\nX-Handler: Request.Close, keep-alive\r\nConnection: X, Keep-Alive\r\n\r\n",
		serve:   func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.Close) },
		differs: "likewise", alike: []string{"nethttp"}},
	{name: "Request.Host", says: "of a target in absolute form the host counts, and the field Host is in no Header",
		raw: "GET http://other:81/x%2Fy?z HTTP/1.1\r\nHost: test\r\nX-Handler: Request.Host\r\nConnection: close\r\n\r\n",
		serve: func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprintf(w, "%s %v %s %s %s %s %s", r.Host, r.Header["Host"], r.RequestURI, r.URL, r.URL.Scheme, r.URL.Host, r.URL.EscapedPath())
		}},
	{name: "Request.URL", says: "for most requests all of it but path and query is empty", serve: func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%#v", *r.URL)
	}},
	{name: "Request.RemoteAddr", says: "it is the client's IP:port", serve: func(w http.ResponseWriter, r *http.Request) {
		host, port, err := net.SplitHostPort(r.RemoteAddr)
		fmt.Fprint(w, host, len(port) > 1, err)
	}},
	{name: "Request.TLS", says: "it is nil without TLS, and what only clients set is not set", serve: func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, r.TLS == nil, r.GetBody == nil, r.Response == nil, r.Form == nil, r.PostForm == nil, r.MultipartForm == nil)
	}},
	{name: "Request.Header", says: "names are canonical, repeated fields keep their order, the request is not otherwise changed",
		raw: "GET / HTTP/1.1\r\nhost: test\r\nx-handler: Request.Header\r\nx-B:  2 \r\nX-b: 1, 3\r\nACCEPT-encoding: \r\nKeep-Alive: 5\r\nTE: trailers\r\nConnection: close\r\n\r\n",
		serve: func(w http.ResponseWriter, r *http.Request) {
			for _, name := range slices.Sorted(mapKeys(r.Header)) {
				fmt.Fprintf(w, "%s: %q\n", name, r.Header[name])
			}
		}},
	{name: "Request.TransferEncoding", says: "a body in chunks has ContentLength -1, and its coding is told",
		raw: "POST / HTTP/1.1\r\nHost: test\r\nX-Handler: Request.TransferEncoding\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
		serve: func(w http.ResponseWriter, r *http.Request) {
			b, err := io.ReadAll(r.Body)
			fmt.Fprint(w, r.ContentLength, r.TransferEncoding, r.Header["Transfer-Encoding"], string(b), err)
		}, differs: "the body is gathered before the handler runs, so that its length is known, and its coding gone"},
	{name: "Request.Trailer", says: "trailers that were announced are there once the body has been read",
		raw: "POST / HTTP/1.1\r\nHost: test\r\nX-Handler: Request.Trailer\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\nConnection: close\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 1\r\n\r\n",
		serve: func(w http.ResponseWriter, r *http.Request) {
			io.ReadAll(r.Body)
			fmt.Fprint(w, r.Trailer, r.Header["Trailer"])
		}, differs: "a request's trailers are checked and dropped"},
	{name: "Request.Body, none", says: "the Body is never nil, and at its end at once where there is none", serve: func(w http.ResponseWriter, r *http.Request) {
		n, err := r.Body.Read(make([]byte, 1))
		fmt.Fprint(w, n, err, r.Body == http.NoBody, r.ContentLength)
	}},
	{name: "Request.Body, closed", says: "reading after Close fails", method: "POST", body: "abc", serve: func(w http.ResponseWriter, r *http.Request) {
		err := r.Body.Close()
		n, again := r.Body.Read(make([]byte, 1))
		fmt.Fprint(w, err, n, again, errors.Is(again, http.ErrBodyReadAfterClose))
	}},
	{name: "Request.Context, keys", says: "the Context holds the server and the address at which it was reached", serve: func(w http.ResponseWriter, r *http.Request) {
		server, addr := r.Context().Value(http.ServerContextKey).(*http.Server), r.Context().Value(http.LocalAddrContextKey)
		fmt.Fprintf(w, "%v %T %v %v", server != nil && server.Handler != nil, addr, addr.(*net.TCPAddr).IP, addr.(*net.TCPAddr).Port > 0)
	}},
	{name: "Request.Context, alive", says: "the Context is alive while the handler runs", serve: func(w http.ResponseWriter, r *http.Request) {
		_, limited := r.Context().Deadline()
		fmt.Fprint(w, r.Context().Err(), limited, r.WithContext(r.Context()).Context().Err())
	}},
	{name: "Request.FormValue", says: "parameters of query and body are one form, the body's first", method: "POST", body: "a=2&b=%20", field: "Content-Type: application/x-www-form-urlencoded",
		serve: func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprintf(w, "%q %q %q %v %v", r.FormValue("a"), r.PostFormValue("b"), r.FormValue("d"), r.Form, r.PostForm)
		}},
	{name: "Request.ParseMultipartForm", says: "values and files of a multipart form are there", method: "POST", body: form(10), field: "Content-Type: multipart/form-data; boundary=xxx",
		serve: func(w http.ResponseWriter, r *http.Request) {
			err := r.ParseMultipartForm(1 << 20)
			f, h, ferr := r.FormFile("file")
			if ferr != nil {
				fmt.Fprint(w, err, ferr)
				return
			}
			b, rerr := io.ReadAll(f)
			fmt.Fprint(w, err, r.MultipartForm.Value, h.Filename, h.Size, len(b), rerr)
		}},
	{name: "Request.MultipartReader", says: "a multipart body can be read as a stream", method: "POST", body: form(100), field: "Content-Type: multipart/form-data; boundary=xxx",
		serve: func(w http.ResponseWriter, r *http.Request) {
			m, err := r.MultipartReader()
			for err == nil {
				var part *multipart.Part
				if part, err = m.NextPart(); err == nil {
					n, _ := io.Copy(io.Discard, part)
					fmt.Fprintln(w, part.FormName(), part.FileName(), n)
				}
			}
			fmt.Fprint(w, err)
		}},
	{name: "Request.Cookie", says: "cookies are parsed, those of a name in their order", field: "Cookie: a=1; b=2; a=3", serve: func(w http.ResponseWriter, r *http.Request) {
		c, err := r.Cookie("b")
		_, missing := r.Cookie("c")
		fmt.Fprint(w, c, err, missing, r.CookiesNamed("a"))
	}},
	{name: "Request.BasicAuth", says: "credentials are decoded", field: "Authorization: Basic YTpi", serve: func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, firsts(r.BasicAuth())) }},
	{name: "Request.PathValue", says: "a ServeMux tells its pattern and the values of its wildcards", serve: func(w http.ResponseWriter, r *http.Request) {
		mux := http.NewServeMux()
		mux.HandleFunc("GET /{first}/{rest...}", func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprintf(w, "%q %q %q", r.Pattern, r.PathValue("first"), r.PathValue("rest"))
		})
		r.URL.Path = strings.Replace(r.URL.Path, "..", "b", 1)
		mux.ServeHTTP(w, r)
	}},
	{name: "Request.Write", says: "a request can be written on as it came", method: "POST", body: "abc", serve: func(w http.ResponseWriter, r *http.Request) {
		var b bytes.Buffer
		err := r.Clone(r.Context()).WriteProxy(&b)
		fmt.Fprintf(w, "%q %v", &b, err)
	}},
	{name: "Request, expecting", says: "100 Continue is sent when the body is first read", method: "POST", body: "abc", field: "Expect: 100-continue",
		serve: func(w http.ResponseWriter, r *http.Request) {
			b, err := io.ReadAll(r.Body)
			fmt.Fprint(w, string(b), err, r.Header["Expect"])
		}, differs: "the body is gathered before: to a client that does not wait for the 100 none is sent", alike: []string{"nethttp", "fasthttp"}},
	{name: "Request, OPTIONS *", says: "a server answers OPTIONS * itself",
		raw: "OPTIONS * HTTP/1.1\r\nHost: test\r\nX-Handler: Request, OPTIONS *\r\nConnection: close\r\n\r\n",
		serve: func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprintf(w, "%s %q %s", r.Method, r.URL.Path, r.RequestURI)
		}, differs: "it is the app's"},
	{name: "Request, CONNECT", says: "CONNECT reaches the handler", raw: "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\nX-Handler: Request, CONNECT\r\nConnection: close\r\n\r\n",
		serve: func(w http.ResponseWriter, r *http.Request) { fmt.Fprintf(w, "%s %q %s", r.Method, r.URL, r.Host) }, differs: "it is refused with 501: a server of apps is no tunnel"},
	{name: "Request, Upgrade", says: "a request for another protocol reaches the handler, which may hijack the connection",
		raw:   "GET / HTTP/1.1\r\nHost: test\r\nX-Handler: Request, Upgrade\r\nConnection: Upgrade, close\r\nUpgrade: websocket\r\n\r\n",
		serve: func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.Header["Upgrade"]) }, differs: "it is refused with 501, as long as nobody can hijack", alike: []string{"nethttp", "fasthttp"}},

	// ResponseWriter.
	{name: "ResponseWriter, optional", says: "the writer flushes, hijacks, takes strings and files, and tells of clients that go", serve: func(w http.ResponseWriter, _ *http.Request) {
		_, flushes := w.(http.Flusher)
		_, hijacks := w.(http.Hijacker)
		_, strings := w.(io.StringWriter)
		_, notifies := w.(interface{ CloseNotify() <-chan bool })
		_, pushes := w.(http.Pusher)
		fmt.Fprint(w, flushes, hijacks, strings, notifies, pushes)
	}},
	{name: "ResponseWriter, ReaderFrom", says: "the writer reads from a file itself", serve: func(w http.ResponseWriter, _ *http.Request) {
		_, reads := w.(io.ReaderFrom)
		fmt.Fprint(w, reads)
	}, differs: "io.Copy copies by way of a buffer"},
	{name: "ResponseWriter, files", says: "io.Copy writes a file whole", serve: func(w http.ResponseWriter, _ *http.Request) {
		f, err := os.Open("promises_linux_test.go")
		if err != nil {
			panic(err)
		}
		defer f.Close()
		if n, err := io.Copy(w, f); err != nil || n == 0 {
			panic(fmt.Sprint(n, err))
		}
	}},
	{name: "Write, nothing", says: "a Write calls WriteHeader(200), also one of no bytes", serve: func(w http.ResponseWriter, _ *http.Request) {
		n, err := w.Write(nil)
		w.WriteHeader(500)
		w.Header().Set("X-After", fmt.Sprint(n, err))
	}},
	{name: "Write, HEAD", says: "what is written to HEAD is taken, and sent to nobody", method: "HEAD", serve: func(w http.ResponseWriter, _ *http.Request) {
		if n, err := w.Write([]byte("hello")); n != 5 || err != nil {
			panic(fmt.Sprint(n, err))
		}
	}},
	{name: "Write, sniffed by 512 bytes", says: "the type is made of the first 512 bytes", serve: func(w http.ResponseWriter, _ *http.Request) {
		w.Write(append(bytes.Repeat([]byte(" "), 511), "<html>"...))
	}},
	{name: "Write, types", says: "DetectContentType's types are those that are sent", serve: func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "\x89PNG\x0D\x0A\x1A\x0A") }},
	{name: "Write, unknown type", says: "what cannot be told is application/octet-stream", serve: func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte{0, 1, 2}) }},
	{name: "Write, empty type", says: "a type that is set is kept, also an empty one", serve: func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "")
		io.WriteString(w, "<html>")
	}},
	{name: "Write, 2048 bytes", says: "the length of a small answer is told", serve: func(w http.ResponseWriter, _ *http.Request) { w.Write(block[:2048]) }},
	{name: "Write, 3000 bytes", says: "one that does not fit the buffer is sent in chunks", serve: func(w http.ResponseWriter, _ *http.Request) { w.Write(block[:3000]) },
		differs: "the buffer has 4 KiB, not 2: the length is told"},
	{name: "Write, many", says: "small writes gather", serve: func(w http.ResponseWriter, _ *http.Request) {
		for range 300 {
			io.WriteString(w, "12345")
		}
	}},
	{name: "Write, from a goroutine", says: "whoever runs before the handler returns may write", serve: func(w http.ResponseWriter, _ *http.Request) {
		done := make(chan bool)
		go func() {
			io.WriteString(w, "x")
			done <- true
		}()
		<-done
	}},
	{name: "WriteHeader, out of range", says: "an impossible status panics", serve: func(w http.ResponseWriter, _ *http.Request) {
		defer func() { fmt.Fprint(w, recover()) }()
		w.WriteHeader(99)
	}},
	{name: "WriteHeader, 999", says: "any status of three digits is sent", serve: func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(999) }},
	{name: "WriteHeader, 101", says: "a switch of protocols is the handler's to send", serve: func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(101) },
		differs: "the connection is the server's: the client gets a 500"},
	{name: "WriteHeader, 304", says: "304 has no body, no type and no length, whatever is set", serve: func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "a/b")
		w.Header().Set("Content-Length", "5")
		w.Header().Set("Last-Modified", "Mon, 02 Jan 2006 15:04:05 GMT")
		w.WriteHeader(304)
	}},
	{name: "WriteHeader, 204", says: "204 has no body and no length", serve: func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "a/b")
		w.Header().Set("Content-Length", "5")
		w.WriteHeader(204)
	}},
	{name: "WriteHeader, 205", says: "205 is an answer like any other", serve: func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(205) }},
	{name: "Header, length of nothing", says: "a length of 0 is sent as it is set", serve: func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Length", "0") }},
	{name: "Header, length and none written", says: "an answer shorter than its length is none", serve: func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Length", "5") },
		differs: "the client gets a 500 rather than a cut answer"},
	{name: "Header, negative length", says: "a length that is no number is not sent", serve: func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Length", "-1") },
		differs: "and the true one is told instead"},
	{name: "Header, two lengths", says: "of two lengths the first counts", serve: func(w http.ResponseWriter, _ *http.Request) {
		w.Header()["Content-Length"] = []string{"1", "2"}
		io.WriteString(w, "x")
	}, differs: "the first is sent alone: net/http sends both, and no client takes that"},
	{name: "Header, no Date", says: "a Date of nil suppresses that of the server", serve: func(w http.ResponseWriter, _ *http.Request) { w.Header()["Date"] = nil },
		differs: "there is always a Date (RFC 9110, 6.6.1)"},
	{name: "Header, own Date", says: "a Date that is set takes the place of the server's", serve: func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Date", "Mon, 02 Jan 2006 15:04:05 GMT")
	}},
	{name: "Header, own Server", says: "there is no Server but the handler's", serve: func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Server", "me") }},
	{name: "Header, not canonical", says: "names are sent as they stand in the map", serve: func(w http.ResponseWriter, _ *http.Request) {
		w.Header()["x-lower"] = []string{"1"}
		w.Header()["X-Empty"] = []string{""}
		w.Header()["X-None"] = []string{}
	}},
	{name: "Header, length not canonical", says: "only canonical names mean something to the server", serve: func(w http.ResponseWriter, _ *http.Request) {
		w.Header()["content-type"] = []string{"a/b"}
		io.WriteString(w, "<html>")
	}},
	{name: "Header, control characters", says: "line ends in a value are made blanks", serve: func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-A", "a\r\n\r\nb\tc")
		w.Header()["X\r\nY"] = []string{"1"}
		w.Header()[""] = []string{"1"}
	}},
	{name: "Header, Transfer-Encoding", says: "a handler that asks for chunks gets them", serve: func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Transfer-Encoding", "chunked")
		io.WriteString(w, "x")
	}, differs: "the framing is the server's, and the field dropped"},
	{name: "Header, Upgrade", says: "any other field of the connection is the handler's", serve: func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Upgrade", "h2c")
		w.Header().Set("Keep-Alive", "timeout=5")
	}, differs: "hop-by-hop fields are the server's, and dropped"},
	{name: "Header, encoded", says: "what has a Content-Encoding is not sniffed, with an empty one it is", serve: func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "")
		io.WriteString(w, "<html>")
	}},

	// ResponseController.
	{name: "ResponseController", says: "each of its methods is granted", serve: func(w http.ResponseWriter, _ *http.Request) {
		c := http.NewResponseController(w)
		io.WriteString(w, "x")
		fmt.Fprint(w, c.SetReadDeadline(time.Time{}), c.SetWriteDeadline(time.Time{}), c.EnableFullDuplex(), c.Flush())
		fmt.Fprint(w, c.SetWriteDeadline(time.Now().Add(time.Hour)), c.SetReadDeadline(time.Now().Add(time.Hour)), c.Flush())
	}},
	{name: "ResponseController, wrapped", says: "a writer within a writer is found by Unwrap", serve: func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, http.NewResponseController(wrapped{w}).SetWriteDeadline(time.Time{}))
	}},
	{name: "ResponseController.SetWriteDeadline, passed", says: "writing after the deadline fails, and does not go on", serve: func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, "a")
		c := http.NewResponseController(w)
		if err := c.Flush(); err != nil {
			panic(err)
		}
		c.SetWriteDeadline(time.Now().Add(-time.Second))
		w.Write(block)
		err := c.Flush()
		c.SetWriteDeadline(time.Time{})
		if !errors.Is(err, os.ErrDeadlineExceeded) || c.Flush() == nil {
			panic(err)
		}
	}},
	{name: "ResponseController.SetReadDeadline, passed", says: "reading after the deadline fails", method: "POST", body: "abc", serve: func(w http.ResponseWriter, r *http.Request) {
		http.NewResponseController(w).SetReadDeadline(time.Now().Add(-time.Second))
		b, err := io.ReadAll(r.Body)
		fmt.Fprint(w, string(b), err)
	}},

	// What net/http has for handlers.
	{name: "MaxBytesReader", says: "a body beyond the limit is an error of its own type", method: "POST", body: "0123456789", serve: func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 4))
		var large *http.MaxBytesError
		fmt.Fprint(w, string(b), err, errors.As(err, &large), large.Limit)
	}},
	{name: "MaxBytesHandler", says: "so is one of a handler that is limited", method: "POST", body: "0123456789", serve: func(w http.ResponseWriter, r *http.Request) {
		http.MaxBytesHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, err := io.ReadAll(r.Body)
			http.Error(w, err.Error(), http.StatusRequestEntityTooLarge)
		}), 5).ServeHTTP(w, r)
	}},
	{name: "TimeoutHandler, late", says: "a handler that is late has its Context ended, and the client a 503", serve: func(w http.ResponseWriter, r *http.Request) {
		ended := make(chan error)
		http.TimeoutHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			<-r.Context().Done()
			go func() {
				for err := error(nil); ; {
					if _, err = io.WriteString(w, "x"); err != nil {
						ended <- err
						return
					}
				}
			}()
		}), time.Millisecond, "too late").ServeHTTP(w, r)
		told(<-ended, http.ErrHandlerTimeout)
	}},
	{name: "TimeoutHandler, in time", says: "one in time answers as ever", serve: func(w http.ResponseWriter, r *http.Request) {
		http.TimeoutHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X-A", "1")
			w.WriteHeader(201)
			io.WriteString(w, "x")
		}), time.Hour, "").ServeHTTP(w, r)
	}},
	{name: "StripPrefix", says: "the prefix is gone from both forms of the path", serve: func(w http.ResponseWriter, r *http.Request) {
		http.StripPrefix("/a", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.URL.Path, r.URL.RawPath) })).ServeHTTP(w, r)
	}},
	{name: "Error", says: "an error is plain text, and fields of the answer that is not given are gone", serve: func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		w.Header().Set("Content-Encoding", "gzip")
		w.Header().Set("ETag", `"x"`)
		http.Error(w, "<b>no", http.StatusTeapot)
	}},
	{name: "NotFound", says: "not found is a 404 in plain text", serve: func(w http.ResponseWriter, r *http.Request) { http.NotFound(w, r) }},
	{name: "Redirect, relative", says: "a relative target is taken from the request's path", serve: func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "x?y", http.StatusTemporaryRedirect) }},
	{name: "Redirect, POST", says: "there is a body for GET alone", method: "POST", body: "x", serve: func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/é", http.StatusSeeOther) }},
	{name: "Redirect, HEAD", says: "HEAD has the type, and no body", method: "HEAD", serve: func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/x", http.StatusMovedPermanently) }},
	{name: "SetCookie", says: "cookies are fields of their own, and broken ones dropped", serve: func(w http.ResponseWriter, _ *http.Request) {
		http.SetCookie(w, &http.Cookie{Name: "a", Value: "1", Path: "/", HttpOnly: true, MaxAge: 5})
		http.SetCookie(w, &http.Cookie{Name: "b", Value: "x y"})
		http.SetCookie(w, &http.Cookie{Name: "bad name", Value: "1"})
	}},
	{name: "ServeMux, not allowed", says: "a method that has no handler is a 405 with Allow", method: "DELETE", serve: muxed},
	{name: "ServeMux, clean", says: "a path with dots is redirected to the clean one", serve: muxed},
	{name: "CrossOriginProtection", says: "a request from another origin is forbidden", method: "POST", body: "x", field: "Sec-Fetch-Site: cross-site", serve: protected},
	{name: "CrossOriginProtection, origins", says: "so is one whose Origin is another host", method: "POST", body: "x", field: "Origin: http://other", serve: protected},
	{name: "CrossOriginProtection, same", says: "and not one from the same", method: "POST", body: "x", field: "Origin: http://test", serve: protected},
	{name: "ServeContent", says: "the type is the name's, and ranges are offered", serve: content("")},
	{name: "ServeContent, HEAD", says: "HEAD tells the length", method: "HEAD", serve: content("")},
	{name: "ServeContent, range", says: "a range is a 206", serve: content("Range: bytes=2-4")},
	{name: "ServeContent, suffix", says: "so is a suffix", serve: content("Range: bytes=-3")},
	{name: "ServeContent, ranges", says: "several are one multipart", serve: content("Range: bytes=0-1,5-")},
	{name: "ServeContent, beyond", says: "a range beyond the end is a 416", serve: content("Range: bytes=100-")},
	{name: "ServeContent, If-None-Match", says: "what the client has is a 304", serve: content(`If-None-Match: "x"`)},
	{name: "ServeContent, If-Modified-Since", says: "so is what has not changed", serve: content("If-Modified-Since: Mon, 02 Jan 2006 15:04:05 GMT")},
	{name: "ServeContent, If-Match", says: "a condition that fails is a 412", serve: content(`If-Match: "y"`)},
	{name: "ServeContent, If-Unmodified-Since", says: "so is what has changed", serve: content("If-Unmodified-Since: Mon, 02 Jan 1996 15:04:05 GMT")},
	{name: "ServeContent, If-Range", says: "a range of what has changed is the whole", serve: content(`If-Range: "y"`, "Range: bytes=2-4")},
	{name: "FileServer", says: "a file is served", serve: files("/a.txt")},
	{name: "FileServer, folder", says: "a folder is listed, escaped", serve: files("/dir/")},
	{name: "FileServer, slash", says: "a folder is redirected to its slash", serve: files("/dir")},
	{name: "FileServer, index", says: "index.html is its folder", serve: files("/index.html")},
	{name: "FileServer, none", says: "what is not there is a 404", serve: files("/b.txt")},
	{name: "FileServer, up", says: "nothing is above the root", serve: files("/../a.txt")},
	{name: "ReverseProxy, whole", says: "an answer is handed on", serve: backend(false)},
	{name: "ReverseProxy, cut", says: "an answer that the backend breaks off is broken off", serve: backend(true)},
	{name: "Handler, panics in a goroutine of its own", says: "a handler that panics with ErrAbortHandler after its header cuts the connection", serve: func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(200)
		panic(http.ErrAbortHandler)
	}},
	{name: "Handler, aborts wrapped", says: "only that very value is no failure", serve: func(w http.ResponseWriter, _ *http.Request) {
		panic(fmt.Errorf("wrapped: %w", http.ErrAbortHandler))
	}},
}

func mapKeys(h http.Header) func(func(string) bool) {
	return func(yield func(string) bool) {
		for name := range h {
			if !yield(name) {
				return
			}
		}
	}
}

func firsts(user, password string, ok bool) string { return fmt.Sprint(user, password, ok) }

type wrapped struct{ http.ResponseWriter }

func (w wrapped) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// form is a multipart body with a value and a file of n bytes.
func form(n int) string {
	return "--xxx\r\nContent-Disposition: form-data; name=\"value\"\r\n\r\nv\r\n" +
		"--xxx\r\nContent-Disposition: form-data; name=\"file\"; filename=\"f\"\r\n\r\n" + strings.Repeat("x", n) + "\r\n--xxx--\r\n"
}

func muxed(w http.ResponseWriter, r *http.Request) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /c", func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "c") })
	if r.Method == "DELETE" {
		r.URL.Path = "/c"
	}
	mux.ServeHTTP(w, r)
}

func protected(w http.ResponseWriter, r *http.Request) {
	http.NewCrossOriginProtection().Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "ok") })).ServeHTTP(w, r)
}

// content serves ten bytes to a request with fields.
func content(fields ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		for _, f := range fields {
			if name, value, ok := strings.Cut(f, ": "); ok {
				r.Header.Set(name, value)
			}
		}
		w.Header().Set("ETag", `"x"`)
		http.ServeContent(w, r, "a.css", time.Date(2006, 1, 2, 15, 4, 5, 0, time.UTC), strings.NewReader("0123456789"))
	}
}

func files(path string) http.HandlerFunc {
	tree := fstest.MapFS{"a.txt": {Data: []byte("a")}, "dir/b<>": {Data: []byte("b")}, "dir/c": {Mode: fs.ModeDir}}
	return func(w http.ResponseWriter, r *http.Request) {
		r.URL = &url.URL{Path: path}
		http.FileServerFS(tree).ServeHTTP(w, r)
	}
}

// backend is a proxy to a server that gives an answer in chunks, whole or not.
func backend(cut bool) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			panic(err)
		}
		defer ln.Close()
		go func() {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			defer conn.Close()
			conn.Read(make([]byte, 4096))
			io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Type: a/b\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n5\r\nhello\r\n")
			if !cut {
				io.WriteString(conn, "0\r\n\r\n")
			}
		}()
		proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: ln.Addr().String()})
		proxy.FlushInterval = -1
		proxy.ErrorHandler = func(w http.ResponseWriter, _ *http.Request, err error) { panic(err) }
		transport := new(http.Transport)
		defer transport.CloseIdleConnections()
		proxy.Transport = transport
		proxy.ErrorLog = quiet
		proxy.ServeHTTP(w, r)
	}
}

// TestFromHTTPAborts has a handler abort: nothing is logged, and the connection ends.
func TestFromHTTPAborts(t *testing.T) {
	abort := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	overAll(t, func(t *testing.T, s Subject) {
		srv := s.start(t, options{wrap: func(gateway.App) gateway.App { return gateway.Recover(nil)(gateway.FromHTTP(abort)) }})
		c := srv.dial()
		c.send(request("GET", "/", ""))
		if r := c.receive("GET"); r.err == nil {
			t.Errorf("a handler that aborts must not be answered for: %s", r.Status)
		}
		srv.eventually("the slot of a connection that was cut must be free again", func() bool { return srv.engine.Stats().Busy == 0 })
		if log := srv.log.String(); strings.Contains(log, "goroutine ") || strings.Contains(log, "ERROR") {
			t.Errorf("logged: %s", log)
		}
	})
}

// TestFromHTTPRemovesUploads has a handler parse a form that does not fit its
// memory, and looks for the file when it has returned, or panicked.
func TestFromHTTPRemovesUploads(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	store := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := r.ParseMultipartForm(1); err != nil {
			panic(err)
		}
		list, _ := filepath.Glob(filepath.Join(dir, "*"))
		fmt.Fprint(w, len(list))
		if r.URL.Path == "/panic" {
			panic(http.ErrAbortHandler)
		}
	})
	body := form(12 << 20) // 10 MiB are in memory whatever is asked for
	overAll(t, func(t *testing.T, s Subject) {
		srv := s.start(t, options{wrap: func(gateway.App) gateway.App { return gateway.FromHTTP(store) }})
		for _, path := range []string{"/", "/panic"} {
			c := srv.dial()
			c.send(request("POST", path, body, "Content-Type: multipart/form-data; boundary=xxx"))
			if r := c.receive("POST"); path == "/" && r.text() != "1" {
				t.Errorf("while the handler runs there must be one file, not %s", r.body)
			}
			srv.eventually("the file must go with the handler", func() bool {
				list, err := os.ReadDir(dir)
				return err == nil && len(list) == 0
			})
			c.Close()
		}
	})
}

// overAll runs test over each engine of the catalog that runs in one process.
func overAll(t *testing.T, test func(*testing.T, Subject)) {
	for _, s := range subjects {
		t.Run(s.spec, func(t *testing.T) {
			needRing(t, s.spec)
			test(t, subject(s.spec, s.traits))
		})
	}
}

// TestFromHTTPOverUnix has a handler tell the two ends of a connection over a
// Unix socket, as net/http's server does.
func TestFromHTTPOverUnix(t *testing.T) {
	tell := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s %T %v", r.RemoteAddr, r.Context().Value(http.LocalAddrContextKey), r.Context().Value(http.LocalAddrContextKey))
	})
	ask := func(path string) string {
		conn, err := net.DialTimeout("unix", path, patience)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		c := newClient(t, conn)
		c.send(request("GET", "/", "", "Connection: close"))
		return strings.ReplaceAll(c.receive("GET").text(), path, "PATH")
	}
	path := filepath.Join(t.TempDir(), "s")
	ln, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	theirs := &http.Server{Handler: tell}
	go theirs.Serve(ln)
	want := ask(path)
	theirs.Close()
	overAll(t, func(t *testing.T, s Subject) {
		path := filepath.Join(t.TempDir(), "s")
		s.start(t, options{listen: "unix:" + path, wrap: func(gateway.App) gateway.App { return gateway.Lint(gateway.FromHTTP(tell)) }})
		if got := ask(path); got != want {
			t.Errorf("net/http tells %q, FromHTTP %q", want, got)
		}
	})
}
