package kernel

import "golang.org/x/sys/unix"

// Unread is how many of the sockets fds have something to be read: on an engine
// that reads a request when it is about to run it, those whose requests wait.
// It asks the kernel once, when somebody wants to know, where to count would
// take each request's time.
func Unread(fds []int32) int64 {
	if len(fds) == 0 {
		return 0
	}
	polled := make([]unix.PollFd, len(fds))
	for i, fd := range fds {
		polled[i] = unix.PollFd{Fd: fd, Events: unix.POLLIN}
	}
	if _, err := unix.Poll(polled, 0); err != nil {
		return 0
	}
	n := int64(0)
	for _, p := range polled {
		if p.Revents&unix.POLLIN != 0 {
			n++
		}
	}
	return n
}
