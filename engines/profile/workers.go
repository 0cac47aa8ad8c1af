package profile

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"strconv"
)

// Workers answers for the worker processes of a supervisor: a GET of /workers
// with the paths of those that run, as JSON, and what is below
// /worker/N/debug/pprof/ with what Handler answers in worker N, at the other end
// of a connection that dial makes. All else is own's.
func Workers(own http.Handler, running func() []int, dial func(id int) (net.Conn, error)) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /workers", func(w http.ResponseWriter, _ *http.Request) {
		paths := []string{}
		for _, id := range running() {
			paths = append(paths, fmt.Sprintf("/worker/%d/debug/pprof/", id))
		}
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(paths) //nolint:errcheck // the client has gone
	})
	proxy := &httputil.ReverseProxy{
		Rewrite: func(p *httputil.ProxyRequest) {
			p.Out.URL.Scheme, p.Out.URL.Host = "http", p.In.PathValue("id")
			p.Out.URL.Path = "/debug/pprof/" + p.In.PathValue("rest")
		},
		Transport: &http.Transport{
			DisableKeepAlives: true,
			DialContext: func(_ context.Context, _, addr string) (net.Conn, error) {
				host, _, err := net.SplitHostPort(addr)
				if err != nil {
					return nil, err
				}
				id, err := strconv.Atoi(host)
				if err != nil {
					return nil, fmt.Errorf("worker %q: its number is expected", host)
				}
				return dial(id)
			},
		},
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			http.Error(w, fmt.Sprintf("%v; /workers lists those that run", err), http.StatusBadGateway)
		},
	}
	mux.Handle("GET /worker/{id}/debug/pprof/{rest...}", proxy)
	mux.Handle("/", own)
	return mux
}

// ServeConn answers on one connection, which it closes, and returns at once.
func ServeConn(c net.Conn, h http.Handler) {
	s := &http.Server{Handler: h}
	s.Serve(&single{c: c}) //nolint:errcheck // the end of the listener, always
}

// single is a listener to which one connection comes.
type single struct{ c net.Conn }

func (s *single) Accept() (net.Conn, error) {
	c := s.c
	if s.c = nil; c == nil {
		return nil, io.EOF
	}
	return c, nil
}

func (*single) Close() error   { return nil }
func (*single) Addr() net.Addr { return &net.UnixAddr{Net: "unix"} }
