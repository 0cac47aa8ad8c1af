//go:build unix

package enginetest

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// detach returns a descriptor of its own and closes the file.
func detach(t *testing.T, f *os.File) uintptr {
	t.Helper()
	defer f.Close()
	c, err := f.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	dup := -1
	c.Control(func(fd uintptr) { dup, err = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0) })
	if err != nil {
		t.Fatal(err)
	}
	return uintptr(dup)
}
