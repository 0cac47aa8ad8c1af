package blocking

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"syscall"
	"time"

	"github.com/dynobench/dyno/engines"
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

	ended := make(chan error, 1)
	done := g.Hold()
	go func() {
		defer done()
		ended <- Accept(ctx, g.svc.Log, func() error {
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

// Accept calls next until it fails for good or ctx ends; the end of the
// socket in the end of ctx is no failure. What passes, a connection that was
// gone before it was accepted or a lack of descriptors, is waited out.
func Accept(ctx context.Context, log *slog.Logger, next func() error) error {
	var pause time.Duration
	for {
		err := next()
		switch {
		case err == nil:
			pause = 0
			continue
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, syscall.ECONNABORTED), errors.Is(err, syscall.EINTR):
			continue
		case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE),
			errors.Is(err, syscall.ENOBUFS), errors.Is(err, syscall.ENOMEM):
			if pause == 0 {
				log.Warn("cannot accept; trying again", "error", err)
			}
			pause = min(max(2*pause, 5*time.Millisecond), time.Second)
			if (engines.Park{}).Sleep(ctx, pause) != nil {
				return nil
			}
		default:
			return fmt.Errorf("accept: %w", err)
		}
	}
}
