package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dynobench/dyno/results"
)

// resumed runs dyno run --resume and returns its exit code and what it said.
func resumed(t *testing.T, args ...string) (code int, said string) {
	t.Helper()
	cmd := exec.Command("dyno", append([]string{"run", "--resume"}, args...)...)
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		code = exit.ExitCode()
	} else if err != nil {
		t.Fatal(err)
	}
	return code, string(out)
}

// TestResume cuts a run, as a kill and as Ctrl-C do, and goes on with it.
func TestResume(t *testing.T) {
	t.Setenv("DYNO_TOLERATE", "host") // a setting, which is not for the run that is gone on with
	for name, signal := range map[string]syscall.Signal{"killed": syscall.SIGKILL, "interrupted": syscall.SIGINT} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			runs, program, scenario := filepath.Join(dir, "runs"), filepath.Join(dir, "serve.sh"), filepath.Join(dir, "mine.yaml")
			write(t, program, "#!/bin/sh\necho started >>\"$2\"\nexec dyno serve --engine goroutine --listen \"$1\"\n", 0o755)
			write(t, scenario, "name: mine\nsummary: s\nshows: s\nrequests: [{path: /hello}]\nload: {model: closed, connections: 4}\nduration: 300ms\nwarmup: 100ms\n", 0o644)
			cmd := startRun(t, runs, []string{"run", scenario, "--targets", "goroutine", "--command", "own=" + program + " {addr} " + program + ".log", "-n", "3"})
			if code, said := resumed(t, "latest", "-o", runs); code != exitUsage || !strings.Contains(said, "is being measured by another process") {
				t.Errorf("two at a time: exit %d: %s", code, said)
			}
			if err := cmd.Process.Signal(signal); err != nil {
				t.Fatal(err)
			}
			cmd.Wait() //nolint:errcheck // it was told to end
			path, err := results.Find(runs, results.Latest)
			if err != nil {
				t.Fatal(err)
			}
			before, err := results.Read(path)
			if err != nil {
				t.Fatal(err)
			}
			if n := len(before.Trials); n == 0 || n >= 6 || before.Tally().State == results.Finished {
				t.Fatalf("%d trials, %s: not cut", n, before.Tally().State)
			}
			refuseOther(t, path, program)

			// The scenario is the run's own.
			write(t, scenario, "name: mine\nsummary: another one\n", 0o644)
			if code, said := resumed(t, filepath.Base(path), "-o", runs); code != 0 {
				t.Fatalf("exit %d: %s", code, said)
			}
			after, err := results.Read(path)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(before.Trials, after.Trials[:len(before.Trials)]); d != "" {
				t.Errorf("what was measured has changed:\n%s", d)
			}
			if tally := after.Tally(); !tally.Whole() || tally.Planned != 6 || len(after.Resumed) != 1 || after.Interrupted {
				t.Errorf("%+v, resumed %v", tally, after.Resumed)
			}
			for i, trial := range after.Trials {
				if trial.Order != i+1 {
					t.Errorf("trial %d has the place %d", i+1, trial.Order)
				}
			}
			if code, said := resumed(t, path); code != 0 || !strings.Contains(said, "nothing to do") {
				t.Errorf("of a finished one: exit %d: %s", code, said)
			}
			if again, err := results.Read(path); err != nil || len(again.Trials) != len(after.Trials) {
				t.Errorf("%v, %d trials of %d", err, len(again.Trials), len(after.Trials))
			}
		})
	}
}

func write(t *testing.T, path, text string, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
}

// refuseOther changes what the run in the folder path depends on, one thing
// after the other. Each is named, and nothing is written.
func refuseOther(t *testing.T, path, program string) {
	t.Helper()
	document := filepath.Join(path, results.RunFile)
	edit := func(change func(*results.Run)) func(string) error {
		return func(document string) error {
			run, err := results.Read(document)
			if err != nil {
				return err
			}
			change(run)
			b, err := json.Marshal(run)
			if err != nil {
				return err
			}
			return os.WriteFile(document, b, 0o600)
		}
	}
	whole, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	server, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		change func(document string) error
		want   string
	}{
		{"another server", func(string) error { return os.WriteFile(program, append(server, '#'), 0o755) }, "serve.sh has changed"},
		{"no server", func(string) error { return os.Remove(program) }, "serve.sh is gone"},
		{"another kernel", edit(func(r *results.Run) { r.Environment.Kernel = "0.1" }), `kernel was "0.1", now`},
		{"other CPUs", edit(func(r *results.Run) { r.Environment.ServerCPUs = []int{4711} }), "CPU 4711 is not one"},
		{"another dyno", edit(func(r *results.Run) { r.Dyno.SHA256 = "0123" }), `another dyno: sha256 was "0123"`},
		{"a trial of another plan", edit(func(r *results.Run) { r.Trials[0].Target = "x" }), "not in the plan"},
		{"another command", edit(func(r *results.Run) { r.Plan.Scenarios[0].Requests[0] = "1 × GET /other" }), "scenario mine is another one: requests was"},
		{"an older dyno's", edit(func(r *results.Run) { r.Plan.Planned = 0 }), "without the whole plan"},
		{"a tuning", edit(func(r *results.Run) { r.Plan.Targets[0].Trials = []int{1} }), "start dyno tune again"},
		{"torn", func(document string) error { return os.WriteFile(document, whole[:len(whole)/2], 0o600) }, "malformed at offset"},
		{"foreign", func(document string) error { return os.WriteFile(document, []byte(`{"schema":"dyno.load/1"}`), 0o600) }, "expected a stored run (dyno.run/1)"},
		{"gone", os.Remove, "no such file"},
	} {
		if err := c.change(document); err != nil {
			t.Fatal(err)
		}
		changed, _ := os.ReadFile(document) //nolint:errcheck // it may be gone
		if code, said := resumed(t, path); code != exitUsage || !strings.Contains(said, c.want) {
			t.Errorf("%s: exit %d, want %d and %q: %s", c.name, code, exitUsage, c.want, said)
		}
		if left, _ := os.ReadFile(document); !bytes.Equal(left, changed) { //nolint:errcheck // likewise
			t.Errorf("%s: the document was written", c.name)
		}
		write(t, document, string(whole), 0o644)
		write(t, program, string(server), 0o755)
	}
	for _, args := range [][]string{{path, "hello"}, {path, "--trials", "5"}, {path, "--seed=1"}, {path, "--plan"}} {
		if code, said := resumed(t, args...); code != exitUsage || !strings.Contains(said, "leave out") {
			t.Errorf("%v: exit %d: %s", args[1:], code, said)
		}
	}
	t.Setenv("DYNO_RESUME", path) // however it is given
	if out, err := exec.Command("dyno", "run", "hello").CombinedOutput(); err == nil || !strings.Contains(string(out), "leave out hello") {
		t.Errorf("by a setting: %v: %s", err, out)
	}
	os.Unsetenv("DYNO_RESUME") //nolint:errcheck // the name is good
	copied := filepath.Join(t.TempDir(), "copy.json")
	write(t, copied, string(whole), 0o644)
	if code, said := resumed(t, copied); code != exitUsage || !strings.Contains(said, "give its folder") {
		t.Errorf("a copy: exit %d: %s", code, said)
	}
}
