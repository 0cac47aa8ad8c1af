package conformance_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dynobench/dyno/engines"
	"github.com/dynobench/dyno/engines/goroutine"
	"github.com/dynobench/dyno/internal/peer"
	"github.com/dynobench/dyno/internal/testkit"
	"github.com/dynobench/dyno/protocol"
	"github.com/dynobench/dyno/protocol/conformance"
	"github.com/dynobench/dyno/protocol/http1"
)

// verdicts holds each verdict on the servers below that is not a pass, and
// why it is right: what the server does. It is what a reviewer signs; the test
// fails when a verdict changes, and when one has no reason.
const verdicts = "testdata/verdicts.txt"

// peerServer is a server that is judged. start returns its address.
type peerServer struct {
	name  string
	probe bool // dyno's app is behind it
	start func(t *testing.T, dir, backend string, port int)
}

var peers = []peerServer{
	{"net/http", false, func(t *testing.T, _, _ string, port int) {
		l, err := net.Listen("tcp", address(port))
		if err != nil {
			t.Fatal(err)
		}
		srv := &http.Server{ErrorLog: log.New(io.Discard, "", 0), Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if _, err := io.Copy(io.Discard, r.Body); err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
				return
			}
			io.WriteString(w, "hello")
		})}
		go srv.Serve(l)
		t.Cleanup(func() { srv.Close() })
	}},
	{"python", false, func(t *testing.T, dir, _ string, port int) {
		write(t, dir, "hello", "hello")
		cmd := exec.Command(peer.Find(t, "python3"), "-m", "http.server", "--bind", "127.0.0.1", fmt.Sprint(port))
		cmd.Dir = dir
		peer.Run(t, cmd, address(port))
	}},
	{"gunicorn", false, func(t *testing.T, dir, _ string, port int) {
		write(t, dir, "app.py", wsgi)
		cmd := exec.Command(peer.Find(t, "gunicorn"), "--chdir", dir, "--bind", address(port), "--worker-tmp-dir", dir, "--threads", "4", "app:app")
		peer.Run(t, cmd, address(port))
	}},
	{"uwsgi", false, func(t *testing.T, dir, _ string, port int) {
		write(t, dir, "app.py", wsgi)
		cmd := exec.Command(peer.Find(t, "uwsgi"), "--http-socket", address(port), "--plugin", "python3", "--chdir", dir, "--wsgi", "app:app", "--processes", "1", "--die-on-term")
		cmd.Dir = dir
		peer.Run(t, cmd, address(port))
	}},
	{"nginx", false, func(t *testing.T, dir, _ string, port int) {
		startNginx(t, dir, port, "location / { return 200 hello; }")
	}},
	{"haproxy", false, func(t *testing.T, dir, _ string, port int) {
		startHAProxy(t, dir, port, "http-request return status 200 content-type text/plain string hello hdr Date \"%[date,http_date]\"")
	}},
	{"apache", false, func(t *testing.T, dir, _ string, port int) {
		write(t, dir, "hello", "hello")
		startApache(t, dir, port, "DocumentRoot "+dir)
	}},
	{"nginx, dyno", true, func(t *testing.T, dir, backend string, port int) {
		startNginx(t, dir, port, "location / { proxy_pass http://"+backend+"; proxy_http_version 1.1; proxy_buffering off; proxy_set_header Host $http_host; }")
	}},
	{"haproxy, dyno", true, func(t *testing.T, dir, backend string, port int) {
		startHAProxy(t, dir, port, "option http-no-delay", "use_backend b", "backend b", " server s "+backend)
	}},
	{"apache, dyno", true, func(t *testing.T, dir, backend string, port int) {
		startApache(t, dir, port, "ProxyPreserveHost on\nAllowEncodedSlashes NoDecode\nProxyPass / http://"+backend+"/ nocanon flushpackets=on")
	}},
}

const wsgi = `
def app(environ, start_response):
    environ['wsgi.input'].read()
    start_response('200 OK', [('Content-Type', 'text/plain'), ('Content-Length', '5')])
    return [] if environ['REQUEST_METHOD'] == 'HEAD' else [b'hello']
`

func address(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func startNginx(t *testing.T, dir string, port int, location string) {
	var temp strings.Builder
	for _, p := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		fmt.Fprintf(&temp, "%s_temp_path %s;\n", p, filepath.Join(dir, p))
	}
	write(t, dir, "nginx.conf", fmt.Sprintf(`daemon off; master_process off; pid %s/pid; error_log stderr error;
events { worker_connections 256; }
http { access_log off; %s client_max_body_size 100m; server { listen %s; %s } }
`, dir, &temp, address(port), location))
	peer.Run(t, exec.Command(peer.Find(t, "nginx"), "-p", dir, "-e", "stderr", "-c", filepath.Join(dir, "nginx.conf")), address(port))
}

func startHAProxy(t *testing.T, dir string, port int, lines ...string) {
	write(t, dir, "ha.cfg", "defaults\n mode http\n timeout connect 10s\n timeout client 60s\n timeout server 60s\nfrontend f\n bind "+address(port)+"\n "+strings.Join(lines, "\n")+"\n")
	peer.Run(t, exec.Command(peer.Find(t, "haproxy"), "-f", filepath.Join(dir, "ha.cfg"), "-db"), address(port))
}

