// Package nethttp is the server of Go's standard library running the same app,
// tuned as its documentation advises: a yardstick, not one of our engines.
//
// It differs where net/http does: a header that takes too long is answered by a
// close without a 408. Requests that it refuses before they reach the handler,
// malformed or too slow, count nowhere.
package nethttp

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"

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
	return yardstick.Serve(ctx, "nethttp", sock, &e.Meter, svc, func(t yardstick.Terms) yardstick.Server { return newServer(svc, t) })
}

func newServer(svc *protocol.Service, t yardstick.Terms) server {
	l := svc.Limits
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
		ReadHeaderTimeout: t.Header,
		IdleTimeout:       t.Idle,
		MaxHeaderBytes:    l.MaxHeaderBytes(),

		DisableGeneralOptionsHandler: true, // OPTIONS * is the app's

		ErrorLog:    slog.NewLogLogger(svc.Log.Handler(), slog.LevelDebug),
		BaseContext: func(net.Listener) context.Context { return t.InFlight },
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
	if t.Header > 0 && t.Body > 0 {
		srv.ReadTimeout = t.Header + t.Body
	}
	srv.SetKeepAlivesEnabled(!svc.NoKeepAlive)
	return server{srv}
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
