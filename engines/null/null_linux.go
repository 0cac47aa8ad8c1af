package null

import (
	"context"
	"errors"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/dynobench/dyno/engines"
	"github.com/dynobench/dyno/protocol"
)

// answer is what /hello of the other engines gives, without the date.
var answer = []byte("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 13\r\n\r\nHello, World!")

// Engine answers without a Session. It counts a request for each read with an
// end of a header, which is right for clients that do not pipeline.
type Engine struct {
	engines.Meter
	loops  int
	uring  bool
	server *server // nil answers at once
}

var _ engines.Engine = (*Engine)(nil)

// New returns an Engine with the settings p.
func New(p *engines.Params) (engines.Engine, error) {
	e := &Engine{loops: p.Int("loops", 1, 1024), uring: p.Choice("io", "epoll", "io_uring") == "io_uring"}
	if service := p.Duration("service", 0, time.Minute); service > 0 {
		e.server = &server{service: int64(service)}
	}
	if err := p.Err(); err != nil {
		return nil, err
	}
	if e.uring && e.server != nil {
		return nil, errors.New("null: a service time needs io=epoll")
	}
	return e, nil
}

// Serve implements engines.Engine. It has nothing in flight to drain.
func (e *Engine) Serve(ctx context.Context, sock *engines.Socket, svc *protocol.Service) error {
	if err := engines.HTTPOnly("null", svc); err != nil {
		sock.Close()
		return err
	}
	e.Watch(svc)
	defer sock.Close()
	file, err := sock.File()
	if err != nil {
		return err
	}
	defer file.Close()
	raw, err := file.SyscallConn()
	if err != nil {
		return err
	}
	wake, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return os.NewSyscallError("eventfd", err)
	}
	defer unix.Close(wake)
	loop := func(_, ln int) error { return e.uringLoop(ln, wake, svc) }
	if !e.uring {
		sets := make([]int, e.loops) // all of them before clients can take the descriptors
		for i := range sets {
			set, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
			if err != nil {
				return os.NewSyscallError("epoll_create1", err)
			}
			defer unix.Close(set)
			sets[i] = set
		}
		loop = func(i, ln int) error { return e.epollLoop(sets[i], ln, wake, svc) }
	}
	var loops sync.WaitGroup
	failed := make(chan error, e.loops)
	raw.Control(func(ln uintptr) {
		for i := range e.loops {
			loops.Go(func() { failed <- loop(i, int(ln)) })
		}
		select {
		case <-ctx.Done():
		case err = <-failed:
		}
		unix.Write(wake, []byte{1, 0, 0, 0, 0, 0, 0, 0}) // stays readable for all loops
		loops.Wait()
	})
	return err
}

// pauseMS is how long, in milliseconds, a loop that could not accept waits to
// try again unless one of its connections ends.
const pauseMS = 100

var endOfHeader = []byte("\r\n\r\n")
