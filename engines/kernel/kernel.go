// Package kernel is what engines ask of Linux beside package net: to accept
// without a thread that waits, to wait as exactly as a thread does, to learn that
// a client has gone, how long a connection has waited to be accepted and how many
// do. Other systems have the same calls, which say what they cannot tell.
package kernel

import "syscall"

// Control runs f on the descriptor of c.
func Control(c syscall.RawConn, f func(fd int) error) error {
	var err error
	if e := c.Control(func(fd uintptr) { err = f(int(fd)) }); e != nil {
		return e
	}
	return err
}
