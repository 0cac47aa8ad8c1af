//go:build unix

package results

import (
	"errors"
	"os"
	"syscall"
)

// isFull reports whether err says that no more bytes may be written.
func isFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EFBIG)
}

// lockFolder takes the folder for this process, which loses it when it ends,
// however it does. busy says that somebody else has it.
func lockFolder(dir string) (lock *os.File, busy bool, err error) {
	lock, err = os.Open(dir)
	if err != nil {
		return nil, false, err
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		lock.Close() //nolint:errcheck // it was only read
		return nil, errors.Is(err, syscall.EWOULDBLOCK), err
	}
	return lock, false, nil
}
