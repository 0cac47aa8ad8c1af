//go:build !linux

package load

import "testing"

// eachTransport has nothing to run: the native generator needs Linux.
func eachTransport(*testing.T, func(*testing.T)) {}
