//go:build !unix

package results

import "os"

// isFull cannot tell on this system.
func isFull(error) bool { return false }

// lockFolder cannot keep a second process out on this system.
func lockFolder(dir string) (lock *os.File, busy bool, err error) { return nil, false, nil }
