//go:build unix

package results_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/dynobench/dyno/results"
)

// childEnv makes the test binary a process that stores trials until the
// system stops it: "full" gets an error from write, "killed" a signal in the
// midst of it.
const childEnv = "DYNO_TEST_STORE"

func TestMain(m *testing.M) {
	if how := os.Getenv(childEnv); how != "" {
		fillUp(how, os.Args[1])
	}
	os.Exit(m.Run())
}

// fillUp appends trials below dir until a file may not grow any more.
func fillUp(how, dir string) {
	run := sampleRun()
	trials := run.Trials
	run.Trials = nil
	s, err := results.Create(dir, run)
	if err != nil {
		fmt.Println(err)
		os.Exit(4)
	}
	if how == "full" {
		signal.Ignore(syscall.SIGXFSZ) // then write returns EFBIG, as it returns ENOSPC on a full disk
	}
	limit := syscall.Rlimit{Cur: 100 << 10, Max: 100 << 10}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		fmt.Println(err)
		os.Exit(4)
	}
	for i := range 1000 {
		if err := s.Append(trials[i%len(trials)]); err != nil {
			fmt.Printf("%d stored: %v", i, err)
			os.Exit(3)
		}
	}
	os.Exit(0)
}

func TestWhatIsStoredSurvives(t *testing.T) {
	for _, how := range []string{"full", "killed"} {
		t.Run(how, func(t *testing.T) {
			dir := t.TempDir()
			cmd := exec.Command(os.Args[0], dir)
			cmd.Env = append(os.Environ(), childEnv+"="+how)
			out, err := cmd.Output()
			var exit *exec.ExitError
			if !errors.As(err, &exit) {
				t.Fatalf("the child ended with %v: %s", err, out)
			}
			if how == "full" {
				if exit.ExitCode() != 3 || !strings.Contains(string(out), dir) || !strings.Contains(string(out), "free some space") {
					t.Fatalf("exit %d: %s", exit.ExitCode(), out)
				}
			}
			path, err := results.Find(dir, results.Latest)
			if err != nil {
				t.Fatal(err)
			}
			run, err := results.Read(path)
			if err != nil {
				t.Fatalf("the last good document is gone: %v", err)
			}
			if len(run.Trials) == 0 {
				t.Error("no trial is left")
			}
			if how == "full" {
				if !strings.HasPrefix(string(out), fmt.Sprintf("%d stored", len(run.Trials))) {
					t.Errorf("%d trials are left; the child: %s", len(run.Trials), out)
				}
				if left, _ := filepath.Glob(filepath.Join(path, ".run*")); len(left) != 0 {
					t.Errorf("left behind: %v", left)
				}
			}
		})
	}
}
