package engines

import (
	"os"

	"golang.org/x/sys/unix"
)

// balances tells whether the system spreads connections over sockets with
// SO_REUSEPORT.
const balances = true

func setReusePort(fd int) error {
	return os.NewSyscallError("setsockopt", unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1))
}
