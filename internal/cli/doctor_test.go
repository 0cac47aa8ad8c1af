package cli

import (
	"bufio"
	"bytes"
	"errors"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/dynobench/dyno/bench"
	"github.com/dynobench/dyno/bench/measure"
	"github.com/dynobench/dyno/internal/testkit"
	"github.com/dynobench/dyno/results"
)

// TestInterruptDoctor ends an examination as Ctrl-C does.
func TestInterruptDoctor(t *testing.T) {
	dir := t.TempDir()
	cmd := exec.Command("dyno", "doctor", "-o", dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var children []process
	var said strings.Builder
	for lines := bufio.NewScanner(stderr); lines.Scan(); {
		said.WriteString(lines.Text() + "\n")
		if len(children) == 0 && strings.Contains(lines.Text(), "ceiling") {
			testkit.Eventually(t, "a server", func() bool { return len(descendants(t, cmd.Process.Pid)) >= 2 })
			children = descendants(t, cmd.Process.Pid)
			cmd.Process.Signal(syscall.SIGINT) //nolint:errcheck // Wait tells
		}
	}
	var exit *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &exit) || exit.ExitCode() != exitInterrupted || !strings.Contains(said.String(), "nothing was stored") {
		t.Errorf("ended with %v and said %s; want exit code %d", err, said.String(), exitInterrupted)
	}
	testkit.Eventually(t, "the end of all that it started", func() bool { return noneAlive(children) })
	if files, _ := filepath.Glob(filepath.Join(dir, "*")); len(files) > 0 {
		t.Errorf("%v is left", files)
	}
}

// TestCalibrate gives a run what the doctor found of this very host.
func TestCalibrate(t *testing.T) {
	cpus, err := measure.ChooseCPUs(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	env := cpus.Environment()
	for name, test := range map[string]struct {
		doctor *results.Doctor
		used   bool
		says   string
	}{
		"nothing": {},
		"this host": {&results.Doctor{Schema: results.DoctorSchema, Created: time.Now(), Dyno: build(), Environment: env, Verdict: results.FitWithLimits,
			Calibration: &results.Calibration{CeilingRPS: 1e5}}, true, ""},
		"last year": {&results.Doctor{Schema: results.DoctorSchema, Created: time.Now().AddDate(-1, 0, 0), Dyno: build(), Environment: env,
			Calibration: &results.Calibration{CeilingRPS: 1e5}}, false, "days old; run it again"},
	} {
		dir := t.TempDir()
		if test.doctor != nil {
			if _, err := results.StoreDoctor(dir, test.doctor); err != nil {
				t.Fatal(err)
			}
		}
		var stderr bytes.Buffer
		c := &cli{stderr: &stderr}
		plan := new(bench.Plan)
		c.calibrate(plan, env, dir)
		if used := plan.Calibration != nil; used != test.used || !strings.Contains(stderr.String(), test.says) || test.says == "" && stderr.Len() > 0 {
			t.Errorf("%s: used %v, said %q; want %v, %q", name, used, stderr.String(), test.used, test.says)
		}
	}
}
