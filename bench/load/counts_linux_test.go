package load_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dynobench/dyno/bench/load"
	"github.com/dynobench/dyno/bench/load/plan"
	"github.com/dynobench/dyno/internal/peer"
	"github.com/dynobench/dyno/results"
)

// A counting server is one that nobody here wrote and that counts its requests.
type counting struct {
	name  string
	url   string
	trust *x509.CertPool
	count func() int64
	gate  bool // a gateway protocol: one request at a time on a connection
}

// What dyno counts is what the server counts: over transports, pipelining, fresh
// connections, templates, classes and protocols.
func TestCountsAgree(t *testing.T) {
	for _, s := range []counting{countingNetHTTP(t, false), countingNetHTTP(t, true), countingNginx(t), countingPython(t)} {
		t.Run(s.name, func(t *testing.T) { countsAgree(t, s) })
	}
	t.Run("gateways", func(t *testing.T) {
		for _, s := range countingUWSGI(t) {
			t.Run(s.name, func(t *testing.T) { countsAgree(t, s) })
		}
	})
}

func countsAgree(t *testing.T, s counting) {
	requests := map[string][]plan.Request{
		"fixed":     {{Path: "/hello", Length: -1}},
		"templates": {{Path: "/${seq}?r=${rand:1-9}", Method: "POST", Body: []byte(`{"n": ${seq}}`), Length: -1}},
		"classes": {
			{Path: "/a", Class: "read", Weight: 3, Length: -1},
			{Path: "/b", Class: "write", Method: "POST", Body: bytes.Repeat([]byte("x"), 20<<10), Length: -1},
			{Path: "/c", Class: "last", Header: [][2]string{{"Connection", "close"}}, Length: -1},
		},
	}
	for how, change := range map[string]func(*plan.Config){
		"io_uring":            func(c *plan.Config) { c.Transport = "io_uring" },
		"epoll":               func(c *plan.Config) { c.Transport = "epoll" },
		"io_uring, pipelined": func(c *plan.Config) { c.Transport, c.Pipeline, c.Threads = "io_uring", 8, 2 },
		"epoll, pipelined":    func(c *plan.Config) { c.Transport, c.Pipeline = "epoll", 8 },
		"io_uring, fresh":     func(c *plan.Config) { c.Transport, c.Fresh = "io_uring", true },
		"epoll, fresh, open":  func(c *plan.Config) { c.Transport, c.Fresh, c.Model, c.Rate = "epoll", true, plan.Open, 300 },
		"pipelined, open":     func(c *plan.Config) { c.Pipeline, c.Model, c.Rate, c.Arrivals = 8, plan.Open, 900, plan.Poisson },
		"vegeta":              func(c *plan.Config) { c.Generator = "vegeta" },
	} {
		for what, requests := range requests {
			c := plan.Config{
				URL: s.url, Requests: requests, Connections: 3, Duration: 100 * time.Millisecond,
				Warmup: 50 * time.Millisecond, Timeout: 20 * time.Second,
			}
			if s.trust != nil {
				c.TLS = &tls.Config{RootCAs: s.trust}
			}
			change(&c)
			if c.Pipeline > 1 && (s.gate || what == "classes") {
				continue // is refused
			}
			before := s.count()
			l := load.MustRun(t, c)
			w := l.WholeRun
			seen := s.count() - before
			for range 200 { // a log is written after the answer
				if seen >= w.Answered {
					break
				}
				time.Sleep(10 * time.Millisecond)
				seen = s.count() - before
			}
			if seen < w.Answered || seen > w.Sent || w.Failed > 0 || w.Sent != w.Answered+w.Again+w.Cut || l.Errors.Total() > l.Errors.Unsent {
				t.Errorf("%s, %s: the server counts %d, dyno %+v, in the window %d, %+v; %+v", how, what, seen, w, l.Requests, l.Errors, l.Warnings)
			}
			if w.Again == 0 && w.Cut == 0 && seen != w.Sent {
				t.Errorf("%s, %s: the server counts %d of %d requests", how, what, seen, w.Sent)
			}
			count(t, how+", "+what, l)
		}
	}
}

// count holds the classes against the whole.
func count(t *testing.T, name string, l *results.Load) {
	t.Helper()
	sum := int64(0)
	for _, c := range l.Classes {
		sum += c.Requests
	}
	if sum != l.Requests || l.Requests > l.WholeRun.Answered {
		t.Errorf("%s: %d answers in the classes, %d in the window, %d in all", name, sum, l.Requests, l.WholeRun.Answered)
	}
}

