//go:build unix

package http1_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/dynobench/dyno/internal/peer"
	"github.com/dynobench/dyno/protocol"
	"github.com/dynobench/dyno/protocol/http1"
	"github.com/dynobench/dyno/protocol/protocoltest"
)

// TestNginxDiffers compares what we and nginx make of streams as those of
// TestDifferential: how many requests they are, and which are refused. nginx may
// stand in front of us, and then a difference that is not one of those reviewed
// is a way to smuggle. Each of these must occur.
func TestNginxDiffers(t *testing.T) {
	nginx := startNginx(t)
	n := 6000
	if testing.Short() {
		n = 300
	}
	r := rand.New(rand.NewPCG(3, 4))
	met := map[string]int{}
	for range n {
		stream := mutated(r)
		ours, err := protocoltest.Parse(http1.Codec{}, new(protocol.Limits), stream)
		if err != nil {
			t.Fatal(err)
		}
		theirs := nginx.ask(t, stream)
		key := nginxKind(ours, theirs)
		if key == "" {
			continue
		}
		met[key]++
		if met[key] == 1 && nginxDifferences[key] == "" {
			t.Errorf("unexplained: %s\n%d requests, refused %v, partial %v; nginx %v\nin %q", key, len(ours.Requests), ours.Refused, ours.Partial, theirs.statuses, stream)
		}
	}
	for key := range nginxDifferences {
		if met[key] == 0 && !testing.Short() {
			t.Errorf("does not occur: %s", key)
		}
	}
	t.Logf("%d streams, by kind of difference: %v", n, met)
}

// nginxKind says who refuses what the other takes and why, or "".
func nginxKind(ours protocoltest.Found, theirs answered) string {
	for i := range max(len(ours.Requests), len(theirs.statuses)) {
		taken, answered := i < len(ours.Requests), i < len(theirs.statuses)
		switch {
		case taken && !answered:
			return "nginx does not answer"
		case taken && theirs.statuses[i] != 200:
			return "nginx refuses: " + theirs.reason
		case taken && closes(&ours.Requests[i]):
			return "" // what is behind it nobody looks at
		case taken:
		case theirs.statuses[i] != 200:
			return "" // refused by both, or cut short to both
		case ours.Refused != nil:
			return "we refuse: " + ours.Refused.Reason
		default:
			return "we wait for more"
		}
	}
	return ""
}

// closes tells whether r is the last of its connection, by its own word.
func closes(r *protocoltest.Request) bool {
	options := strings.ToLower(strings.Join(r.Field("Connection"), ","))
	return strings.Contains(options, "close") || r.Proto == "HTTP/1.0" && !strings.Contains(options, "keep-alive")
}

// nginxDifferences are the kinds that have been looked at, and why each is harmless.
var nginxDifferences = map[string]string{
	"nginx refuses: invalid host header":   "an empty Host, which RFC 9112, 3.2 asks for where a target has no authority",
	"nginx refuses: invalid method":        "nginx knows methods of capital letters only; RFC 9110, 9.1 has any token",
	"nginx refuses: invalid request":       "nginx has no target *, which is that of OPTIONS",
	"nginx refuses: duplicate header line": "Expect twice, which is a list to us (RFC 9110, 10.1.1)",

	"we refuse: a line does not end in CRLF":                      "nginx takes a bare LF for the end of a line (RFC 9112, 2.2 allows it) and passes CRLF on",
	"we refuse: malformed header field name":                      "nginx drops fields that it cannot read, and passes none of them on",
	"we refuse: forbidden character in a header field":            "nginx takes CRs before the end of a line for part of it and passes none on",
	"we refuse: missing, repeated or malformed Host":              "nginx takes more characters, and passes on the Host that it is told to",
	"we refuse: malformed request target":                         "nginx takes any scheme, and passes on the path only",
	"we refuse: malformed request line":                           "nginx reads over blanks behind the version, and writes the line anew",
	"we refuse: not an HTTP request":                              "nginx reads over any CRs and LFs in front of a request; RFC 9112, 2.2 has CRLF only",
	"we refuse: malformed chunk":                                  "nginx reads over any chunk extension and passes none on",
	"we refuse: unknown expectation":                              "nginx has no expectations but 100-continue and passes none on",
	"we refuse: upgrading to another protocol is not implemented": "nginx passes Upgrade on only where it is told to",
	"we wait for more":                                            "nginx answers with what it has been told to before the body is there",
}

// answered is what nginx makes of a stream.
type answered struct {
	statuses []int
	reason   string // of its last refusal, as it logs it
}

// server is a running nginx.
type server struct {
	socket string
	log    *os.File // read up to what it has logged before
}

var nginxReason = regexp.MustCompile(`client sent (.*?)(:? "| while |, client)`)

// ask sends a stream that then ends.
func (s *server) ask(t *testing.T, stream []byte) (a answered) {
	t.Helper()
	c, err := net.Dial("unix", s.socket)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(20 * time.Second))
	c.Write(stream) // it may have refused the beginning, and closed
	c.(*net.UnixConn).CloseWrite()
	answers, err := io.ReadAll(c)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("nginx says nothing to %q", stream)
	}
	for b := bufio.NewReader(bytes.NewReader(answers)); ; {
		resp, err := http.ReadResponse(b, nil)
		if err != nil {
			break
		}
		io.Copy(io.Discard, resp.Body)
		if resp.StatusCode >= 200 {
			a.statuses = append(a.statuses, resp.StatusCode)
		}
	}
	log, err := io.ReadAll(s.log)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range nginxReason.FindAllSubmatch(log, -1) {
		a.reason = string(m[1])
	}
	return a
}

// startNginx runs nginx as one process that answers every request with nothing,
// until the test ends.
func startNginx(t *testing.T) *server {
	t.Helper()
	nginx := peer.Find(t, "nginx")
	dir := t.TempDir()
	socket, logFile := filepath.Join(dir, "socket"), filepath.Join(dir, "log")
	conf := fmt.Sprintf(`daemon off; master_process off; pid %[1]s/pid; error_log %[3]s info;
events { worker_connections 64; }
http {
access_log off; client_body_temp_path %[1]s/body; proxy_temp_path %[1]s/proxy;
fastcgi_temp_path %[1]s/fastcgi; uwsgi_temp_path %[1]s/uwsgi; scgi_temp_path %[1]s/scgi;
server { listen unix:%[2]s; location / { return 200; } }
}
`, dir, socket, logFile)
	file := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(file, []byte(conf), 0o666); err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	t.Cleanup(func() { // once it has ended
		if said.Len() > 0 {
			t.Errorf("nginx says:\n%s", &said)
		}
	})
	cmd := exec.Command(nginx, "-p", dir, "-c", file, "-e", "stderr")
	cmd.Stderr = &said
	peer.Run(t, cmd, socket)
	log, err := os.Open(logFile)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { log.Close() })
	return &server{socket, log}
}
