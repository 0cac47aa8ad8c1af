package blocking

import (
	"context"
	"net"

	"github.com/dynobench/dyno/engines"
	"github.com/dynobench/dyno/engines/kernel"
)

// Serve accepts connections on sock until ctx ends, and drains g then. Each
// Talk is handed to dispatch, which serves or refuses it, now or later, and
// holds up the accepting while there is no place for another.
func Serve(ctx context.Context, sock *engines.Socket, g *Group, dispatch func(*Talk)) error {
	ln := sock.Listener()
	accept := func() (Conn, net.Addr, net.Addr, error) {
		c, err := ln.Accept()
		if err != nil {
			return nil, nil, nil, err
		}
		return Net(c), c.LocalAddr(), c.RemoteAddr(), nil
	}
	return ServeFunc(ctx, sock, g, accept, dispatch)
}

// ServeFunc is Serve for engines that accept in their own way: accept fails
// with net.ErrClosed once sock has been closed.
func ServeFunc(ctx context.Context, sock *engines.Socket, g *Group,
	accept func() (conn Conn, local, remote net.Addr, err error), dispatch func(*Talk)) error {

	g.gate = g.Overload.Gate()
	ended := make(chan error, 1)
	done := g.Hold()
	go func() {
		defer done()
		ended <- kernel.Accept(ctx, g.svc.Log, func() error {
			conn, local, remote, err := accept()
			if err == nil {
				dispatch(g.Open(conn, local, remote))
			}
			return err
		})
	}()
	var failed error
	select {
	case <-ctx.Done():
	case failed = <-ended:
	}
	sock.Close()
	if err := g.Drain(); failed == nil {
		failed = err
	}
	return failed
}
