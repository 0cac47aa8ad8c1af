package kernel

import (
	"encoding/binary"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Backlog is how many connections wait in the kernel to be accepted from a
// listening socket, and how many may: of a TCP socket by TCP_INFO, where a
// listener has the two in fields that are about something else otherwise; of a
// unix socket by sock_diag. They are −1 where the kernel does not tell.
func Backlog(socket syscall.Conn) (waiting, most int64) {
	waiting, most = -1, -1
	c, err := socket.SyscallConn()
	if err != nil {
		return waiting, most
	}
	Control(c, func(fd int) error { //nolint:errcheck // −1 says it
		if info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO); err == nil {
			waiting, most = int64(info.Unacked), int64(info.Sacked)
			return nil
		}
		var st unix.Stat_t
		if unix.Fstat(fd, &st) == nil {
			waiting, most = unixBacklog(uint32(st.Ino))
		}
		return nil
	})
	return waiting, most
}

// unixDiagRequest is the kernel's struct unix_diag_req behind a netlink header.
type unixDiagRequest struct {
	header   unix.NlMsghdr
	family   uint8
	protocol uint8
	_        uint16
	states   uint32
	inode    uint32
	show     uint32
	cookie   [2]uint32
}

// Constants of linux/unix_diag.h.
const (
	unixDiagShowQueue = 0x10
	unixDiagQueue     = 4
	unixDiagMsgSize   = 16 // struct unix_diag_msg
)

// unixBacklog asks about the listening unix socket with that inode.
func unixBacklog(inode uint32) (waiting, most int64) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, unix.NETLINK_SOCK_DIAG)
	if err != nil {
		return -1, -1
	}
	defer unix.Close(fd)
	req := unixDiagRequest{family: unix.AF_UNIX, states: ^uint32(0), inode: inode, show: unixDiagShowQueue, cookie: [2]uint32{^uint32(0), ^uint32(0)}}
	const size = unsafe.Sizeof(req)
	req.header = unix.NlMsghdr{Len: uint32(size), Type: unix.SOCK_DIAG_BY_FAMILY, Flags: unix.NLM_F_REQUEST}
	if err := unix.Sendto(fd, (*[size]byte)(unsafe.Pointer(&req))[:], 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return -1, -1
	}
	buf := make([]byte, 4096)
	n, _, err := unix.Recvfrom(fd, buf, 0)
	if err != nil {
		return -1, -1
	}
	messages, err := syscall.ParseNetlinkMessage(buf[:n])
	if err != nil || len(messages) == 0 || messages[0].Header.Type != unix.SOCK_DIAG_BY_FAMILY || len(messages[0].Data) < unixDiagMsgSize {
		return -1, -1
	}
	for attrs := messages[0].Data[unixDiagMsgSize:]; len(attrs) >= unix.SizeofRtAttr; {
		size, kind := int(binary.NativeEndian.Uint16(attrs)), binary.NativeEndian.Uint16(attrs[2:])
		if size < unix.SizeofRtAttr || size > len(attrs) {
			break
		}
		if value := attrs[unix.SizeofRtAttr:size]; kind == unixDiagQueue && len(value) >= 8 {
			return int64(binary.NativeEndian.Uint32(value)), int64(binary.NativeEndian.Uint32(value[4:]))
		}
		attrs = attrs[min((size+3)&^3, len(attrs)):]
	}
	return -1, -1
}
