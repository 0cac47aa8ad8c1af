package gnet

import (
	"context"
	"errors"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/dynobench/dyno/engines"
	"github.com/dynobench/dyno/protocol"
)

// finish sees to it that a client which has closed its sending half, which
// gnet takes for the end, gets the rest of its answers, those included to
// requests that gnet holds because it was not their turn yet. It tells whether
// there is a rest: then a goroutine writes it, and the app still runs on the loop.
func (k *conn) finish() bool {
	if k.lingers() {
		return false
	}
	rest := make([]byte, k.c.InboundBuffered()) // mostly empty
	k.c.Read(rest)
	if !k.running {
		if len(rest) == 0 {
			k.s.EOF()
		}
		if k.s.Next() == protocol.Close {
			return false
		}
	}
	dup, err := unix.FcntlInt(uintptr(k.fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		k.abort(os.NewSyscallError("fcntl", err))
		return false
	}
	file := os.NewFile(uintptr(dup), "connection")
	c, err := net.FileConn(file)
	file.Close()
	if err != nil {
		k.abort(err)
		return false
	}
	finish := func() {
		defer k.release()
		defer context.AfterFunc(k.l.e.ctx, func() { reset(c) })()
		k.writeRest(c, rest)
	}
	if k.running {
		k.rest = func() { go finish() }
	} else {
		go finish()
	}
	return true
}

// writeRest answers what is left of the client's requests, with rest, which
// the Session has not got yet, and closes c.
func (k *conn) writeRest(c net.Conn, rest []byte) {
	s := k.s
	for {
		if len(rest) == 0 {
			s.EOF() // before the last request runs, so that its answer says that it is the last
		}
		switch s.Next() {
		case protocol.Read:
			rest = rest[s.Feed(rest):]
		case protocol.Run:
			if !k.runStep() {
				s.Abort(engines.ErrDrainTimeout)
			}
		case protocol.Write:
			c.SetWriteDeadline(s.Deadline())
			n, err := c.Write(s.Output())
			s.Sent(n)
			switch {
			case err == nil:
			case errors.Is(err, os.ErrDeadlineExceeded):
				s.Expire(time.Now())
			default:
				s.Abort(err)
			}
		default:
			if s.Broken() {
				reset(c)
			} else {
				c.Close()
			}
			return
		}
	}
}

// reset closes c so that it is an error for the client.
func reset(c net.Conn) {
	if tcp, ok := c.(*net.TCPConn); ok {
		tcp.SetLinger(0)
	}
	c.Close()
}
