package cli

import "golang.org/x/sys/unix"

// keepProc has the process keep what is its own in /proc, as one that was started
// as its user would: the kernel takes it away from who changes it, and workers are
// started by a descriptor there.
func keepProc() error { return unix.Prctl(unix.PR_SET_DUMPABLE, 1, 0, 0, 0) }
