package apps

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dynobench/dyno/internal/peer"
)

// simpleServer serves app.py with Python's own WSGI server, under its
// validator, until standard input ends.
const simpleServer = `
import sys, threading
from wsgiref.simple_server import make_server, WSGIRequestHandler
from wsgiref.validate import validator
sys.path.insert(0, sys.argv[1])
import app

class Quiet(WSGIRequestHandler):
    def log_message(self, *args): pass

server = make_server("127.0.0.1", 0, validator(app.application), handler_class=Quiet)
print(server.server_port, flush=True)
threading.Thread(target=server.serve_forever, daemon=True).start()
sys.stdin.read()
`

// python returns Python 3, which the twins need: Debian's, which has the packages.
func python(t *testing.T) string { return peer.Find(t, "/usr/bin/python3", "python3") }

func TestWSGITwin(t *testing.T) {
	dir := t.TempDir()
	if err := Unpack(dir); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(python(t), "-B", "-c", simpleServer, filepath.Join(dir, "wsgi"))
	var stderr strings.Builder
	cmd.Stderr = &stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, _ := bufio.NewReader(stdout).ReadString('\n')
	if line != "" {
		check(t, "http://127.0.0.1:"+strings.TrimSpace(line))
	}
	stdin.Close()
	io.Copy(io.Discard, stdout)
	if err := cmd.Wait(); err != nil || line == "" || stderr.Len() > 0 {
		t.Errorf("python: %v\n%s", err, stderr.String())
	}
}

func TestUnpack(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "folder")
	for range 2 { // again over what is there
		if err := Unpack(dir); err != nil {
			t.Fatal(err)
		}
	}
	if data, err := os.ReadFile(filepath.Join(dir, "wsgi", "app.py")); err != nil || !strings.Contains(string(data), "def application") {
		t.Errorf("app.py: %v", err)
	}
	file := filepath.Join(dir, "wsgi", "app.py")
	if err := Unpack(file); err == nil {
		t.Error("unpacked into a file")
	}
}
