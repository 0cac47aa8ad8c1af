//go:build unix

package netio

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// ProcessCPU is the CPU time of this process, in ns.
func ProcessCPU() int64 {
	var u unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return u.Utime.Nano() + u.Stime.Nano()
}

// NeedDescriptors raises the soft limit of open descriptors to n where it is lower.
func NeedDescriptors(n uint64) error {
	var l unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &l); err != nil || l.Cur >= n {
		return nil
	}
	if l.Max < n {
		return fmt.Errorf("%d open files are needed and only %d are allowed: raise the hard limit (ulimit -Hn %d as root, LimitNOFILE= in systemd) or use fewer connections", n, l.Max, n)
	}
	l.Cur = n
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &l); err != nil {
		return fmt.Errorf("raise the limit of open files to %d: %w", n, err)
	}
	return nil
}
