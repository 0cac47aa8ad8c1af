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
func (f *superviseFlags) observe(ctx context.Context, engine engines.Engine, socket *engines.Socket, svc *protocol.Service) (stop func(), err error) {
	if f.stats == "" {
		return func() {}, nil
	}
	ln, err := engines.Listen(f.stats, engines.SocketOptions{})
	if err != nil {
		return nil, fmt.Errorf("--stats: %w", err)
	}
	began, address := time.Now(), socket.Addr().String()
	var one sync.Mutex // looks at a time
	stats := func() engines.Stats {
		one.Lock()
		defer one.Unlock()
		return engine.Stats()
	}
	look := func() observe.Server {
		s := observe.Server{Version: build().Version, Timed: svc.Timed, Address: address, Total: stats()}
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
	ctx, cancel := context.WithCancel(ctx)
	var serving sync.WaitGroup
	serving.Go(func() {
		observe.Serve(ctx, ln.Listener(), svc.Codec.Name(), look, stats) //nolint:errcheck // the server goes on without
	})
	return func() {
		cancel()
		serving.Wait()
		ln.Close()
	}, nil
}
