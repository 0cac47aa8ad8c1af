//go:build unix && !linux

package engines

// Gone is not known on this system: nobody is told.
func Gone(int, func()) (stop func()) { return func() {} }
