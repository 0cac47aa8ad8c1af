package cli

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/dynobench/dyno/engines/catalog"
	"github.com/dynobench/dyno/internal/peer"
)

// backend is a dyno serve behind nginx; nginx tells them apart by Host.
type backend struct{ protocol, engine, listen string }

func (b backend) host() string {
	kind := "tcp"
	if strings.HasPrefix(b.listen, "unix:") {
		kind = "unix"
	}
	engine, _, _ := strings.Cut(b.engine, ",")
	return engine + "-" + b.protocol + "-" + kind + ".test"
}

// TestBehindNginx has a real web server speak all protocols to all engines, over
// TCP and Unix sockets by turns, with the parameters that it comes with: nobody
// should have to know what to add.
func TestBehindNginx(t *testing.T) {
	nginx := peer.Find(t, "nginx")
	dir := t.TempDir()
	var backends []backend
	few := map[string]string{"prefork": ",processes=2", "threads": ",threads=2", "pool": ",size=2"}
	for i, entry := range catalog.List() {
		if entry.Kind != catalog.Engine {
			continue
		}
		engine := entry.Name + few[entry.Name]
		for j, codec := range codecs {
			listen := "127.0.0.1:0"
			if (i+j)%2 == 1 {
				listen = fmt.Sprintf("unix:%s/%s%d", dir, codec.Name(), i)
			}
			backends = append(backends, backend{codec.Name(), engine, listen})
		}
	}
	port := freePort(t)
	var servers strings.Builder
	var direct string // to the first of them, which speaks http
	for _, b := range backends {
		_, url := startServe(t, "--engine", b.engine, "--protocol", b.protocol, "--listen", b.listen)
		if direct == "" {
			direct = url
		}
		name := b.protocol
		if name == "http" {
			name = "proxy"
		}
		_, address, ok := strings.Cut(url, "://")
		if !ok { // unix:PATH
			address = url
		}
		keep, pass, more := "keepalive 2; ", b.host()+"_up", ""
		switch {
		case b.protocol == "http":
			pass = "http://" + pass
		case b.protocol == "fastcgi" && (b.engine == "sync" || b.engine == "prefork,processes=2"):
			keep = "" // sync closes after each answer, and FastCGI cannot say so
		case b.protocol == "fastcgi":
			more = "fastcgi_keep_conn on; "
		}
		fmt.Fprintf(&servers, "upstream %s_up { server %s; %s}\n", b.host(), address, keep)
		fmt.Fprintf(&servers, "server { listen 127.0.0.1:%d; server_name %s; location / { %s%s_pass %s; } }\n", port, b.host(), more, name, pass)
	}
	startNginx(t, nginx, dir, servers.String(), port)

	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: time.Minute}
	const stream = "/stream?chunks=9&size=1000&ms=0"
	resp, err := client.Get(direct + stream)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	streamed, err := io.ReadAll(resp.Body)
	if err != nil || len(streamed) != 9000 {
		t.Fatalf("%d bytes, %v", len(streamed), err)
	}
	for _, b := range backends {
		t.Run(b.host(), func(t *testing.T) {
			ask := func(method, target, body string, status int, want string) {
				t.Helper()
				r, err := http.NewRequest(method, fmt.Sprintf("http://127.0.0.1:%d%s", port, target), strings.NewReader(body))
				if err != nil {
					t.Fatal(err)
				}
				r.Host = b.host()
				resp, err := client.Do(r)
				if err != nil {
					t.Fatal(err)
				}
				defer resp.Body.Close()
				got, err := io.ReadAll(resp.Body)
				if err != nil || resp.StatusCode != status || string(got) != want {
					t.Errorf("%s %s: %s, %d bytes %.60q, %v; want %d, %d bytes", method, target, resp.Status, len(got), got, err, status, len(want))
				}
			}
			large := strings.Repeat("0123456789abcde\n", 20_000)
			for range 2 { // the connection may be kept
				ask("GET", "/hello", "", 200, "Hello, World!")
				ask("HEAD", "/hello", "", 200, "")
				ask("POST", "/echo", large, 200, large)
				ask("GET", stream, "", 200, string(streamed))
			}
		})
	}
}

// startNginx runs nginx as one process, all of whose files are in dir, until
// the test ends.
func startNginx(t *testing.T, nginx, dir, servers string, port int) {
	t.Helper()
	startNginxAs(t, nginx, dir, servers, port, nil)
}

// startNginxAs is startNginx for another user.
func startNginxAs(t *testing.T, nginx, dir, servers string, port int, who *syscall.Credential) {
	t.Helper()
	var temp, params strings.Builder
	for _, p := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		fmt.Fprintf(&temp, "%s_temp_path %s;\n", p, filepath.Join(dir, p))
	}
	for _, p := range []string{"fastcgi", "uwsgi", "scgi"} {
		stock := "/etc/nginx/" + p + "_params"
		if _, err := os.Stat(stock); err != nil {
			t.Fatalf("%v: nginx comes with it", err)
		}
		fmt.Fprintf(&params, "include %s;\n", stock)
	}
	conf := fmt.Sprintf(`daemon off; master_process off; pid %[1]s/pid; error_log stderr error;
events { worker_connections 256; }
http {
access_log off; client_max_body_size 10m; proxy_http_version 1.1; proxy_set_header Connection "";
%[2]s%[3]s%[4]s}
`, dir, &temp, &params, servers)
	file := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(file, []byte(conf), 0o666); err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	t.Cleanup(func() { // once it has ended
		if t.Failed() || said.Len() > 0 {
			t.Errorf("nginx says:\n%s", &said)
		}
	})
	cmd := exec.Command(nginx, "-p", dir, "-c", file, "-e", "stderr")
	cmd.Stderr = &said
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: who}
	peer.Run(t, cmd, fmt.Sprintf("127.0.0.1:%d", port))
}

func freePort(t *testing.T) int {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().(*net.TCPAddr).Port
}
