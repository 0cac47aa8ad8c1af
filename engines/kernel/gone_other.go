//go:build unix && !linux

package kernel

// Gone is not known on this system: nobody is told.
func Gone(int, func()) (stop func()) { return func() {} }
