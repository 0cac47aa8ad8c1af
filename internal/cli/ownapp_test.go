package cli

import (
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestExampleShop builds the example, a module of its own, and has it serve its
// app, under a supervisor too, and run a scenario against it.
func TestExampleShop(t *testing.T) {
	shop := filepath.Join(t.TempDir(), "shop")
	build := exec.Command("go", "build", "-o", shop, ".")
	build.Dir = "../../examples/shop"
	build.Env = append(os.Environ(), "GOFLAGS=") // of the tests
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	for _, engine := range []string{"eventloop", "prefork:goroutine,processes=2"} {
		cmd, url := startProgram(t, shop, "serve", "--engine", engine)
		resp, err := http.Post(url+"/orders", "application/json", strings.NewReader(`{"item": "tea"}`))
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		http.DefaultClient.CloseIdleConnections()
		if want := `{"item":"tea","number":1}` + "\n"; err != nil || resp.StatusCode != http.StatusCreated || string(body) != want {
			t.Errorf("%s: %s, %q, %v; want 201 and %q", engine, resp.Status, body, err, want)
		}
		cmd.Process.Signal(syscall.SIGTERM) //nolint:errcheck // Wait tells
		if err := cmd.Wait(); err != nil {
			t.Errorf("%s: exit: %v", engine, err)
		}
	}
	dir := t.TempDir()
	for _, args := range [][]string{{"../../examples/shop/checkout.yaml"}, nil} {
		args = append(args, "--targets", "goroutine", "-n", "1", "-d", "300ms", "--warmup", "100ms", "-o", dir)
		out, err := exec.Command(shop, append([]string{"run"}, args...)...).CombinedOutput()
		var exit *exec.ExitError
		if err != nil && (!errors.As(err, &exit) || exit.ExitCode() > exitFailed && exit.ExitCode() != exitUndecided) {
			t.Fatalf("shop run %v: %v\n%s", args, err, out)
		}
		run, err := readRun(dir, "latest")
		if err != nil {
			t.Fatal(err)
		}
		for _, trial := range run.Trials { // a noisy host may spoil it otherwise
			if trial.Requests == 0 || trial.Errors.Status+trial.Errors.Body > 0 {
				t.Errorf("shop run %v: %d requests, errors %+v; want right answers", args, trial.Requests, trial.Errors)
			}
		}
	}
	// tune asks it for / unless told otherwise.
	out, err := exec.Command(shop, "tune", "goroutine", "--sweep", "per", "-n", "3", "-d", "100ms", "--warmup", "50ms", "-o", dir).CombinedOutput()
	var exit *exec.ExitError
	if err != nil && (!errors.As(err, &exit) || exit.ExitCode() > exitFailed && exit.ExitCode() != exitUndecided) {
		t.Fatalf("shop tune: %v\n%s", err, out)
	}
	if !strings.Contains(string(out), "shop serve --engine goroutine") || !strings.Contains(string(out), "under front-page") {
		t.Errorf("shop tune printed:\n%s", out)
	}
}
