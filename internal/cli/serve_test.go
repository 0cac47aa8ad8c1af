package cli

import (
	"bufio"
	"io"
	"net/http"
	"os/exec"
	"syscall"
	"testing"

	"github.com/dynobench/dyno/internal/testkit"
)

// startServe runs dyno serve and returns its URL.
func startServe(t *testing.T, args ...string) (*exec.Cmd, string) {
	t.Helper()
	return startProgram(t, "dyno", append([]string{"serve"}, args...)...)
}

// startProgram runs a command that serves and returns its URL.
func startProgram(t *testing.T, name string, args ...string) (*exec.Cmd, string) {
	t.Helper()
	cmd := exec.Command(name, args...)
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill() })
	lines := bufio.NewReader(stderr)
	line, err := lines.ReadString('\n')
	m := listening.FindStringSubmatch(line)
	if err != nil || m == nil {
		t.Fatalf("dyno serve said %q (%v)", line, err)
	}
	go io.Copy(io.Discard, lines) //nolint:errcheck // until it ends
	return cmd, m[1]
}

// waitIn has a request wait in the server and returns when it is there.
func waitIn(t *testing.T, url, chunks string) (answer func() (string, error)) {
	t.Helper()
	resp, err := http.Get(url + "/stream?" + chunks)
	if err != nil {
		t.Fatal(err)
	}
	return func() (string, error) {
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		return string(b), err
	}
}

// TestServeDrains ends a server with a request in flight: it is answered, and
// the exit code is 0.
func TestServeDrains(t *testing.T) {
	for _, engine := range []string{"sync", "threads", "pool", "goroutine", "goroutine,per=request", "eventloop", "prefork:goroutine,processes=2", "nethttp", "fasthttp"} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			cmd, url := startServe(t, "--engine", engine)
			answer := waitIn(t, url, "chunks=10&size=5&ms=30")
			if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
			if body, err := answer(); err != nil || len(body) != 50 {
				t.Errorf("the request in flight got %d bytes, %v; want 50", len(body), err)
			}
			if err := cmd.Wait(); err != nil {
				t.Errorf("exit after SIGTERM: %v, want code 0", err)
			}
		})
	}
}

// TestSecondInterruptEndsAtOnce does not wait for the minute that the request
// in flight would take.
func TestSecondInterruptEndsAtOnce(t *testing.T) {
	cmd, url := startServe(t, "--drain", "1h")
	waitIn(t, url, "chunks=1000&size=1&ms=60000")
	cmd.Process.Signal(syscall.SIGINT) //nolint:errcheck // Wait tells
	// The first signal is seen when the server takes no more connections.
	testkit.Eventually(t, "the drain", func() bool {
		_, err := http.Get(url + "/hello")
		return err != nil
	})
	cmd.Process.Signal(syscall.SIGINT) //nolint:errcheck // Wait tells
	if err := cmd.Wait(); err == nil {
		t.Error("the second interrupt ended in order, want an end by the signal")
	}
}
