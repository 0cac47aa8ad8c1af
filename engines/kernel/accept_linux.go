package kernel

import (
	"net"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// AcceptRaw waits in Go's poller for the next connection of ln, whose address
// is local, and returns its descriptor, close-on-exec and with the flags of
// accept4(2) given, and both addresses.
func AcceptRaw(ln syscall.RawConn, local net.Addr, flags int) (fd int, _, remote net.Addr, err error) {
	var sa unix.Sockaddr
	waited := ln.Read(func(l uintptr) bool {
		fd, sa, err = unix.Accept4(int(l), unix.SOCK_CLOEXEC|flags)
		return err != unix.EAGAIN
	})
	if waited != nil {
		return -1, nil, nil, waited
	}
	if err != nil {
		return -1, nil, nil, os.NewSyscallError("accept4", err)
	}
	if a, ok := local.(*net.TCPAddr); ok && a.IP.IsUnspecified() {
		if name, err := unix.Getsockname(fd); err == nil {
			local = address(name)
		}
	}
	return fd, local, address(sa), nil
}

func address(sa unix.Sockaddr) net.Addr {
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		return &net.TCPAddr{IP: sa.Addr[:], Port: sa.Port}
	case *unix.SockaddrInet6:
		a := &net.TCPAddr{IP: sa.Addr[:], Port: sa.Port}
		if ifi, err := net.InterfaceByIndex(int(sa.ZoneId)); sa.ZoneId != 0 && err == nil {
			a.Zone = ifi.Name
		}
		return a
	case *unix.SockaddrUnix:
		return &net.UnixAddr{Name: sa.Name, Net: "unix"}
	}
	return nil
}
