package netio

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/dynobench/dyno/bench/load/plan"
)

// A Dialer opens connections to one address. It is for one thread.
//
// An address pair has some 28,000 local ports, fewer where closed connections
// keep theirs for a minute. When they run out, connections come from the next
// source address; on the IPv4 loopback, where every address is this host's,
// there are more without being asked.
type Dialer struct {
	family  int
	to      unix.Sockaddr
	sources []netip.Addr // where connections come from; an invalid one leaves it to the system
	spread  bool         // over all of them, not only when ports run out
	ports   uint32       // the last and the first local port, 16 bits each; 0: the system's
	next    int
}

// loopbackSources is how many loopback addresses are used at most: enough for
// a million connections.
const loopbackSources = 40

// networkSegment is the segment of connections with a small receive buffer. On
// the loopback one would be larger than the buffer, and the window would open
// by timeouts alone.
const networkSegment = 1460

// NewDialer makes one for to, from the source addresses of c.
func NewDialer(c *plan.Config, to plan.Endpoint) (*Dialer, error) {
	d := &Dialer{sources: []netip.Addr{{}}}
	switch ip := to.Addr.Addr(); {
	case to.Unix != "":
		if len(c.Sources) > 0 {
			return nil, plan.Errorf("Sources", "%s: a Unix socket has no source addresses", c.URL)
		}
		d.family, d.to = unix.AF_UNIX, &unix.SockaddrUnix{Name: to.Unix}
	case ip.Is4():
		d.family, d.to = unix.AF_INET, &unix.SockaddrInet4{Addr: ip.As4(), Port: int(to.Addr.Port())}
		if ip.IsLoopback() {
			for i := range loopbackSources {
				d.sources = append(d.sources, netip.AddrFrom4([4]byte{127, 0, 1, byte(i + 1)}))
			}
		}
	default:
		zone, err := zoneID(ip.Zone())
		if err != nil {
			return nil, fmt.Errorf("%s: %w", c.URL, err)
		}
		d.family, d.to = unix.AF_INET6, &unix.SockaddrInet6{Addr: ip.As16(), Port: int(to.Addr.Port()), ZoneId: zone}
	}
	for _, source := range c.Sources {
		if source.Is4() != (d.family == unix.AF_INET) {
			return nil, plan.Errorf("Sources", "source address %v: %s is of the other family, IPv4 or IPv6", source, to.Addr.Addr())
		}
	}
	if len(c.Sources) > 0 {
		d.sources, d.spread = c.Sources, true
	}
	return d, nil
}

func zoneID(zone string) (uint32, error) {
	if zone == "" {
		return 0, nil
	}
	if i, err := net.InterfaceByName(zone); err == nil {
		return uint32(i.Index), nil
	}
	n, err := strconv.ParseUint(zone, 10, 32)
	if err != nil {
		return 0, fmt.Errorf("no network interface %q", zone)
	}
	return uint32(n), nil
}

// Dial returns a socket that is connected or, with unix.EINPROGRESS, about to
// be. Other errors come without a socket; unix.EAGAIN is a Unix socket with a
// full backlog. The socket's receive buffer has the size in bytes, or with 0
// what the system thinks best.
func (d *Dialer) Dial(receive int) (fd int, err error) {
	for range d.sources {
		source := d.sources[d.next]
		fd, err = d.dialFrom(source, receive)
		out := err == unix.EADDRNOTAVAIL || err == unix.EADDRINUSE // of ports, there
		if d.spread || out {
			d.next = (d.next + 1) % len(d.sources)
		}
		if !out {
			break
		}
	}
	return fd, err
}

func (d *Dialer) dialFrom(source netip.Addr, receive int) (int, error) {
	fd, err := unix.Socket(d.family, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	if d.family != unix.AF_UNIX {
		_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1) // slower without, no less right
	}
	if receive > 0 { // before the window is agreed on
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, receive)
		if d.family != unix.AF_UNIX {
			_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_MAXSEG, networkSegment)
		}
	}
	if d.ports != 0 {
		err = unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_LOCAL_PORT_RANGE, int(d.ports))
	}
	if err == nil && source.IsValid() {
		err = bind(fd, source)
	}
	if err == nil {
		err = unix.Connect(fd, d.to)
	}
	switch err {
	case nil:
		return fd, nil
	case unix.EINPROGRESS, unix.EINTR: // interrupted, it goes on all the same
		return fd, unix.EINPROGRESS
	}
	unix.Close(fd)
	return -1, err
}

// bind sets where a connection comes from and leaves its port to connect,
// which knows that the same one will do for another destination.
func bind(fd int, source netip.Addr) error {
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1)
	if source.Is4() {
		return unix.Bind(fd, &unix.SockaddrInet4{Addr: source.As4()})
	}
	zone, err := zoneID(source.Zone())
	if err != nil {
		return err
	}
	return unix.Bind(fd, &unix.SockaddrInet6{Addr: source.As16(), ZoneId: zone})
}
