package threads

import (
	"context"
	"net"
	"os"
	"runtime"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/dynobench/dyno/engines"
	"github.com/dynobench/dyno/engines/blocking"
	"github.com/dynobench/dyno/engines/kernel"
	"github.com/dynobench/dyno/protocol"
)

// Engine serves as many connections at a time as it has threads.
type Engine struct {
	engines.Meter
	threads, queue int
	overload       engines.Overload
}

var _ engines.Engine = (*Engine)(nil)

// New returns an Engine with the settings p.
func New(p *engines.Params) (engines.Engine, error) {
	e := &Engine{threads: p.Int("threads", 1, 9000), queue: p.Int("queue", 0, 1<<20), overload: p.Overload()}
	e.Slots = int64(e.threads)
	return e, p.Err()
}

// giveEach has the Go scheduler let so many threads run at a time, and returns
// what undoes that. With fewer of its processors than threads, a thread that
// comes back from a system call would queue for one of them, behind those that
// have one and keep it: on one CPU, with 64 connections, that cost three
// quarters of the throughput and starved connections for half a second. As it
// is, the kernel alone decides who runs, as it does in a threaded server in C;
// GOMAXPROCS is overruled, the CPUs that the process may use are not.
func giveEach(threads int) (undo func()) {
	before := runtime.GOMAXPROCS(0)
	if before >= threads {
		return func() {}
	}
	runtime.GOMAXPROCS(threads)
	return func() { runtime.GOMAXPROCS(before) }
}

// Serve implements engines.Engine.
func (e *Engine) Serve(ctx context.Context, sock *engines.Socket, svc *protocol.Service) error {
	own := *svc
	own.Flags.MultiThread = e.Slots != 1
	g := blocking.NewGroup(&own, &e.Meter)
	g.Overload = e.overload
	file, err := sock.File()
	if err != nil {
		sock.Close()
		return err
	}
	defer file.Close()
	ln, err := file.SyscallConn()
	if err != nil {
		sock.Close()
		return err
	}
	defer context.AfterFunc(ctx, func() { file.Close() })()
	defer giveEach(e.threads)()

	queue := make(chan *blocking.Talk, e.queue)
	var threads sync.WaitGroup
	for range e.threads {
		threads.Go(func() { serve(queue, g.Context().Done()) })
	}
	tick := unix.NsecToTimeval(int64(engines.Tick(&own.Limits)))
	accept := func() (blocking.Conn, net.Addr, net.Addr, error) {
		end, err := sock.Turn()
		if err != nil {
			return nil, nil, nil, err
		}
		defer end()
		return accept(ln, sock.Addr(), tick)
	}
	err = blocking.ServeFunc(ctx, sock, g, accept, func(t *blocking.Talk) {
		select {
		case queue <- t:
			return
		default:
		}
		if e.overload.Full != engines.FullWait {
			t.Refuse()
			return
		}
		select {
		case queue <- t:
		case <-g.Context().Done():
			t.Refuse()
		}
	})
	if err == nil {
		threads.Wait()
	}
	// Else a thread may be stuck in an app: it is not waited for.
	for {
		select {
		case t := <-queue:
			t.Refuse()
		default:
			return err
		}
	}
}

// serve is the life of one thread. It ends with its goroutine, since that
// stays locked to it.
func serve(queue <-chan *blocking.Talk, end <-chan struct{}) {
	runtime.LockOSThread()
	var wait kernel.Block
	defer wait.Close()
	for {
		select {
		case t := <-queue:
			t.Serve(&wait)
		case <-end:
			return
		}
	}
}

// accept returns the next connection with a blocking descriptor. The waiting
// for it is the only one that is left to Go's poller, so that the end of the
// engine can wake it.
func accept(ln syscall.RawConn, local net.Addr, tick unix.Timeval) (blocking.Conn, net.Addr, net.Addr, error) {
	fd, local, remote, err := kernel.AcceptRaw(ln, local, 0)
	if err != nil {
		return nil, nil, nil, err
	}
	_, unixSocket := local.(*net.UnixAddr)
	c := &conn{fd: fd, tcp: !unixSocket, tick: time.Duration(tick.Nano())}
	for _, opt := range []int{unix.SO_RCVTIMEO, unix.SO_SNDTIMEO} {
		if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, opt, &tick); err != nil {
			c.Close()
			return nil, nil, nil, os.NewSyscallError("setsockopt", err)
		}
	}
	return c, local, remote, nil
}
