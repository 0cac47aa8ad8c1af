// Package goroutine is Go's own model: a goroutine for each connection,
// parked in the runtime's poller while it waits, and if wanted one more for
// each request.
package goroutine

import (
	"context"

	"github.com/dynobench/dyno/engines"
	"github.com/dynobench/dyno/engines/blocking"
	"github.com/dynobench/dyno/engines/kernel"
	"github.com/dynobench/dyno/protocol"
)

// Knobs are the engine's settings.
var Knobs = []engines.Knob{
	{Key: "per", Default: "connection", Doc: "connection: a goroutine for each connection; request: one more, started for each request",
		Sweep: []string{"connection", "request"}},
	{Key: "slots", Default: "0", Doc: "connections at a time; 0: unlimited",
		Fixed: "it bounds what is in flight"},
	engines.FullKnob, engines.TargetKnob,
}

// Engine serves any number of connections at a time.
type Engine struct {
	engines.Meter
	perRequest bool
	overload   engines.Overload
}

var _ engines.Engine = (*Engine)(nil)

// New returns an Engine with the settings p.
func New(p *engines.Params) (*Engine, error) {
	e := &Engine{perRequest: p.Choice("per", "connection", "request") == "request", overload: p.Overload()}
	e.Slots = int64(p.Int("slots", 0, 1<<20))
	return e, p.Err()
}

// Serve implements engines.Engine.
func (e *Engine) Serve(ctx context.Context, sock *engines.Socket, svc *protocol.Service) error {
	own := *svc
	own.Flags.MultiThread = e.Slots != 1
	g := blocking.NewGroup(&own, &e.Meter)
	g.Overload = e.overload
	if e.perRequest {
		g.Request = func(run func()) {
			done := make(chan struct{})
			go func() {
				defer close(done)
				run()
			}()
			<-done
		}
	}
	return blocking.Serve(ctx, sock, g, g.Limit(int(e.Slots), func(t *blocking.Talk) { go t.Serve(kernel.Park{}) }))
}
