package load_test

import (
	"bufio"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/dynobench/dyno/bench/load"
	"github.com/dynobench/dyno/bench/load/plan"
	"github.com/dynobench/dyno/internal/peer"
)

// pemPair writes a certificate of the tests' authority, and its key.
func pemPair(t *testing.T, dir string) (cert, key string) {
	t.Helper()
	pair := load.Certified().Certificates[0]
	secret, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	encode := func(kind string, b []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: b}))
	}
	return write(t, filepath.Join(dir, "cert.pem"), encode("CERTIFICATE", pair.Certificate[0])), write(t, filepath.Join(dir, "key.pem"), encode("PRIVATE KEY", secret))
}

// freeAddr is an address on which nobody listens yet.
func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// counted offers load to a server that logs its requests and holds its count
// against the generator's.
func counted(t *testing.T, url string, lines func() int) {
	t.Helper()
	for _, transport := range []string{"io_uring", "epoll"} {
		for name, change := range map[string]func(*plan.Config){
			"kept":      func(*plan.Config) {},
			"fresh":     func(c *plan.Config) { c.Fresh = true },
			"resumed":   func(c *plan.Config) { c.Fresh, c.Resume = true, true },
			"pipelined": func(c *plan.Config) { c.Pipeline = 4 },
			"threads":   func(c *plan.Config) { c.Threads = 2 },
			"by rate":   func(c *plan.Config) { c.Model, c.Rate = plan.Open, 300 },
		} {
			t.Run(transport+" "+name, func(t *testing.T) {
				c := plan.Config{URL: url, TLS: load.Trusting(), Connections: 4, Duration: 200 * time.Millisecond, Timeout: 20 * time.Second, Transport: transport}
				change(&c)
				before := lines()
				l, err := load.Run(t.Context(), c)
				if err != nil {
					t.Fatal(err)
				}
				answers := int(l.Requests)
				if answers == 0 || l.Errors.Total() != l.Errors.Unsent {
					t.Fatalf("%d answers, %+v, %+v", answers, l.Errors, l.Warnings)
				}
				deadline := time.Now().Add(time.Minute) // a log is written when the server gets round to it
				for lines()-before < answers && time.Now().Before(deadline) {
					time.Sleep(time.Millisecond)
				}
				// What was resent, a server that closes may have seen before.
				if asked := lines() - before; asked < answers || asked > answers+int(l.Resent) {
					t.Errorf("%d answers, %d resent; the server counted %d", answers, l.Resent, asked)
				}
			})
		}
	}
}

func TestRealNginxTLS(t *testing.T) {
	nginx := peer.Find(t, "nginx")
	for _, version := range []string{"TLSv1.2", "TLSv1.3"} {
		t.Run(version, func(t *testing.T) {
			dir, addr := t.TempDir(), freeAddr(t)
			cert, key := pemPair(t, dir)
			conf := write(t, filepath.Join(dir, "nginx.conf"), fmt.Sprintf(`
daemon off;
pid %[1]s/pid;
error_log %[1]s/error.log;
events {}
http {
	log_format line '$request';
	access_log %[1]s/access.log line;
	client_body_temp_path %[1]s/body; proxy_temp_path %[1]s/proxy; fastcgi_temp_path %[1]s/fastcgi; uwsgi_temp_path %[1]s/uwsgi; scgi_temp_path %[1]s/scgi;
	keepalive_requests 100;
	server {
		listen %[2]s ssl http2;
		ssl_certificate %[3]s; ssl_certificate_key %[4]s; ssl_protocols %[5]s;
		location / { return 200 "Hello, World!"; }
	}
}
`, dir, addr, cert, key, version))
			peer.Run(t, exec.Command(nginx, "-p", dir, "-c", conf), addr)
			counted(t, "https://"+addr+"/hello", func() int {
				return strings.Count(mustRead(t, filepath.Join(dir, "access.log")), "\n")
			})
		})
	}
}

