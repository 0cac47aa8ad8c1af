package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// pidFile is the file of --pid-file, for as long as this process runs. It is
// locked all the time: a process id alone cannot tell who is alive, since another
// process may have it by now.
type pidFile struct {
	path string
	f    *os.File
}

// writePIDFile writes the process id to path, whole or not at all, and locks the
// file. What a server has left behind that is gone is replaced; the file of one
// that runs, or one that holds something else, is not.
func writePIDFile(path string) (*pidFile, error) {
	if path == "" {
		return nil, nil
	}
	path, err := filepath.Abs(path) // apps may change the working directory
	if err == nil {
		for {
			var p *pidFile
			if p, err = tryPIDFile(path); !errors.Is(err, os.ErrExist) {
				if err == nil {
					return p, nil
				}
				break
			}
			// Somebody was as quick.
		}
	}
	return nil, fmt.Errorf("--pid-file: %w", err)
}

func tryPIDFile(path string) (*pidFile, error) {
	old, err := takeStale(path)
	if err != nil {
		return nil, err
	}
	if old != nil {
		defer old.Close() // others take it for alive until it is replaced
	}
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return nil, err
	}
	defer os.Remove(f.Name())
	if err = lock(f); err == nil {
		_, err = fmt.Fprintln(f, os.Getpid())
	}
	if err == nil {
		err = f.Chmod(0o644)
	}
	switch {
	case err != nil:
	case old != nil:
		err = os.Rename(f.Name(), path)
	default:
		err = os.Link(f.Name(), path) // fails if there is one by now
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return &pidFile{path: path, f: f}, nil
}

// takeStale opens and locks the file at path that a server has left behind, nil if
// there is none.
func takeStale(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if is, err := f.Stat(); err != nil || !is.Mode().IsRegular() {
		f.Close()
		return nil, errors.Join(err, fmt.Errorf("%s is not a regular file: dyno does not replace it", path))
	}
	text, err := io.ReadAll(io.LimitReader(f, 64))
	text = []byte(strings.TrimSpace(string(text)))
	pid, bad := strconv.ParseUint(string(text), 10, 31)
	if err == nil && len(text) > 0 && bad != nil {
		err = fmt.Errorf("%s holds %.40q, which is not a process id: dyno does not replace it", path, text)
	}
	if err == nil {
		err = lock(f)
	}
	switch {
	case errors.Is(err, syscall.EWOULDBLOCK):
		err = fmt.Errorf("%s belongs to a running server, process %d: end it, or choose another file", path, pid)
	case err == nil:
		var here, there os.FileInfo
		if here, err = f.Stat(); err == nil {
			there, err = os.Lstat(path)
		}
		if err == nil && !os.SameFile(here, there) && there.Mode().IsRegular() || errors.Is(err, os.ErrNotExist) {
			err = os.ErrExist // another one by now: look again
		}
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

func lock(f *os.File) error { return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) }

// give makes the file another user's.
func (p *pidFile) give(id *identity) error {
	if p == nil || id == nil {
		return nil
	}
	return p.f.Chown(id.uid, id.gid)
}

// remove removes the file, if it is still the one that this process has written.
// Without the right to do that it empties it, so that it names nobody.
func (p *pidFile) remove() {
	if p == nil {
		return
	}
	defer p.f.Close() // and with it the lock
	made, err := p.f.Stat()
	if err != nil {
		return
	}
	if is, err := os.Lstat(p.path); err != nil || !os.SameFile(is, made) {
		return
	}
	text := make([]byte, 64)
	n, _ := p.f.ReadAt(text, 0)
	if strings.TrimSpace(string(text[:n])) != strconv.Itoa(os.Getpid()) {
		return
	}
	if os.Remove(p.path) != nil {
		p.f.Truncate(0) //nolint:errcheck // what is left is not locked any more
	}
}
