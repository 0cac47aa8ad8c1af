// Package enginetest is what every engine must keep: one suite of cases, run
// against an Engine in the process of the test, over real sockets. Each case
// says which rule is broken when it fails. The package's own tests run it over
// all engines of the catalog, and once more, with fewer cases, over processes.
package enginetest

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/dynobench/dyno/engines"
	"github.com/dynobench/dyno/internal/testkit"
	"github.com/dynobench/dyno/protocol"
	"github.com/dynobench/dyno/protocol/gateway"
	"github.com/dynobench/dyno/protocol/http1"
)

// Traits say what may be asked of an engine.
type Traits struct {
	Slots     int  // connections that it serves at a time; 0 unbounded
	Workers   int  // requests that it serves at a time, of any number of connections; 0 unbounded
	OneShot   bool // closes after each response
	Inline    bool // the app runs on what serves other connections too
	Yardstick bool // not ours: its own words for refusals, and its own parser
	NoTimeout bool // closes, where others answer 408
	Uncounted bool // answers what is no HTTP on its own, so that nobody counts it

	// Breaks are rules of package conformance that a server which is not ours
	// breaks, with the reason.
	Breaks map[string]string
}

// Subject is an engine to be tested.
type Subject struct {
	New    func() (engines.Engine, error)
	Traits Traits
	Codec  protocol.Codec // HTTP if nil
}

// Run runs the whole suite. The test must have no goroutines of its own.
func Run(t *testing.T, s Subject) {
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if c.needs != nil {
				if why := c.needs(s.Traits); why != "" {
					t.Skip("does not apply: " + why)
				}
			}
			c.run(t, s)
		})
	}
}

// patience is how long anything may take that should happen at once, on a
// machine that has much else to do.
const patience = testkit.Patience

// server is an engine at work.
type server struct {
	t       *testing.T
	traits  Traits
	engine  engines.Engine
	app     *App
	svc     *protocol.Service
	network string
	addr    string
	log     *logBuffer

	stop   context.CancelFunc
	ended  chan error
	closed bool
}

// options change how a server is started.
type options struct {
	listen string // default 127.0.0.1:0
	sock   *engines.Socket
	limits protocol.Limits
	drain  time.Duration
	wrap   gateway.Middleware

	proxied bool
}

// start serves. The end of the test drains the server, which must end well
// unless end has been called.
func (s Subject) start(t *testing.T, o options) *server {
	t.Helper()
	e, err := s.New()
	if err != nil {
		t.Fatalf("New: %v", err)
	}
	if o.sock == nil {
		if o.listen == "" {
			o.listen = "127.0.0.1:0"
		}
		if o.sock, err = engines.Listen(o.listen, engines.SocketOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	srv := &server{t: t, traits: s.Traits, engine: e, app: NewApp(), log: new(logBuffer), ended: make(chan error, 1)}
	srv.network, srv.addr = o.sock.Addr().Network(), o.sock.Addr().String()
	app := gateway.App(srv.app.Serve)
	if o.wrap != nil {
		app = o.wrap(app)
	}
	if s.Codec == nil {
		s.Codec = http1.Codec{}
	}
	srv.svc = protocol.NewService(app, s.Codec)
	srv.svc.Limits = o.limits
	srv.svc.Proxied = o.proxied
	srv.svc.DrainTime = o.drain
	if o.drain == 0 {
		srv.svc.DrainTime = 2 * patience
	}
	srv.svc.Log = slog.New(slog.NewTextHandler(srv.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	ctx, stop := context.WithCancel(context.Background())
	srv.stop = stop
	go func() { srv.ended <- e.Serve(ctx, o.sock, srv.svc) }()
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("log of the engine:\n%s", srv.log)
		}
		if !srv.closed {
			if err := srv.end(); err != nil {
				t.Errorf("Serve must return nil after a clean drain, not %v", err)
			}
		}
		stats := e.Stats()
		if n := srv.svc.Counters.Held.Load(); n != 0 {
			t.Errorf("after Serve no request may hold memory, but %d bytes are held", n)
		}
		if stats.Busy != 0 || stats.Queue != 0 {
			t.Errorf("after Serve nothing may be busy or queued: %+v", stats)
		}
	})
	return srv
}

// end ends ctx and returns what Serve returns.
func (s *server) end() error {
	s.t.Helper()
	s.stop()
	return s.wait()
}

func (s *server) wait() error {
	s.t.Helper()
	s.closed = true
	select {
	case err := <-s.ended:
		return err
	case <-time.After(patience):
		s.t.Fatal("Serve must return when all connections are gone")
		return nil
	}
}

// dial connects a client, whose every read and write is bounded in time.
func (s *server) dial() *client {
	s.t.Helper()
	c, err := s.connect()
	if err != nil {
		s.t.Fatal(err)
	}
	return newClient(s.t, c)
}

func (s *server) connect() (net.Conn, error) { return net.DialTimeout(s.network, s.addr, patience) }

// refuses waits until no client can connect.
func (s *server) refuses() {
	s.t.Helper()
	s.eventually("in a drain the engine must stop accepting", func() bool {
		c, err := net.DialTimeout(s.network, s.addr, patience)
		if err == nil {
			c.Close()
		}
		return err != nil
	})
}

// eventually waits for a condition; what says which rule is broken if it never holds.
func (s *server) eventually(what string, cond func() bool) {
	s.t.Helper()
	testkit.Eventually(s.t, what, cond)
}

// settled waits until a number does not change any more, and returns it.
func settled(number func() int64) int64 {
	last, same := number(), 0
	for same < 20 {
		time.Sleep(5 * time.Millisecond)
		if n := number(); n == last {
			same++
		} else {
			last, same = n, 0
		}
	}
	return last
}

// alive tells by a request on a new connection that the engine serves.
func (s *server) alive() {
	s.t.Helper()
	c := s.dial()
	defer c.Close()
	if got := c.get("/hello").text(); got != Hello {
		s.t.Fatalf("the engine must live on: got %q", got)
	}
}

// logBuffer keeps a log.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

var errDrain = engines.ErrDrainTimeout

func isDrainTimeout(err error) bool { return errors.Is(err, errDrain) }