func countingNetHTTP(t *testing.T, secure bool) counting {
	var n atomic.Int64
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n.Add(1)
		io.Copy(io.Discard, r.Body) //nolint:errcheck // a broken body is a failed request
		io.WriteString(w, "hello")  //nolint:errcheck // the client may be gone
	}))
	c := counting{name: "nethttp", count: n.Load}
	if secure {
		s.StartTLS()
		c.name = "https"
		c.trust = x509.NewCertPool()
		c.trust.AddCert(s.Certificate())
	} else {
		s.Start()
	}
	t.Cleanup(s.Close)
	c.url = s.URL + "/"
	return c
}

// countingNginx closes each connection after 50 requests, and says so.
func countingNginx(t *testing.T) counting {
	nginx := peer.Find(t, "nginx")
	dir, addr := t.TempDir(), freeAddr(t)
	log := filepath.Join(dir, "access.log")
	conf := write(t, filepath.Join(dir, "nginx.conf"), fmt.Sprintf(`
daemon off; pid %[1]s/pid; error_log %[1]s/error.log; worker_processes 1;
events { worker_connections 256; }
http {
  access_log %[2]s; client_body_temp_path %[1]s/b; proxy_temp_path %[1]s/p; fastcgi_temp_path %[1]s/f; uwsgi_temp_path %[1]s/u; scgi_temp_path %[1]s/s;
  keepalive_requests 50; lingering_close always;
  server { listen %[3]s; location / { return 200 hello; } }
}`, dir, log, addr))
	peer.Run(t, exec.Command(nginx, "-c", conf, "-p", dir, "-e", filepath.Join(dir, "error.log")), addr)
	return counting{name: "nginx", url: "http://" + addr + "/", count: func() int64 { return lines(t, log, "") }}
}

const pythonServer = `
import http.server, sys
log = open(sys.argv[2], 'w', buffering=1)
class H(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    def do_GET(self):
        self.rfile.read(int(self.headers.get('Content-Length') or 0))
        self.send_response(200); self.send_header('Content-Length', '5'); self.end_headers(); self.wfile.write(b'hello')
    do_POST = do_GET
    def log_message(self, *a): log.write('request\n')
s = http.server.ThreadingHTTPServer(('127.0.0.1', int(sys.argv[1])), H)
s.daemon_threads = True
s.serve_forever()
`

func countingPython(t *testing.T) counting {
	python := peer.Find(t, "python3")
	dir, addr := t.TempDir(), freeAddr(t)
	log := filepath.Join(dir, "log")
	_, port, _ := net.SplitHostPort(addr)
	peer.Run(t, exec.Command(python, write(t, filepath.Join(dir, "server.py"), pythonServer), port, log), addr)
	return counting{name: "http.server", url: "http://" + addr + "/", count: func() int64 { return lines(t, log, "request") }}
}

// countingUWSGI is uWSGI's own log of each request, in the protocols of a
// gateway that it speaks.
func countingUWSGI(t *testing.T) (all []counting) {
	uwsgi := peer.Find(t, "uwsgi")
	dir := t.TempDir()
	log := filepath.Join(dir, "log")
	argv := []string{
		uwsgi, "--plugin=python3", "--wsgi-file=" + write(t, filepath.Join(dir, "app.py"), wsgiApp), "--need-app", "--die-on-term",
		"--processes=2", "--master", "--no-orphans", "--logformat=one-request", "--logto=" + log,
	}
	var sockets []string
	for _, scheme := range []string{"uwsgi", "scgi"} {
		socket := filepath.Join(dir, scheme)
		sockets = append(sockets, socket)
		argv = append(argv, "--"+scheme+"-socket="+socket)
		all = append(all, counting{name: scheme, url: scheme + "://unix:" + socket + ":/", gate: true, count: func() int64 { return lines(t, log, "one-request") }})
	}
	peer.Run(t, exec.Command(argv[0], argv[1:]...), sockets...)
	return all
}

// lines is how many lines with a text a log has.
func lines(t *testing.T, file, text string) int64 {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	n := int64(0)
	for line := range strings.Lines(string(b)) {
		if strings.HasSuffix(line, "\n") && strings.Contains(line, text) {
			n++
		}
	}
	return n
}