func startApache(t *testing.T, dir string, port int, more string) {
	var modules strings.Builder
	for _, m := range []string{"mpm_event", "authz_core", "proxy", "proxy_http"} {
		fmt.Fprintf(&modules, "LoadModule %s_module /usr/lib/apache2/modules/mod_%s.so\n", m, m)
	}
	user := ""
	if os.Getuid() == 0 { // it does not serve as root
		user = "User #65534\nGroup #65534\n"
		for d := dir; d != "/" && d != os.TempDir(); d = filepath.Dir(d) {
			os.Chmod(d, 0o755) //nolint:errcheck // the server will tell
		}
	}
	write(t, dir, "apache.conf", fmt.Sprintf("%sServerRoot %s\nServerName dyno.test\nListen %s\nPidFile %s/pid\nErrorLog %s/error\nDefaultRuntimeDir %s\nMutex pthread\n%s%s\n",
		modules.String(), dir, address(port), dir, dir, dir, user, more))
	peer.Run(t, exec.Command(peer.Find(t, "apache2"), "-X", "-f", filepath.Join(dir, "apache.conf")), address(port))
}

// backend serves dyno's app and returns where.
func backend(t *testing.T) string {
	t.Helper()
	e, err := goroutine.New(engines.NewParams(engines.Spec{Name: "goroutine"}, goroutine.Knobs))
	if err != nil {
		t.Fatal(err)
	}
	sock, err := engines.Listen("127.0.0.1:0", engines.SocketOptions{})
	if err != nil {
		t.Fatal(err)
	}
	addr := sock.Addr().String()
	svc := protocol.NewService(conformance.NewApp(), http1.Codec{})
	svc.Log = slog.New(slog.DiscardHandler)
	svc.DrainTime = time.Second
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- e.Serve(ctx, sock, svc) }()
	t.Cleanup(func() {
		stop()
		<-ended
	})
	return addr
}

// TestPeers judges servers that nobody here wrote, on their own and with dyno's
// app behind them. Each verdict that is not a pass was looked into, and has its
// reason beside it.
func TestPeers(t *testing.T) {
	reasons, order := readVerdicts(t)
	found, judged := map[string]bool{}, map[string]bool{}
	var mu sync.Mutex
	t.Run("all", func(t *testing.T) {
		for _, p := range peers {
			t.Run(strings.ReplaceAll(p.name, "/", "_"), func(t *testing.T) {
				t.Parallel() // they mostly wait for what does not come
				dir, port := t.TempDir(), 0
				if l, err := net.Listen("tcp", "127.0.0.1:0"); err == nil {
					port = l.Addr().(*net.TCPAddr).Port
					l.Close()
				}
				behind := ""
				if p.probe {
					behind = backend(t)
				}
				p.start(t, dir, behind, port)
				s := conformance.Server{
					Dial: func(ctx context.Context) (net.Conn, error) {
						return new(net.Dialer).DialContext(ctx, "tcp", address(port))
					},
					App: p.probe, Path: "/hello", Patience: 5 * time.Second,
				}
				results := conformance.Run(t.Context(), s, nil)
				mu.Lock()
				defer mu.Unlock()
				judged[p.name] = true
				for _, r := range results {
					if r.Verdict == conformance.Pass || r.Rule.Needs&conformance.App != 0 && !p.probe {
						continue
					}
					key := fmt.Sprintf("%s: %s: %s", p.name, r.Rule.ID, verdict(r))
					found[key] = true
					if reasons[key] == "" {
						t.Errorf("%s is not in %s, or without a reason. What was seen: %s", key, verdicts, r.Detail)
					}
				}
				for key := range reasons {
					if strings.HasPrefix(key, p.name+": ") && !found[key] {
						t.Errorf("%s is in %s, but this is not the verdict any more", key, verdicts)
					}
				}
			})
		}
	})
	if *testkit.Update {
		for key := range reasons { // what is missing here stays as it is
			server, _, _ := strings.Cut(key, ": ")
			found[key] = found[key] || !judged[server]
		}
		for key := range found {
			if !found[key] {
				delete(found, key)
			}
		}
		writeVerdicts(t, order, reasons, found)
	}
}

func verdict(r conformance.Result) string {
	if r.Verdict == conformance.Fail && r.Rule.Should {
		return "note"
	}
	return string(r.Verdict)
}

func readVerdicts(t *testing.T) (reasons map[string]string, order []string) {
	t.Helper()
	f, err := os.Open(verdicts)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	reasons = map[string]string{}
	for lines := bufio.NewScanner(f); lines.Scan(); {
		line := lines.Text()
		if line == "" || line[0] == '#' {
			order = append(order, line)
			continue
		}
		parts := strings.SplitN(line, ": ", 4)
		if len(parts) != 4 {
			t.Fatalf("%s: %q is not of four parts", verdicts, line)
		}
		reasons[strings.Join(parts[:3], ": ")] = parts[3]
	}
	return reasons, order
}

// writeVerdicts leaves the reasons to be given by hand.
func writeVerdicts(t *testing.T, comments []string, reasons map[string]string, found map[string]bool) {
	var keys []string
	for key := range found {
		keys = append(keys, key)
	}
	sort.Strings(keys)
	text := strings.Join(comments, "\n") + "\n"
	for _, key := range keys {
		text += key + ": " + reasons[key] + "\n"
	}
	if err := os.WriteFile(verdicts, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
