//go:build unix && !linux

package engines

import "syscall"

// Backlog is −1, −1: only Linux tells.
func Backlog(syscall.Conn) (waiting, most int64) { return -1, -1 }

// Waiting is Backlog for s.
func (s *Socket) Waiting() (waiting, most int64) { return -1, -1 }
