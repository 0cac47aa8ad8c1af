package gnet

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/panjf2000/gnet/v2"
	"golang.org/x/sys/unix"

	"github.com/dynobench/dyno/engines"
	"github.com/dynobench/dyno/engines/kernel"
	"github.com/dynobench/dyno/protocol"
)

// conn is one connection. It belongs to its loop.
type conn struct {
	l  *loop
	c  gnet.Conn
	fd int
	s  *protocol.Session

	held      int64 // bytes in gnet's buffer that the Service knows of
	blocked   bool  // the client does not keep up: watched until it does
	watched   bool  // known to the watcher's epoll set
	yielded   bool  // a turn is due
	fresh     bool  // opened in the drain: nothing has been read
	closed    bool
	running   bool      // a worker has the Session
	came      time.Time // that of the request it runs; kept if there is a gate
	lost      error     // what has ended the connection while it did
	rest      func()    // goes on for a client that has closed its sending half while it did
	lingerEnd time.Time // not zero: refused, what comes is dropped until then
	dropped   int

	mu   sync.Mutex
	gone bool   // gnet has closed the connection, or is about to
	tell func() // who watches it; nil if nobody does
}

func (k *conn) lingers() bool { return !k.lingerEnd.IsZero() }

// turn does what the Session asks for until it can go no further.
func (k *conn) turn() gnet.Action {
	if k.running {
		return k.hold()
	}
	if k.lingers() {
		n, _ := k.c.Discard(-1)
		if k.dropped += n; k.dropped > engines.LingerBytes {
			return gnet.Close
		}
		return gnet.None
	}
	if k.l.half.Load() != nil && k.s.Idle() && k.c.InboundBuffered() > 0 {
		// The Session, told to drain, wants to close. But this had been sent
		// while the loop was busy with others.
		k.read()
	}
	var share engines.Share
	for {
		switch k.s.Next() {
		case protocol.Read:
			if k.c.InboundBuffered() == 0 {
				k.account()
				return gnet.None
			}
			k.read()
		case protocol.Run:
			if share.Over() {
				return k.yield()
			}
			w := k.l.e.workers
			if w == nil && !k.s.Busy() && !k.l.e.gate.Admit(k.l.e.waited(k.fd)) {
				k.l.e.overload.Refuse(k.s)
				continue
			}
			if w != nil {
				k.running = true
				if k.l.e.gate != nil {
					k.came = time.Now().Add(-kernel.Waited(k.fd))
				}
				if w.submit(k) {
					return k.hold()
				}
				k.running = false
				k.l.e.overload.Refuse(k.s)
				continue
			}
			k.l.run(k.s)
			share.Ran()
			if k.s.Busy() && k.s.Next() == protocol.Run {
				return k.yield() // an empty chunk: the app says, others first
			}
		case protocol.Write:
			if k.blocked {
				return k.hold()
			}
			n, err := unix.Write(k.fd, k.s.Output())
			if n > 0 {
				share.Wrote(n)
				k.s.Sent(n)
			}
			switch err {
			case nil, unix.EINTR:
			case unix.EAGAIN:
				if err := k.l.e.writes.watch(k); err != nil {
					k.s.Abort(err)
					return gnet.Close
				}
				k.blocked = true
				return k.hold()
			default:
				k.s.Abort(os.NewSyscallError("write", err))
			}
		case protocol.Close:
			if k.s.Linger() && k.l.half.Load() == nil && unix.Shutdown(k.fd, unix.SHUT_WR) == nil {
				k.lingerEnd = time.Now().Add(engines.LingerTime)
				k.c.Discard(-1)
				return gnet.None
			}
			return gnet.Close
		}
	}
}

// read feeds the Session with what gnet has received.
func (k *conn) read() {
	n, _ := k.c.Read(k.s.Buffer())
	k.s.Received(n)
	if k.fresh {
		k.fresh = false
		k.s.Drain()
	}
}

// Gone implements gateway.Watcher. While the loop is with the app, or with
// others, the kernel tells; else gnet may close the descriptor before it does.
func (k *conn) Gone(tell func()) (stop func()) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.gone {
		go tell()
		return func() {}
	}
	k.tell = tell
	unwatch := kernel.Gone(k.fd, tell)
	return func() {
		k.mu.Lock()
		k.tell = nil
		k.mu.Unlock()
		unwatch()
	}
}

// hungUp tells who watches that the client has gone.
func (k *conn) hungUp() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.gone = true; k.tell != nil {
		go k.tell()
	}
}

// unread tells whether an idle client has sent what gnet has not read yet. For
// the drain, in which the loop comes late to connections that it left waiting.
func (k *conn) unread() bool {
	if !k.s.Idle() {
		return false
	}
	var b [1]byte
	n, _, _ := unix.Recvfrom(k.fd, b[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
	return n > 0
}

// yield has the rest of the turn come after what the loop has to do now.
func (k *conn) yield() gnet.Action {
	if !k.yielded {
		k.yielded = true
		k.l.later(k)
	}
	return k.hold()
}

// hold leaves what the client sends where it is, within a bound.
func (k *conn) hold() gnet.Action {
	limits := &k.l.e.svc.Limits
	if held := int64(k.c.InboundBuffered()); held-int64(limits.MaxHeaderBytes()) > limits.MaxBody() {
		k.abort(fmt.Errorf("the client sends, without reading, more than the %d bytes that are held for it", held))
		return gnet.Close
	}
	if !k.account() {
		k.abort(errors.New("the client sends more than there is room for, with what is held for others"))
		return gnet.Close
	}
	return gnet.None
}

// account tells the Service how much gnet holds of what the client sends, and
// whether there is room for it.
func (k *conn) account() bool {
	n := int64(k.c.InboundBuffered())
	if n <= protocol.HeldFree {
		n = 0
	}
	if n != k.held && !k.l.e.svc.Hold(n-k.held) {
		return false
	}
	k.held = n
	return true
}

// writable is called on the loop when the client has made room.
func (k *conn) writable() {
	k.blocked = false
	k.act(k.turn())
}

// act does on the loop, outside of gnet's callbacks, what they would by their result.
func (k *conn) act(a gnet.Action) {
	if a == gnet.Close {
		k.close()
	}
}

func (k *conn) close() {
	if !k.closed {
		k.c.EventLoop().Close(k.c)
	}
}

// reset makes the end of the connection an error for the client.
func (k *conn) reset() {
	unix.SetsockoptLinger(k.fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
}

func (k *conn) release() {
	k.s.Release()
	k.l.e.svc.Hold(-k.held)
	k.l.done()
}

func (l logger) printf(level slog.Level, format string, a []any) {
	l.log.Log(context.Background(), level, "gnet: "+fmt.Sprintf(format, a...))
}
