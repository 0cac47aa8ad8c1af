//go:build !linux

package target

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
)

// Other systems have the process group, and neither CPU affinity, nor
// WNOWAIT in a common form, nor /proc: a process that leaves the group is
// lost.

func startOn(cpus []int, cmd *exec.Cmd) error {
	if len(cpus) > 0 {
		return fmt.Errorf("pin to CPUs %s: there is no pinning on this system: %w", FormatCPUs(cpus), errors.ErrUnsupported)
	}
	return cmd.Start()
}

func waitLeader(cmd *exec.Cmd) { _ = cmd.Wait() }

func reap(*exec.Cmd) {}

func members(id int) []int {
	if syscall.Kill(-id, 0) == nil {
		return []int{id}
	}
	return nil
}

func hasten(int)                     {}
func alive(int) bool                 { return false }
func inSession(int, int) bool        { return false }
func marked(int, string) bool        { return false }
func sweep(func(pid int) bool) []int { return nil }

// self is this binary.
func self() string {
	path, err := os.Executable()
	if err != nil {
		return os.Args[0]
	}
	return path
}
