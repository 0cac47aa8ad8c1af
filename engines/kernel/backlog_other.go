//go:build unix && !linux

package kernel

import "syscall"

// Backlog is −1, −1: only Linux tells.
func Backlog(syscall.Conn) (waiting, most int64) { return -1, -1 }
