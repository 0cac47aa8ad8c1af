package cli

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/dynobench/dyno/engines"
	"github.com/dynobench/dyno/engines/observe"
	"github.com/dynobench/dyno/engines/profile"
	"github.com/dynobench/dyno/engines/supervise"
)

// profile serves --pprof, if it is set, until ctx ends or stop is called.
func (f *superviseFlags) profile(ctx context.Context, engine engines.Engine, log *slog.Logger, owner *engines.Owner) (stop func(), err error) {
	if f.pprof == "" {
		return func() {}, nil
	}
	ln, err := engines.Listen(private(f.pprof), engines.SocketOptions{Owner: owner})
	if err != nil {
		return nil, fmt.Errorf("--pprof: %w", err)
	}
	handler := profile.Handler()
	if m, ok := engine.(*supervise.Master); ok {
		handler = profile.Workers(handler, func() []int { return running(m) }, m.Dial)
	}
	server := &http.Server{
		Handler:           observe.GuardOf(private(f.pprof)).Handler(handler),
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       30 * time.Second,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	forget := context.AfterFunc(ctx, func() { server.Close() })
	var serving sync.WaitGroup
	serving.Go(func() {
		server.Serve(observe.Patient(ctx, ln.Listener(), log, "pprof")) //nolint:errcheck // it has been logged
	})
	return func() {
		forget()
		server.Close()
		serving.Wait()
		ln.Close()
	}, nil
}

// profileWorker answers what is asked of a worker by way of its supervisor.
func (f *superviseFlags) profileWorker(w *supervise.Work) {
	if f.pprof != "" {
		handler := profile.Handler()
		w.OnConn(func(c net.Conn) { profile.ServeConn(c, handler) })
	}
}

// running are the workers that there are, by number.
func running(m *supervise.Master) []int {
	var ids []int
	for _, w := range m.Workers() {
		if w.PID != 0 {
			ids = append(ids, w.ID)
		}
	}
	return ids
}

// private is addr on the loopback interface unless it names another: what a server
// does is nobody else's to ask for, and costs it time.
func private(addr string) string {
	port := strings.TrimPrefix(addr, ":")
	if _, err := strconv.ParseUint(port, 10, 16); err == nil {
		return "127.0.0.1:" + port
	}
	return addr
}