const pythonTLS = `
import http.server, ssl, sys
class Hello(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    def do_GET(self):
        self.send_response(200)
        self.send_header('Content-Length', '13')
        self.end_headers()
        self.wfile.write(b'Hello, World!')
    def log_message(self, format, *args):
        log.write('%s\n' % args[0])
        log.flush()
class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 64
    def handle_error(self, request, client_address):
        pass
host, port = sys.argv[1].split(':')
log = open(sys.argv[4], 'a')
server = Server((host, int(port)), Hello)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[2], sys.argv[3])
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
`

func TestRealPythonTLS(t *testing.T) {
	python := peer.Find(t, "python3")
	dir, addr := t.TempDir(), freeAddr(t)
	cert, key := pemPair(t, dir)
	log := write(t, filepath.Join(dir, "log"), "")
	peer.Run(t, exec.Command(python, "-c", pythonTLS, addr, cert, key, log), addr)
	counted(t, "https://"+addr+"/hello", func() int { return strings.Count(mustRead(t, log), "\n") })
}

// startOpenssl runs openssl s_server, which before each answer does what a letter
// on its standard input says: K sends a key update that asks for one in return, R
// asks for a new handshake. Once it says that it is done, hello is answered, or
// nothing where done is "".
func startOpenssl(t *testing.T, letter, done string, flags ...string) (url string) {
	t.Helper()
	openssl := peer.Find(t, "openssl")
	dir, addr := t.TempDir(), freeAddr(t)
	cert, key := pemPair(t, dir)
	cmd := exec.Command(openssl, append([]string{"s_server", "-accept", addr, "-cert", cert, "-key", key, "-msg", "-alpn", "http/1.1"}, flags...)...)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, said := io.Pipe()
	cmd.Stdout, cmd.Stderr = said, said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	read := make(chan struct{})
	accepting := make(chan struct{})
	go func() {
		defer close(read)
		told, accepts := false, false
		for lines := bufio.NewScanner(out); lines.Scan(); {
			line := lines.Text()
			switch {
			case line == "ACCEPT" && !accepts:
				accepts = true
				close(accepting)
			case strings.HasPrefix(line, "GET "):
				io.WriteString(in, letter+"\n")
				told = done != ""
			case told && strings.Contains(line, done):
				told = false
				io.WriteString(in, "HTTP/1.1 200 OK\nContent-Length: 14\n\nHello, World!\n")
			}
		}
		io.Copy(io.Discard, out)
	}()
	t.Cleanup(func() {
		in.Close()
		cmd.Process.Kill() //nolint:errcheck // it may have ended
		cmd.Wait()         //nolint:errcheck // likewise
		said.Close()
		<-read
	})
	<-accepting
	return "https://" + addr + "/hello"
}

// New keys in the midst of a connection go unnoticed.
func TestKeyUpdate(t *testing.T) {
	url := startOpenssl(t, "K", "KeyUpdate", "-tls1_3")
	for _, transport := range []string{"io_uring", "epoll"} {
		l, err := load.Run(t.Context(), plan.Config{
			URL: url, TLS: load.Trusting(), Connections: 1, Duration: 200 * time.Millisecond, Timeout: 20 * time.Second, Transport: transport,
		})
		if err != nil || l.Requests < 2 || l.Errors.Total() != 0 || l.Reconnects != 0 {
			t.Errorf("%s: %v, %+v", transport, err, l)
		}
	}
}

// A server that wants to begin anew is refused, and it is said why.
func TestRenegotiation(t *testing.T) {
	url := startOpenssl(t, "R", "", "-tls1_2")
	l, err := load.Run(t.Context(), plan.Config{
		URL: url, TLS: load.Trusting(), Connections: 1, Duration: 200 * time.Millisecond, Timeout: time.Second,
	})
	if err != nil {
		t.Fatal(err)
	}
	if l.Requests != 0 || l.Errors.Read == 0 || !strings.Contains(l.Warnings[0].Message, "renegotiate") {
		t.Errorf("%+v, %+v", l.Errors, l.Warnings)
	}
}
