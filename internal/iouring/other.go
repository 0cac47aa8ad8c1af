//go:build !linux

package iouring

import "errors"

// Allowed tells why this process can have no ring.
func Allowed() error { return errors.New("io_uring is Linux's") }
