package load_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/dynobench/dyno/bench/load"
	"github.com/dynobench/dyno/bench/load/plan"
	"github.com/dynobench/dyno/internal/peer"
	"github.com/dynobench/dyno/protocol/client"
)

func write(t *testing.T, file, text string) string {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
	return file
}

// offer has both generators ask a real server, and compare every byte. One that
// closes connections which it was asked to keep, as uWSGI's FastCGI does, is asked
// on fresh ones or, by vegeta, what may be asked again.
func offer(t *testing.T, url string, params [][2]string, closes bool) {
	t.Helper()
	for _, generator := range []string{"native", "vegeta"} {
		c := plan.Config{
			URL: url, Generator: generator, Params: params, Connections: 2, Duration: 100 * time.Millisecond, Timeout: 20 * time.Second,
			Requests: []plan.Request{
				{Path: "/a%20b?q=1", Length: -1, Want: []byte("GET /a b q=1 ")},
				{Path: "/missing", Length: -1, Status: 404},
				{Path: "/${pick:x}", Method: "POST", Body: []byte("${pick:y}"), Length: -1, Want: []byte("POST /x  y")},
			},
		}
		if c.Fresh = closes && generator == "native"; closes && !c.Fresh {
			c.Requests = c.Requests[:2]
		}
		l := load.MustSee(t, c, load.Something)
		if l.Requests == 0 || l.Errors.Total() != 0 || !strings.HasPrefix(l.URL, url) {
			t.Errorf("%s by %s: %d requests, %+v", url, generator, l.Requests, l.Errors)
		}
	}
}

// ask has net/http's client ask it.
func ask(t *testing.T, scheme, socket string, params [][2]string, closes bool) {
	t.Helper()
	own := &client.Transport{Params: params, DisableKeepAlives: closes, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}
	defer own.CloseIdleConnections()
	large := strings.Repeat("0123456789abcde\n", 20_000)
	for range 2 {
		q, err := http.NewRequestWithContext(t.Context(), "POST", scheme+"://test/large", strings.NewReader(large))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := (&http.Client{Transport: own, Timeout: time.Minute}).Do(q)
		if err != nil {
			t.Fatalf("%s: %v", scheme, err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if want := "POST /large  " + large; err != nil || string(body) != want || resp.StatusCode != 200 || resp.Header.Get("X-App") != "real" || resp.Header.Get("Status") != "" {
			t.Errorf("%s: %s, %v, %d bytes, %v; want %d bytes", scheme, resp.Status, resp.Header, len(body), err, len(want))
		}
	}
}

const wsgiApp = `
def application(env, start_response):
    status = '404 Not Found' if env['PATH_INFO'] == '/missing' else '200 OK'
    start_response(status, [('Content-Type', 'text/plain'), ('X-App', 'real')])
    head = '%s %s %s ' % (env['REQUEST_METHOD'], env['PATH_INFO'], env['QUERY_STRING'])
    return [head.encode(), env['wsgi.input'].read()]
`

// uWSGI itself speaks all three.
func TestRealUWSGI(t *testing.T) {
	uwsgi := peer.Find(t, "uwsgi")
	dir := t.TempDir()
	argv := []string{
		uwsgi, "--plugin=python3", "--wsgi-file=" + write(t, filepath.Join(dir, "app.py"), wsgiApp),
		"--need-app", "--disable-logging", "--die-on-term", "--processes=2", "--master", "--no-orphans",
	}
	schemes := []string{"uwsgi", "scgi", "fastcgi"}
	var sockets []string
	for _, scheme := range schemes {
		sockets = append(sockets, filepath.Join(dir, scheme))
		argv = append(argv, "--"+scheme+"-socket="+filepath.Join(dir, scheme))
	}
	peer.Run(t, exec.Command(argv[0], argv[1:]...), sockets...)
	for i, scheme := range schemes {
		t.Run(scheme, func(t *testing.T) {
			offer(t, scheme+"://unix:"+sockets[i], nil, scheme == "fastcgi")
			ask(t, scheme, sockets[i], nil, true)
		})
	}
}

const phpApp = `<?php
header('Content-Type: text/plain');
header('X-App: real');
if ($_SERVER['PATH_INFO'] == '/missing') http_response_code(404);
echo $_SERVER['REQUEST_METHOD'], ' ', $_SERVER['PATH_INFO'], ' ', $_SERVER['QUERY_STRING'], ' ', file_get_contents('php://input');
`

// php-fpm keeps connections, and states no length.
func TestRealPHP(t *testing.T) {
	fpm := peer.Find(t, "php-fpm", "php-fpm8.2")
	dir := t.TempDir()
	script := write(t, filepath.Join(dir, "app.php"), phpApp)
	socket := filepath.Join(dir, "fpm")
	conf := write(t, filepath.Join(dir, "fpm.conf"), "[global]\nerror_log = /dev/stderr\ndaemonize = no\n[test]\nlisten = "+socket+"\npm = static\npm.max_children = 2\n")
	argv := []string{fpm, "--nodaemonize", "--fpm-config", conf}
	if os.Getuid() == 0 {
		argv = append(argv, "--allow-to-run-as-root")
		write(t, conf, mustRead(t, conf)+"user = root\ngroup = root\n")
	}
	peer.Run(t, exec.Command(argv[0], argv[1:]...), socket)
	params := [][2]string{{"SCRIPT_FILENAME", script}}
	offer(t, "fastcgi://unix:"+socket, params, false)
	ask(t, "fastcgi", socket, params, false)
}

func mustRead(t *testing.T, file string) string {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
