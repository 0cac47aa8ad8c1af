//go:build unix

package results

import (
	"errors"
	"syscall"
)

// isFull reports whether err says that no more bytes may be written.
func isFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EFBIG)
}
