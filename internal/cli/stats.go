package cli

import (
	"context"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/dynobench/dyno/engines"
	"github.com/dynobench/dyno/engines/observe"
	"github.com/dynobench/dyno/engines/supervise"
	"github.com/dynobench/dyno/protocol"
)

// observe serves --stats, if it is set, until ctx ends or stop is called.
func (f *superviseFlags) observe(ctx context.Context, engine engines.Engine, socket *engines.Socket, svc *protocol.Service, owner *engines.Owner) (stop func(), err error) {
	if f.stats == "" {
		return func() {}, nil
	}
	ln, err := engines.Listen(private(f.stats), engines.SocketOptions{Owner: owner})
	if err != nil {
		return nil, fmt.Errorf("--stats: %w", err)
	}
	began, address := time.Now(), socket.Addr().String()
	look := func() observe.Server {
		s := observe.Server{Version: build().Version, Timed: svc.Timed, Address: address, Total: engine.Stats()}
		if m, ok := engine.(*supervise.Master); ok {
			s.Workers = m.Workers()
			s.Waiting, s.Backlog = m.Waiting()
		} else {
			self := supervise.Worker{ID: 1, PID: os.Getpid(), Began: began, Stats: s.Total}
			self.RSS, self.VSZ = supervise.Memory(self.PID)
			s.Workers = []supervise.Worker{self}
			s.Waiting, s.Backlog = socket.Waiting()
		}
		return s
	}
	told := observe.Service{Proto: svc.Codec.Name(), Guard: observe.GuardOf(private(f.stats)), Log: svc.Log, Look: look, Stats: engine.Stats}
	ctx, cancel := context.WithCancel(ctx)
	var serving sync.WaitGroup
	serving.Go(func() { told.Serve(ctx, ln.Listener()) })
	return func() {
		cancel()
		serving.Wait()
		ln.Close()
	}, nil
}
