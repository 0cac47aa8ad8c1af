package gauge

import (
	"encoding/binary"
	"net"
	"strconv"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// backlog asks the kernel (sock_diag) how many connections wait to be accepted
// on a port of this host, over all sockets that listen on it.
type backlog struct {
	fd   int // −1: not to be had
	port uint16
	buf  []byte
}

// diagRequest is the kernel's struct inet_diag_req_v2 behind a netlink header.
type diagRequest struct {
	header   unix.NlMsghdr
	family   uint8
	protocol uint8
	ext      uint8
	_        uint8
	states   uint32
	sport    [2]byte // the id's first field, in network order
	_        [46]byte
}

// In struct inet_diag_msg: where the length of a listener's queue stands.
const (
	diagQueueAt = 56
	diagMsgSize = 72
	tcpListen   = 10
)

func newBacklog(listen string) *backlog {
	b := &backlog{fd: -1}
	_, text, err := net.SplitHostPort(listen)
	if err != nil {
		return b
	}
	port, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return b
	}
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, unix.NETLINK_SOCK_DIAG)
	if err != nil {
		return b
	}
	limit := unix.NsecToTimeval(int64(time.Second)) // the kernel answers at once, or never
	unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &limit)
	b.fd, b.port, b.buf = fd, uint16(port), make([]byte, 16<<10)
	return b
}

func (b *backlog) close() {
	if b.fd >= 0 {
		unix.Close(b.fd)
	}
	b.fd = -1
}

// read is the number of connections that wait, or −1.
func (b *backlog) read() int64 {
	sum := int64(-1)
	for _, family := range []uint8{unix.AF_INET, unix.AF_INET6} {
		if b.fd < 0 || sum >= 0 {
			break
		}
		sum = b.dump(family)
	}
	return sum
}

func (b *backlog) dump(family uint8) int64 {
	req := diagRequest{family: family, protocol: unix.IPPROTO_TCP, states: 1 << tcpListen}
	const size = unsafe.Sizeof(req)
	req.header = unix.NlMsghdr{Len: uint32(size), Type: unix.SOCK_DIAG_BY_FAMILY, Flags: unix.NLM_F_REQUEST | unix.NLM_F_DUMP}
	binary.BigEndian.PutUint16(req.sport[:], b.port)
	if unix.Sendto(b.fd, (*[size]byte)(unsafe.Pointer(&req))[:], 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}) != nil {
		return -1
	}
	sum := int64(-1)
	for {
		n, _, err := unix.Recvfrom(b.fd, b.buf, 0)
		if err != nil {
			b.close() // what comes late must not be taken for the next answer
			return -1
		}
		messages, err := syscall.ParseNetlinkMessage(b.buf[:n])
		if err != nil {
			b.close()
			return -1
		}
		for _, m := range messages {
			switch m.Header.Type {
			case unix.NLMSG_DONE, unix.NLMSG_ERROR:
				return sum
			case unix.SOCK_DIAG_BY_FAMILY:
				if len(m.Data) >= diagMsgSize && binary.BigEndian.Uint16(m.Data[4:]) == b.port {
					sum = max(sum, 0) + int64(binary.NativeEndian.Uint32(m.Data[diagQueueAt:]))
				}
			}
		}
	}
}
