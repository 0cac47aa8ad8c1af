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
	if err := engines.HTTPOnly("fasthttp", svc); err != nil {
		sock.Close()
		return err
	}
	e.Watch(svc)
	inFlight, cancel := context.WithCancelCause(context.Background())
	defer cancel(context.Canceled)
	l := svc.Limits
	header := yardstick.Limit(l.HeaderTime, 10*time.Second)
	body := yardstick.Limit(l.BodyTime, 60*time.Second)
	a := newAdapter(svc, inFlight, sock.Addr())
	srv := &fasthttp.Server{
		Handler:                       a.handle,
		ErrorHandler:                  refuse(svc),
		ConnState:                     idle,
		Concurrency:                   math.MaxInt32,
		ReadBufferSize:                l.MaxLine() + l.MaxHeaderBytes(), // it bounds the header
		IdleTimeout:                   yardstick.Limit(l.IdleTime, 75*time.Second),
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
	if header > 0 && body > 0 {
		srv.ReadTimeout = header + body
		if svc.Limits.HeaderTime > 0 { // the shorter limit has been asked for
			srv.ReadTimeout = max(header, yardstick.Limit(svc.Limits.BodyTime, header))
		}
	}
	return yardstick.Serve(ctx, &server{Server: srv}, yardstick.Listen(ctx, sock, &e.Meter, svc), svc, cancel)
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
