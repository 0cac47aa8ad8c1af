// Package file writes files as a whole or not at all: a reader, and whoever
// comes after a crash, sees the old one or the new one, never a part.
//
// Replace is for a file that the user names. It is written where its symbolic
// links point to, keeps its mode and owner, and gets those of the umask where it
// is new. In writes into a folder that may have come from somebody else: it
// follows no link, and leaves nothing but the file itself changed.
package file

import (
	"bufio"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// Replace writes path. What is no regular file, such as a pipe or a device, is
// opened and written to.
func Replace(path string, write func(io.Writer) error) error {
	path, info, err := resolve(path)
	if err != nil {
		return err
	}
	if info != nil && !info.Mode().IsRegular() {
		return inPlace(path, 0, write)
	}
	dir, err := os.OpenRoot(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer dir.Close() //nolint:errcheck // it is only a way to the file
	err = replace(dir, filepath.Base(path), info, true, write)
	if info != nil && errors.Is(err, fs.ErrPermission) { // of a folder that takes no new file, as /etc's for those who own one in it
		return inPlace(path, os.O_TRUNC, write)
	}
	return err
}

// Writable tells whether Replace could write path, without leaving a trace.
func Writable(path string) error {
	path, info, err := resolve(path)
	switch {
	case err != nil:
		return fmt.Errorf("cannot write: %w", err)
	case info != nil && info.IsDir():
		return fmt.Errorf("%s is a folder: name a file", path)
	case info != nil && !info.Mode().IsRegular():
		return nil // a pipe or a device: it is opened when there is something for it
	case info != nil:
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err == nil {
			err = f.Close()
		}
		return plain(path, err)
	}
	dir, err := os.OpenRoot(filepath.Dir(path))
	if err != nil {
		return plain(path, err)
	}
	defer dir.Close() //nolint:errcheck // it is only a way to the file
	f, err := beside(dir, filepath.Base(path))
	if err != nil {
		return plain(path, err)
	}
	f.Close()                           //nolint:errcheck // it is empty
	dir.Remove(filepath.Base(f.Name())) //nolint:errcheck // likewise
	return nil
}

// Same tells whether Replace would write one file for both paths, so that the
// second would be all that is left. Pipes and devices take what comes.
func Same(a, b string) bool {
	a, ia, errA := resolve(a)
	b, ib, errB := resolve(b)
	switch {
	case errA != nil || errB != nil || (ia == nil) != (ib == nil):
		return false
	case ia != nil:
		return ia.Mode().IsRegular() && os.SameFile(ia, ib)
	}
	da, errA := os.Stat(filepath.Dir(a))
	db, errB := os.Stat(filepath.Dir(b))
	return errA == nil && errB == nil && os.SameFile(da, db) && filepath.Base(a) == filepath.Base(b)
}

// plain is err without the name of the temporary file.
func plain(path string, err error) error {
	var wrong *fs.PathError
	if errors.As(err, &wrong) {
		err = wrong.Err
	}
	if err != nil {
		return fmt.Errorf("cannot write %s: %w", path, err)
	}
	return nil
}

// resolve follows the links of path, the last of which may point to nothing
// yet. info is nil where there is no file.
func resolve(path string) (_ string, info fs.FileInfo, err error) {
	for range 40 { // as many as Linux follows
		info, err := os.Lstat(path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return path, nil, nil
		case err != nil:
			return "", nil, err
		case info.Mode()&fs.ModeSymlink == 0:
			return path, info, nil
		}
		to, err := os.Readlink(path)
		if err != nil {
			return "", nil, err
		}
		if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
			return path, info, nil // as /dev/stdout, whose link names no path
		}
		if !filepath.IsAbs(to) {
			dir, err := filepath.EvalSymlinks(filepath.Dir(path)) // .. in a link is of the real folder
			if err != nil {
				return "", nil, err
			}
			to = filepath.Join(dir, to)
		}
		path = to
	}
	return "", nil, &fs.PathError{Op: "open", Path: path, Err: syscall.ELOOP}
}

func inPlace(path string, flag int, write func(io.Writer) error) error {
	f, err := os.OpenFile(path, os.O_WRONLY|flag, 0)
	if err != nil {
		return err
	}
	return errors.Join(buffered(f, write), f.Close())
}

// In writes the file name of dir, which is no path. A link of that name is an
// error. What it writes can be made again: it does not wait for the disk.
func In(dir *os.Root, name string, write func(io.Writer) error) error {
	info, err := dir.Lstat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		info = nil
	case err != nil:
		return err
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s in %s is not a regular file, and dyno does not write through links: remove it", name, dir.Name())
	}
	return replace(dir, name, info, false, write)
}

// replace writes name in dir by way of a file beside it, because rename is
// atomic only within a file system. info is the file's, if there is one.
func replace(dir *os.Root, name string, info fs.FileInfo, durable bool, write func(io.Writer) error) (err error) {
	f, err := beside(dir, name)
	if err != nil {
		return err
	}
	temporary := filepath.Base(f.Name())
	defer func() {
		if err != nil {
			f.Close()             //nolint:errcheck // the first error is the one to tell
			dir.Remove(temporary) //nolint:errcheck // likewise
		}
	}()
	if info != nil {
		keepOwner(f, info)
		if err := f.Chmod(info.Mode().Perm()); err != nil {
			return err
		}
	}
	if err := buffered(f, write); err != nil {
		return err
	}
	if durable { // without it a power cut can leave the new name with the old size, zero
		if err := f.Sync(); err != nil {
			return err
		}
	}
	if err := f.Close(); err != nil {
		return err
	}
	if err := dir.Rename(temporary, name); err != nil {
		return err
	}
	if !durable {
		return nil
	}
	if d, err := dir.Open("."); err == nil { // best effort: not every file system syncs folders
		d.Sync()  //nolint:errcheck
		d.Close() //nolint:errcheck
	}
	return nil
}

// beside makes a file in dir, with the mode that the umask leaves, to be
// renamed to name.
func beside(dir *os.Root, name string) (*os.File, error) {
	for {
		f, err := dir.OpenFile("."+name[:min(len(name), 100)]+"."+rand.Text()[:10], os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
		if !errors.Is(err, fs.ErrExist) {
			return f, err
		}
	}
}

func buffered(w io.Writer, write func(io.Writer) error) error {
	b := bufio.NewWriterSize(w, 1<<16)
	if err := write(b); err != nil {
		return err
	}
	return b.Flush()
}
