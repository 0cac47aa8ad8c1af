package netio

import (
	"net"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/dynobench/dyno/bench/load/plan"
	"github.com/dynobench/dyno/internal/peer"
)

// With the ports of a source used up, the loopback's other addresses serve.
func TestPortsRunOut(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := plan.Config{URL: "http://" + l.Addr().String()}.WithDefaults()
	if err != nil {
		t.Fatal(err)
	}
	to, err := c.Resolve(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	d, err := NewDialer(&c, to)
	if err != nil {
		t.Fatal(err)
	}
	low, err := freePort()
	if err != nil {
		t.Fatal(err)
	}
	d.ports = uint32(low+3)<<16 | uint32(low) // four of them, fewer if others have some
	sources := map[string]int{}
	for range 20 {
		fd, err := d.Dial(0)
		if err == unix.ENOPROTOOPT {
			peer.Missing(t, "IP_LOCAL_PORT_RANGE is missing: Linux 6.3 has it")
		}
		if err != nil && err != unix.EINPROGRESS {
			t.Fatalf("%v, after connections from %v", err, sources)
		}
		defer unix.Close(fd)
		name, err := unix.Getsockname(fd)
		if err != nil {
			t.Fatal(err)
		}
		sources[netip.AddrFrom4(name.(*unix.SockaddrInet4).Addr).String()]++
	}
	if len(sources) < 5 || sources["127.0.0.1"] == 0 || sources["127.0.0.1"] > 4 {
		t.Errorf("connections from %v", sources)
	}
}

func freePort() (int, error) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return min(l.Addr().(*net.TCPAddr).Port, 1<<16-5), nil
}
