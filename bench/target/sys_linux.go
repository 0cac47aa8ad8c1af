package target

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"

	"golang.org/x/sys/unix"
)

// startOn starts cmd on the given CPUs. A child inherits the affinity of the
// thread that forks it, so the set is in place before the first instruction
// of the program, and every process and thread of the tree inherits it. Go
// makes new threads from a thread that is never pinned, so nothing else of
// this process is affected.
func startOn(cpus []int, cmd *exec.Cmd) error {
	if len(cpus) == 0 {
		return cmd.Start()
	}
	var want, before unix.CPUSet
	for _, c := range cpus {
		want.Set(c)
	}
	runtime.LockOSThread()
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		runtime.UnlockOSThread()
		return fmt.Errorf("read the CPU affinity: %w", err)
	}
	if err := unix.SchedSetaffinity(0, &want); err != nil {
		runtime.UnlockOSThread()
		return fmt.Errorf("pin to CPUs %s: %w (taskset -p $$ shows which are allowed)", FormatCPUs(cpus), err)
	}
	startErr := cmd.Start()
	if err := unix.SchedSetaffinity(0, &before); err != nil {
		// The thread stays locked: it ends with its goroutine instead of
		// running others on the wrong CPUs.
		if startErr == nil {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}
		return errors.Join(startErr, fmt.Errorf("restore the CPU affinity: %w", err))
	}
	runtime.UnlockOSThread()
	return startErr
}

// waitLeader returns when the leader is dead, and leaves it as a zombie.
func waitLeader(cmd *exec.Cmd) {
	for {
		err := unix.Waitid(unix.P_PID, cmd.Process.Pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if !errors.Is(err, unix.EINTR) {
			return
		}
	}
}

// reap collects the zombie and the output.
func reap(cmd *exec.Cmd) { _ = cmd.Wait() }

// procStat is what /proc/<pid>/stat tells of a process's place.
type procStat struct {
	state                         byte
	parent, group, sessn, threads int
}

func readStat(pid int) (s procStat, ok bool) {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return s, false
	}
	// The name, in parentheses, may hold spaces and parentheses.
	f := bytes.Fields(b[bytes.LastIndexByte(b, ')')+1:])
	if len(f) < 18 {
		return s, false
	}
	s.state = f[0][0]
	s.parent, _ = strconv.Atoi(string(f[1]))
	s.group, _ = strconv.Atoi(string(f[2]))
	s.sessn, _ = strconv.Atoi(string(f[3]))
	s.threads, _ = strconv.Atoi(string(f[17]))
	return s, true
}

// alive tells a process that can still do something, and hold a port, from a
// zombie. A zombie is its parent's business, and where the parent is an init
// that never reaps (many containers), it stays for ever. A process whose main
// thread has ended before the others looks like one, but for its threads.
func (s procStat) alive() bool {
	return s.state != 'Z' && s.state != 'X' || s.threads > 1
}

func alive(pid int) bool {
	s, ok := readStat(pid)
	return ok && s.alive()
}

// inSession reports whether pid lives in the session or the group id.
func inSession(pid, id int) bool {
	s, ok := readStat(pid)
	return ok && s.alive() && (s.sessn == id || s.group == id)
}

// hasten gives the session the highest of the ordinary priorities, if we may.
// Where sessions are scheduled as groups (autogroup), the group needs it too.
func hasten(session int) {
	const highest = -20
	_ = unix.Setpriority(unix.PRIO_PGRP, session, highest)
	_ = os.WriteFile("/proc/"+strconv.Itoa(session)+"/autogroup", []byte(strconv.Itoa(highest)), 0)
}

// marked reports whether pid was started with an environment whose mark
// begins with the given one. A program that writes its title over its
// environment cannot be found so; it is found by its session.
func marked(pid int, mark string) bool {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/environ")
	return err == nil && bytes.Contains(b, []byte(markVariable+"="+mark))
}

func pids() []int {
	d, err := os.Open("/proc")
	if err != nil {
		return nil
	}
	defer d.Close()
	names, _ := d.Readdirnames(-1)
	var list []int
	for _, n := range names {
		if pid, err := strconv.Atoi(n); err == nil {
			list = append(list, pid)
		}
	}
	return list
}

// members lists what lives in the session or group id.
func members(id int) []int {
	var list []int
	for _, pid := range pids() {
		if inSession(pid, id) {
			list = append(list, pid)
		}
	}
	return list
}

// sweep kills the processes that belong, this one excepted, and returns
// which. On Linux os.FindProcess holds a pidfd: the signal reaches the process
// that was examined or none, whatever becomes of its number in between.
func sweep(belongs func(pid int) bool) (killed []int) {
	for _, pid := range pids() {
		if pid == os.Getpid() || !belongs(pid) {
			continue // most of them; spares the descriptor
		}
		proc, err := os.FindProcess(pid)
		if err != nil {
			continue
		}
		if belongs(pid) && proc.Kill() == nil {
			killed = append(killed, pid)
		}
		_ = proc.Release()
	}
	return killed
}

// self is this binary, even when the file has been replaced by a newer build.
func self() string { return "/proc/self/exe" }
