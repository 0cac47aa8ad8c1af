package native

import (
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/dynobench/dyno/bench/load/netio"
	"github.com/dynobench/dyno/bench/load/plan"
	"github.com/dynobench/dyno/bench/load/record"
	"github.com/dynobench/dyno/internal/iouring"
)

// A transport moves bytes between the connections of one thread and the
// kernel. It tells events what has happened from within wait, and from within
// open and send where it is known at once.
//
// The slot's fd, generation and state are the thread's; a transport keeps what
// belongs to it in the slot's link. All methods are for the thread alone.
type transport interface {
	// open takes the socket of s over, which is connected or, with
	// connecting, about to be.
	open(s *slot, connecting bool)
	// send sends b, all of it, sooner or later; until then s is congested,
	// and nothing more is to be sent. A lasting b stays as it is for ever;
	// any other is the caller's again when send returns.
	send(s *slot, b []byte, lasting bool)
	// wait waits until something happens, or the time has come.
	wait(until int64)
	// drop closes the socket, after last, if there is room for it: s is not
	// congested then. What is under way on it is not heard of again.
	drop(s *slot, last []byte)
	close()
}

// events is whom a transport tells what has happened: a thread.
type events interface {
	connected(s *slot)                                     // the connection stands
	refuse(s *slot, err error, at int64)                   // it does not come about
	received(s *slot, b []byte, at int64)                  // bytes have come; at is read before b is looked at
	hungUp(s *slot, errno unix.Errno, at int64)            // the server has closed the connection, or cut it
	lose(s *slot, kind record.Kind, at int64, cause error) // it is of no use any more
	pump(s *slot)                                          // all that was sent has been taken
}

// link is a transport's part of a slot.
type link struct {
	congested bool           // not all that was sent has been taken
	rest      []byte         // of it
	cut       bool           // the server has cut the connection, as sending has shown: receiving may see a mere end
	sending   int32          // io_uring: bytes of what has not been taken
	polled    uint32         // epoll: the events watched
	tls       *netio.Session // https, where there is or was a connection
}

// Transports of the native generator, by the names in Config.
const (
	TransportEpoll = "epoll"
	TransportUring = "io_uring"
)

// Preferred is the transport where nobody says which; tests change it.
var Preferred = TransportUring

// ChooseTransport is the transport for the whole run: io_uring where the
// kernel has what it takes and lets us, unless another one is asked for.
func ChooseTransport(c *plan.Config) error {
	if c.Transport == TransportEpoll || c.Transport == "" && Preferred == TransportEpoll {
		c.Transport = TransportEpoll
		return nil
	}
	switch err := iouring.Allowed(); {
	case err == nil:
		c.Transport = TransportUring
	case c.Transport == TransportUring:
		return refused(err)
	default:
		c.Transport = TransportEpoll
	}
	return nil
}

func refused(err error) error {
	return fmt.Errorf("transport io_uring: %w; omit --transport, or use epoll", err)
}

// newTransport is the transport for a thread.
func newTransport(t *thread) (transport, error) {
	if t.tls != nil {
		return newSecured(t)
	}
	return newPlain(t, t)
}

// newPlain is the transport that tells up what happens.
func newPlain(t *thread, up events) (transport, error) {
	if t.config.Transport == TransportEpoll {
		return newEpoll(t, up)
	}
	u, err := newUring(t, up, len(t.slots), t.config.Spin)
	if err != nil {
		return nil, refused(err)
	}
	return u, nil
}
