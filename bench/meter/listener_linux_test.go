package meter

import (
	"net"
	"os"
	"path/filepath"
	"strconv"
	"testing"
)

// The process behind a port and behind a unix socket is found.
func TestListener(t *testing.T) {
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer tcp.Close()
	port := strconv.Itoa(tcp.Addr().(*net.TCPAddr).Port)
	path := filepath.Join(t.TempDir(), "s")
	unix, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close()
	for _, at := range [][2]string{{"tcp", port}, {"unix", path}} {
		if pid, ok := Listener(at[0], at[1]); !ok || pid != os.Getpid() {
			t.Errorf("%v: process %d, %v; want this one, %d", at, pid, ok, os.Getpid())
		}
	}
	tcp.Close()
	for _, at := range [][2]string{{"tcp", port}, {"unix", path + "x"}, {"tcp", "http"}} {
		if pid, ok := Listener(at[0], at[1]); ok {
			t.Errorf("%v: process %d listens", at, pid)
		}
	}
}
