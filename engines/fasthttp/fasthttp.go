// Package fasthttp is valyala's server running the same app, tuned as its
// documentation advises for throughput: a yardstick, not one of our engines.
//
// It differs where fasthttp does: one time limit for a request's header and
// body together, and chunks of an answer whose length is known gather in its
// write buffer.
package fasthttp

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"net"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/dynobench/dyno/engines"
	"github.com/dynobench/dyno/engines/kernel"
	"github.com/dynobench/dyno/engines/yardstick"
	"github.com/dynobench/dyno/protocol"
)

// Knobs are the engine's settings: it has none.
var Knobs []engines.Knob

// Engine is a fasthttp server.
type Engine struct{ engines.Meter }

var _ engines.Engine = (*Engine)(nil)

// New returns an Engine with the settings p.
func New(p *engines.Params) (*Engine, error) { return new(Engine), p.Err() }

// Serve implements engines.Engine.
func (e *Engine) Serve(ctx context.Context, sock *engines.Socket, svc *protocol.Service) error {
	return yardstick.Serve(ctx, "fasthttp", sock, &e.Meter, svc, func(t yardstick.Terms) yardstick.Server {
		return newServer(svc, newAdapter(svc, t.InFlight, sock.Addr()), t)
	})
}

func newServer(svc *protocol.Service, a *adapter, t yardstick.Terms) *server {
	l := svc.Limits
	srv := &fasthttp.Server{
		Handler:                       a.handle,
		ErrorHandler:                  refuse(svc),
		ConnState:                     idle,
		Concurrency:                   math.MaxInt32,
		ReadBufferSize:                l.MaxLine() + l.MaxHeaderBytes(), // it bounds the header
		IdleTimeout:                   t.Idle,
		StreamRequestBody:             true, // so that it is the adapter that gathers, within what all may hold
		MaxRequestBodySize:            int(min(l.MaxBody(), math.MaxInt)),
		DisableKeepalive:              svc.NoKeepAlive,
		CloseOnShutdown:               true,
		LazyRequestTime:               true,
		NoDefaultServerHeader:         true,
		NoDefaultContentType:          true,
		DisableHeaderNamesNormalizing: true,
		DisablePreParseMultipartForm:  true,
		Logger:                        logger{svc.Log},
	}
	if t.Header > 0 && t.Body > 0 {
		srv.ReadTimeout = t.Header + t.Body
		if l.HeaderTime > 0 { // the shorter limit has been asked for
			srv.ReadTimeout = t.Header
			if l.BodyTime != 0 {
				srv.ReadTimeout = max(t.Header, t.Body)
			}
		}
	}
	return &server{Server: srv}
}

// server is a fasthttp.Server whose second shutdown goes on waiting, where the
// library's own returns at once.
type server struct {
	*fasthttp.Server
	again bool
}

func (s *server) ShutdownWithContext(ctx context.Context) error {
	if !s.again {
		s.again = true
		return s.Server.ShutdownWithContext(ctx)
	}
	for s.GetCurrentConcurrency() > 0 {
		if err := (kernel.Park{}).Sleep(ctx, time.Millisecond); err != nil {
			return err
		}
	}
	return nil
}

// idle marks a connection whose answer has been written.
func idle(c net.Conn, s fasthttp.ConnState) {
	if s == fasthttp.StateIdle {
		c.(*yardstick.Conn).Busy.Store(false)
	}
}

// refuse answers requests that do not reach the app.
func refuse(svc *protocol.Service) func(*fasthttp.RequestCtx, error) {
	return func(ctx *fasthttp.RequestCtx, err error) {
		svc.Counters.Errors.Add(1)
		status := statusOf(err)
		ctx.Error(fasthttp.StatusMessage(status), status)
	}
}

// statusOf is that of a request which could not be read.
func statusOf(err error) int {
	var small *fasthttp.ErrSmallBuffer
	var timeout net.Error
	switch {
	case errors.Is(err, fasthttp.ErrBodyTooLarge):
		return fasthttp.StatusRequestEntityTooLarge
	case errors.As(err, &small):
		return fasthttp.StatusRequestHeaderFieldsTooLarge
	case errors.As(err, &timeout) && timeout.Timeout():
		return fasthttp.StatusRequestTimeout
	}
	return fasthttp.StatusBadRequest
}

type logger struct{ *slog.Logger }

func (l logger) Printf(format string, a ...any) {
	if l.Enabled(context.Background(), slog.LevelDebug) {
		l.Debug("fasthttp", "text", printf(format, a))
	}
}
