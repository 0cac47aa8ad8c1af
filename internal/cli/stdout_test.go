package cli

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dynobench/dyno/internal/peer"
	"github.com/dynobench/dyno/results"
	"github.com/dynobench/dyno/results/resultstest"
)

// storedRun puts a run into a folder of runs.
func storedRun(t *testing.T, change func(*results.Run)) (runs string, run *results.Run) {
	t.Helper()
	run = resultstest.Run(resultstest.Options{Scenarios: []string{"hello"}, Targets: []string{"goroutine", "sync"}, NoInvalid: true})
	change(run)
	runs = t.TempDir()
	if _, err := results.Create(runs, run); err != nil {
		t.Fatal(err)
	}
	return runs, run
}

// TestNoVerbSucceedsUnread runs every verb that prints with a standard output
// that takes nothing.
func TestNoVerbSucceedsUnread(t *testing.T) {
	if _, err := os.Stat("/dev/full"); err != nil {
		peer.Missing(t, "needs /dev/full")
	}
	runs, run := storedRun(t, func(*results.Run) {})
	other := *run
	other.ID, other.Created = "another", run.Created.Add(time.Hour)
	if _, err := results.Create(runs, &other); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer server.Close()
	commands := [][]string{
		{"--version"}, {"--help"}, {"help", "run"},
		{"list"}, {"list", "targets", "--json"},
		{"run", "hello", "--plan"}, {"run", "hello", "--plan", "--json"},
		{"run", "hello", "--targets", "goroutine", "-n", "1", "-d", "100ms", "--warmup", "50ms", "-o", t.TempDir()},
		{"run", "hello", "--targets", "goroutine", "-n", "1", "-d", "100ms", "--warmup", "50ms", "--json", "-o", t.TempDir()},
		{"tune", "goroutine", "--plan"}, {"tune", "goroutine", "--plan", "--json"},
		{"compare", "latest", "latest", "-o", runs}, {"compare", "latest", "latest", "-o", runs, "--json"},
		{"report", "latest", "-o", runs}, {"report", "latest", "-o", runs, "--json"},
		{"report", "latest", "-o", runs, "--format", "hdr", "--only", "hello/sync"},
		{"check", "goroutine"}, {"check", "goroutine", "--json"}, {"check", "goroutine", "--format", "junit"},
		{"serve", "--engine", "goroutine", "--listen", "127.0.0.1:0", "--json"},
		{"load", server.URL, "-d", "50ms", "--warmup", "0s"}, {"load", server.URL, "-d", "50ms", "--warmup", "0s", "--json"},
	}
	for _, format := range reportFormats {
		if format != "hdr" {
			commands = append(commands, []string{"report", "latest", "-o", runs, "--format", format})
		}
	}
	for _, args := range commands {
		t.Run(strings.Join(args, " "), func(t *testing.T) {
			full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer full.Close()
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			cmd := exec.CommandContext(ctx, "dyno", args...)
			var stderr bytes.Buffer
			cmd.Stdout, cmd.Stderr = full, &stderr
			var exit *exec.ExitError
			if err := cmd.Run(); !errors.As(err, &exit) || exit.ExitCode() != exitFailed || !strings.Contains(stderr.String(), "no space left") {
				t.Errorf("%v: %s", err, &stderr)
			}
		})
	}

	// Nobody adds a verb without adding it here. The doctor takes half a minute,
	// and prints through the same output as all.
	c := &cli{stdout: io.Discard, stderr: io.Discard}
	for _, verb := range c.root().Commands() {
		if name := verb.Name(); name != "doctor" && !slices.ContainsFunc(commands, func(args []string) bool { return args[0] == name }) {
			t.Errorf("%s is not tried", name)
		}
	}
}
