package measure

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

const holdVariable = "DYNO_RIG_TEST_HOLD"

// TestMain makes the test binary a process that holds a lock until it is ended.
func TestMain(m *testing.M) {
	if os.Getenv(holdVariable) != "" {
		if _, err := LockCPUs(context.Background(), []int{1}, nil); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println("held")
		select {}
	}
	os.Exit(m.Run())
}

// A lock keeps others off its CPUs and nothing else, names its holder, is waited
// for, and ends with its process, however that ends.
func TestLockCPUs(t *testing.T) {
	dir := t.TempDir()
	t.Setenv(LockDirVariable, dir)
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), holdVariable+"=1")
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { child.Process.Kill(); child.Wait() }) //nolint:errcheck // killed
	line := make([]byte, 5)
	if _, err := out.Read(line); err != nil || string(line) != "held\n" {
		t.Fatalf("%q, %v", line, err)
	}
	other, err := LockCPUs(t.Context(), []int{0, 2}, nil)
	if err != nil {
		t.Fatalf("other CPUs: %v", err)
	}
	defer other.Release()
	free, err := LockCPUs(t.Context(), []int{3}, nil)
	if err != nil {
		t.Fatal(err)
	}
	free.Release()
	free.Release()
	if _, err = LockCPUs(t.Context(), []int{3, 1}, nil); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("CPU 1 (process %d: ", child.Process.Pid)) {
		t.Errorf("a CPU that is taken: %v", err)
	}
	again, err := LockCPUs(t.Context(), []int{3}, nil) // what was taken before the refusal is free
	if err != nil {
		t.Fatal(err)
	}
	again.Release()

	ctx, cancel := context.WithCancel(t.Context())
	if _, err = LockCPUs(ctx, []int{1}, func(error) { cancel() }); !errors.Is(err, context.Canceled) {
		t.Errorf("an interrupted wait: %v", err)
	}
	said := 0
	waited, err := LockCPUs(t.Context(), []int{1}, func(error) {
		said++
		if err := child.Process.Signal(syscall.SIGKILL); err != nil {
			t.Error(err)
		}
	})
	if err != nil || said != 1 {
		t.Fatalf("after the holder's death: %v, told %d times", err, said)
	}
	waited.Release()
	if info, err := os.Stat(filepath.Join(dir, "dyno-cpu-1.lock")); err != nil || info.Mode().Perm() != 0o644 {
		t.Errorf("the file of all users: %v, %v", info, err)
	}
}

// Where no folder is for all users, that is said; a link in the place of a lock
// is not followed; and who asks for none gets none.
func TestNoPlaceForLocks(t *testing.T) {
	before := lockDirs
	defer func() { lockDirs = before }()
	private := t.TempDir()
	t.Setenv(LockDirVariable, "")
	lockDirs = []string{filepath.Join(private, "no"), private} // is not everybody's
	if _, err := LockCPUs(t.Context(), []int{0}, nil); !errors.Is(err, ErrNoLocks) {
		t.Errorf("no folder: %v", err)
	}
	shared := t.TempDir()
	if err := os.Chmod(shared, os.ModeSticky|0o777); err != nil {
		t.Fatal(err)
	}
	lockDirs = []string{private, shared}
	lock, err := LockCPUs(t.Context(), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := LockCPUs(t.Context(), nil, nil); err == nil || !strings.Contains(err.Error(), "the CPUs") {
		t.Errorf("all CPUs twice: %v", err)
	}
	lock.Release()
	if err := os.Symlink(filepath.Join(private, "victim"), filepath.Join(shared, "dyno-cpu-0.lock")); err != nil {
		t.Fatal(err)
	}
	if _, err := LockCPUs(t.Context(), []int{0}, nil); !errors.Is(err, ErrNoLocks) {
		t.Errorf("a link: %v", err)
	}
	if _, err := os.Stat(filepath.Join(private, "victim")); err == nil {
		t.Error("the link was followed")
	}
	t.Setenv(LockDirVariable, "none")
	if lock, err := LockCPUs(t.Context(), []int{0}, nil); lock != nil || err != nil {
		t.Errorf("none: %v, %v", lock, err)
	}
}
