// Package sync is the oldest model: one connection at a time, from accept to
// close, as gunicorn's sync worker and a uWSGI process without threads have it.
package sync

import (
	"context"

	"github.com/dynobench/dyno/engines"
	"github.com/dynobench/dyno/engines/blocking"
	"github.com/dynobench/dyno/engines/kernel"
	"github.com/dynobench/dyno/protocol"
)

// Knobs are the engine's settings.
var Knobs = []engines.Knob{
	{Key: "keepalive", Default: "off", Doc: "off: close after each response, so that clients take turns; pinned: serve one connection until the client closes it",
		Fixed: "it decides who is served: pinned serves one client at a time"},
	engines.FullKnob, engines.TargetKnob,
}

// Engine serves one connection at a time.
type Engine struct {
	engines.Meter
	pinned   bool
	overload engines.Overload
}

var _ engines.Engine = (*Engine)(nil)

// New returns an Engine with the settings p.
func New(p *engines.Params) (*Engine, error) {
	e := &Engine{pinned: p.Choice("keepalive", "off", "pinned") == "pinned", overload: p.Overload()}
	e.Slots = 1
	return e, p.Err()
}

// Serve implements engines.Engine.
func (e *Engine) Serve(ctx context.Context, sock *engines.Socket, svc *protocol.Service) error {
	own := *svc
	own.NoKeepAlive = own.NoKeepAlive || !e.pinned
	g := blocking.NewGroup(&own, &e.Meter)
	g.Overload = e.overload
	serve := func(t *blocking.Talk) { t.Serve(kernel.Park{}) }
	if e.overload.Full != engines.FullWait { // somebody has to refuse meanwhile
		serve = g.Limit(1, func(t *blocking.Talk) { go t.Serve(kernel.Park{}) })
	}
	return blocking.Serve(ctx, sock, g, serve)
}
