package engines

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// chmodSocket changes the mode of the socket file that was made at path, and of
// nothing else that may be there by now: chmod follows links.
func chmodSocket(path string, made fs.FileInfo, mode os.FileMode) error {
	fd, err := unix.Open(path, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return &os.PathError{Op: "open", Path: path, Err: err}
	}
	f := os.NewFile(uintptr(fd), path)
	defer f.Close()
	is, err := f.Stat()
	if err == nil && !os.SameFile(is, made) {
		err = errors.New("another file stands at the path of the socket")
	}
	if err != nil {
		return err
	}
	return os.Chmod(fmt.Sprintf("/proc/self/fd/%d", fd), mode)
}
