package gateway_test

import "unsafe"

// unsafeString is how a server makes an Environ's strings: over its own buffer.
func unsafeString(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
