// Package nethttp is the server of Go's standard library running the same app,
// tuned as its documentation advises: a yardstick, not one of our engines.
//
// It differs where net/http does: a header that takes too long is answered by
// a close without a 408. Requests that it refuses before they reach the handler, malformed or too
// slow, count nowhere.
package nethttp

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/dynobench/dyno/engines"
	"github.com/dynobench/dyno/engines/kernel"
	"github.com/dynobench/dyno/engines/yardstick"
	"github.com/dynobench/dyno/protocol"
	"github.com/dynobench/dyno/protocol/gateway"
)

// Knobs are the engine's settings: it has none.
var Knobs []engines.Knob

// Engine is a net/http server.
type Engine struct{ engines.Meter }

var _ engines.Engine = (*Engine)(nil)

// New returns an Engine with the settings p.
func New(p *engines.Params) (*Engine, error) { return new(Engine), p.Err() }

// Serve implements engines.Engine.
func (e *Engine) Serve(ctx context.Context, sock *engines.Socket, svc *protocol.Service) error {
	if err := engines.HTTPOnly("nethttp", svc); err != nil {
		sock.Close()
		return err
	}
	e.Watch(svc)
	inFlight, cancel := context.WithCancelCause(context.Background())
	defer cancel(context.Canceled)
	l := svc.Limits
	header := yardstick.Limit(l.HeaderTime, 10*time.Second)
	body := yardstick.Limit(l.BodyTime, 60*time.Second)
	srv := &http.Server{
		Handler: &handler{svc: svc, Handler: gateway.Handler{
			App:       svc.App,
			MaxBody:   l.MaxBody(),
			MaxLine:   l.MaxLine(),
			MaxFields: l.MaxHeaderCount(),
			Flags:     svc.Flags,
			Wait:      kernel.Park{},
			Errors:    svc.ErrorLog(),
			Hold:      svc.Hold,
			Done: func(answered bool, err error) {
				if answered {
					svc.Counters.Requests.Add(1)
				}
				if err != nil {
					svc.Counters.Errors.Add(1)
				}
			},
		}},
		ReadHeaderTimeout: header,
		IdleTimeout:       yardstick.Limit(l.IdleTime, 75*time.Second),
		MaxHeaderBytes:    l.MaxHeaderBytes(),

		DisableGeneralOptionsHandler: true, // OPTIONS * is the app's

		ErrorLog:    slog.NewLogLogger(svc.Log.Handler(), slog.LevelDebug),
		BaseContext: func(net.Listener) context.Context { return inFlight },
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return context.WithValue(ctx, connKey{}, c)
		},
		ConnState: func(c net.Conn, s http.ConnState) {
			switch s {
			case http.StateActive: // the header has been read
				c.(*yardstick.Conn).Busy.Store(true)
			case http.StateIdle:
				c.(*yardstick.Conn).Busy.Store(false)
			}
		},
	}
	if header > 0 && body > 0 {
		srv.ReadTimeout = header + body
	}
	srv.SetKeepAlivesEnabled(!svc.NoKeepAlive)
	ln := yardstick.Listen(ctx, sock, &e.Meter, svc)
	return yardstick.Serve(ctx, server{srv}, ln, svc, cancel)
}

// server is an http.Server under the method names that fasthttp has.
type server struct{ *http.Server }

func (s server) ShutdownWithContext(ctx context.Context) error { return s.Shutdown(ctx) }

func (s server) Serve(ln net.Listener) error {
	if err := s.Server.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// handler resets connections whose answer is not whole.
type handler struct {
	gateway.Handler
	svc *protocol.Service
}

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	whole := false
	defer func() {
		if !whole { // an answer that is broken off panics
			r.Context().Value(connKey{}).(*yardstick.Conn).Break()
		}
	}()
	if h.svc.LastCall() > 0 {
		w.Header().Set("Connection", "close")
	}
	h.Handler.ServeHTTP(w, r)
	whole = true
}

// connKey is the *yardstick.Conn in a request's Context.
type connKey struct{}
