//go:build unix

package engines

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// longestPath is how long a unix socket's can be: the kernel has room for so much
// and the byte that ends it.
const longestPath = len(unix.RawSockaddrUnix{}.Path) - 1

// abstract tells whether the name of a unix socket is none of a file (unix(7)).
func abstract(name string) bool { return strings.HasPrefix(name, "@") }

// socketFile is the file of a unix socket that this process has made. By the time
// that it closes the socket, another process's may stand at the path.
type socketFile struct {
	path string
	made fs.FileInfo
	once sync.Once
}

// newSocketFile takes note of the file that bind has just made at path, and gives
// it the mode and the owner that o asks for.
func newSocketFile(path string, o SocketOptions) (*socketFile, error) {
	if abstract(path) {
		return nil, nil
	}
	path, err := filepath.Abs(path) // apps may change the working directory
	if err != nil {
		return nil, err
	}
	made, err := os.Lstat(path)
	if err != nil {
		return nil, err
	}
	f := &socketFile{path: path, made: made}
	if err := f.own(o); err != nil {
		f.remove()
		return nil, err
	}
	return f, nil
}

func (f *socketFile) own(o SocketOptions) error {
	if o.Owner != nil {
		if err := os.Lchown(f.path, o.Owner.UID, o.Owner.GID); err != nil {
			return err
		}
	}
	if o.Mode != 0 {
		return chmodSocket(f.path, f.made, o.Mode)
	}
	return nil
}

// remove removes the file unless it is another's. It must be called before the
// socket is closed: until then the file's number cannot be another's.
func (f *socketFile) remove() {
	if f == nil {
		return
	}
	f.once.Do(func() {
		if is, err := os.Lstat(f.path); err == nil && os.SameFile(is, f.made) {
			os.Remove(f.path) //nolint:errcheck // without the right to it stays, and is replaced by the next server
		}
	})
}

// removeStale removes the socket file path if nobody listens on it.
func removeStale(path string) bool {
	if abstract(path) {
		return false
	}
	before, err := os.Lstat(path)
	if err != nil || before.Mode().Type() != fs.ModeSocket {
		return false
	}
	c, err := net.DialTimeout("unix", path, time.Second)
	if err == nil {
		c.Close()
		return false
	}
	// Any other failure, a full queue or missing rights, may mean that there is somebody.
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return false
	}
	after, err := os.Lstat(path) // another server may have been as quick
	return err == nil && os.SameFile(before, after) && os.Remove(path) == nil
}

// checkPath refuses a path that no socket can have, which the kernel and Go's net
// call invalid without a word on why.
func checkPath(path string) error {
	switch {
	case path == "":
		return &AddressError{"unix:", "the path is missing, as in unix:/run/app.sock"}
	case len(path) > longestPath:
		return &AddressError{"unix:" + path, fmt.Sprintf("the path has %d bytes, and a unix socket allows %d: use a shorter one", len(path), longestPath)}
	}
	return nil
}
