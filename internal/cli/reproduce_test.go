package cli

import (
	"bytes"
	"encoding/json"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dynobench/dyno/bench/target"
	"github.com/dynobench/dyno/internal/testkit"
	"github.com/dynobench/dyno/results"
)

// sh starts a line as a reader of a page would, as a group of processes.
func sh(t *testing.T, dir string, env []string, line string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command("/bin/sh", "-c", line)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return cmd
}

// TestToReproduceReproduces executes what a page prints: the whole run where
// nothing is set, every server, and every load against each.
func TestToReproduceReproduces(t *testing.T) {
	dir := t.TempDir()
	config := filepath.Join(dir, "dyno.yaml")
	if err := os.WriteFile(config, []byte("duration: 150ms\nwarmup: 50ms\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	settings := []string{"DYNO_TRIALS=1", "DYNO_CONFIG=" + config, "DYNO_TARGETS=goroutine,nethttp", "DYNO_TOLERATE=host"}
	run := sh(t, dir, settings, "dyno run hello wait -o r")
	var stderr bytes.Buffer
	run.Stderr = &stderr
	run.Run() //nolint:errcheck // trials may not count here
	pages, _ := filepath.Glob(filepath.Join(dir, "r", "*", "report.md"))
	if len(pages) != 1 {
		t.Fatalf("%d pages: %s", len(pages), &stderr)
	}
	page, err := os.ReadFile(pages[0])
	if err != nil {
		t.Fatal(err)
	}
	_, part, _ := strings.Cut(string(page), "## To reproduce")
	var lines []string
	for _, block := range regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(part, -1) {
		for line := range strings.Lines(block[1]) {
			if line = strings.TrimSpace(line); !strings.HasPrefix(line, "#") {
				lines = append(lines, line)
			}
		}
	}
	if len(lines) != 1+2+2 {
		t.Fatalf("%d commands:\n%s", len(lines), strings.Join(lines, "\n"))
	}

	// The whole run, as flags: the same plan without the settings.
	plans := make([]map[string]any, 2)
	for i, c := range []*exec.Cmd{sh(t, dir, settings, "dyno run hello wait -o r --plan --json --seed "+seedOf(t, pages[0])), sh(t, dir, nil, lines[0]+" --plan --json")} {
		c.Stderr = os.Stderr
		out, err := c.Output()
		if err != nil {
			t.Fatalf("%s: %v", c, err)
		}
		if err := json.Unmarshal(out, &plans[i]); err != nil {
			t.Fatal(err)
		}
		delete(plans[i], "command") // which says --plan at other places
	}
	if d := cmp.Diff(plans[0], plans[1]); d != "" {
		t.Errorf("%s plans another run:\n%s", lines[0], d)
	}

	// The servers and the loads. Somebody else may be at the page's ports.
	var moved []string
	for _, address := range []string{"127.0.0.1:8000", "127.0.0.1:8001"} {
		free, err := target.FreeAddr()
		if err != nil {
			t.Fatal(err)
		}
		moved = append(moved, address, free)
	}
	move := strings.NewReplacer(moved...)
	for _, server := range lines[1:3] {
		s := sh(t, dir, nil, move.Replace(server))
		if err := s.Start(); err != nil {
			t.Fatal(err)
		}
		testkit.Eventually(t, server, func() bool {
			c, err := net.Dial("tcp", moved[1])
			if err == nil {
				c.Close()
			}
			return err == nil
		})
		for _, load := range lines[3:] {
			out, err := sh(t, dir, []string{"DYNO_TOLERATE=host"}, move.Replace(load)).Output()
			var seen results.Load
			if jsonErr := json.Unmarshal(out, &seen); jsonErr != nil || seen.Requests == 0 || seen.Errors.Total() != 0 {
				t.Errorf("%s\nagainst %s: %v, %d requests, %+v, %v", load, server, err, seen.Requests, seen.Errors, jsonErr)
			}
		}
		syscall.Kill(-s.Process.Pid, syscall.SIGTERM) //nolint:errcheck // its end is waited for
		s.Wait()                                      //nolint:errcheck // likewise
	}
}

func seedOf(t *testing.T, page string) string {
	t.Helper()
	run, err := results.Read(filepath.Dir(page))
	if err != nil {
		t.Fatal(err)
	}
	command := run.Plan.Command
	return command[slices.Index(command, "--seed")+1]
}

// Flags that came from elsewhere stand before what is no flag, and lists keep
// their values apart.
func TestCommandLineHasTheSettings(t *testing.T) {
	dir := t.TempDir()
	config := filepath.Join(dir, "c.yaml")
	if err := os.WriteFile(config, []byte("trials: 2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("DYNO_DURATION", "100ms")
	t.Setenv("DYNO_SERVER_CPUS", "0,1")
	t.Setenv("DYNO_WARMUP", "1s") // the command line goes first
	c := &cli{args: []string{"run", "--config", config, "--warmup", "50ms", "--command", "a=x, y {addr}", "--", "hello"}, stdout: io.Discard, stderr: io.Discard}
	root := c.root()
	cmd, rest, err := root.Find(c.args)
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.ParseFlags(rest); err != nil {
		t.Fatal(err)
	}
	if err := c.fill(cmd); err != nil {
		t.Fatal(err)
	}
	want := []string{"dyno", "run", "--warmup", "50ms", "--command", "a=x, y {addr}", "--duration=100ms", "--server-cpus=0,1", "--trials=2", "--seed", "7", "--", "hello"}
	if d := cmp.Diff(want, c.commandLine(7)); d != "" {
		t.Error(d)
	}
}
