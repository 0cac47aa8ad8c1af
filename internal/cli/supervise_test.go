package cli

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// TestServeMaster runs a server as a service manager does: on a socket that it
// is given, told by it when it is ready, reloads and stops, with its process id
// in a file.
func TestServeMaster(t *testing.T) {
	dir := t.TempDir()
	manager, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(dir, "notify"), Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer manager.Close()
	states := make(chan string, 1000)
	var fed atomic.Int64
	go func() {
		for buf := make([]byte, 256); ; {
			n, err := manager.Read(buf)
			if err != nil {
				return // the test has ended
			}
			if state, _, _ := strings.Cut(string(buf[:n]), "\n"); state == "WATCHDOG=1" {
				fed.Add(1)
			} else {
				states <- state
			}
		}
	}()
	told := func() string { return <-states }
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	file, err := ln.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	pidFile := filepath.Join(dir, "pid")
	// The variables name the process that is to take the socket: the shell becomes it.
	cmd := exec.Command("sh", "-c", `LISTEN_PID=$$ exec dyno serve --engine goroutine --master --processes 2 --pid-file `+pidFile)
	cmd.ExtraFiles = []*os.File{file}
	cmd.Env = append(os.Environ(), "LISTEN_FDS=1", "NOTIFY_SOCKET="+filepath.Join(dir, "notify"), "WATCHDOG_USEC=20000")
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill() //nolint:errcheck // it has ended unless the test failed
	lines := make(chan string, 1000)
	go func() {
		defer close(lines)
		for s := bufio.NewScanner(stderr); s.Scan(); {
			lines <- s.Text()
		}
	}()
	says := func(part string) string {
		t.Helper()
		for line := range lines {
			if strings.Contains(line, part) {
				return line
			}
		}
		t.Fatalf("it ended without %q", part)
		return ""
	}
	get := func() {
		t.Helper()
		resp, err := http.Get("http://" + ln.Addr().String() + "/hello")
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if b, err := io.ReadAll(resp.Body); err != nil || string(b) != "Hello, World!" {
			t.Fatalf("%q, %v", b, err)
		}
		http.DefaultClient.CloseIdleConnections()
	}
	if got := told(); got != "READY=1" {
		t.Errorf("told %q when the workers are ready", got)
	}
	get()
	for before := fed.Load(); fed.Load() < before+3; time.Sleep(time.Millisecond) {
	}
	if b, err := os.ReadFile(pidFile); err != nil || string(b) != fmt.Sprintln(cmd.Process.Pid) {
		t.Errorf("pid file: %q, %v; the process is %d", b, err, cmd.Process.Pid)
	}
	cmd.Process.Signal(syscall.SIGHUP) //nolint:errcheck // what follows tells
	for _, want := range []string{"RELOADING=1", "READY=1"} {
		if got := told(); got != want {
			t.Errorf("told %q, want %q", got, want)
		}
	}
	get()
	cmd.Process.Signal(syscall.SIGUSR1)                                                               //nolint:errcheck // what follows tells
	if line := says("msg=stats requests=2"); !strings.Contains(line, " respawns=2 ended_unasked=0") { // the reload has replaced both
		t.Error(line)
	}
	cmd.Process.Signal(syscall.SIGTERM) //nolint:errcheck // what follows tells
	if got := told(); got != "STOPPING=1" {
		t.Errorf("told %q at the end", got)
	}
	for range lines { // to the end of all writers
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("exit: %v", err)
	}
	if _, err := os.Lstat(pidFile); !os.IsNotExist(err) {
		t.Errorf("the pid file must be removed: %v", err)
	}
}
