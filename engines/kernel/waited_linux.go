package kernel

import (
	"time"

	"golang.org/x/sys/unix"
)

// Waited is for how long the last bytes that the client has sent on the
// descriptor of a TCP connection have been there, as the kernel tells, to some
// milliseconds; 0 where it does not, as for unix sockets. It is how long a
// request has waited, from the arrival of its last byte on, wherever that was:
// for its connection to be accepted, in the socket, or for its turn.
func Waited(fd int) time.Duration {
	info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
	if err != nil {
		return 0
	}
	return time.Duration(info.Last_data_recv) * time.Millisecond
}
