// Package pool serves connections with a fixed number of goroutines from an
// ants pool, one connection each: a bound on what is in flight without the
// cost of threads.
package pool

import (
	"context"

	"github.com/panjf2000/ants/v2"

	"github.com/dynobench/dyno/engines"
	"github.com/dynobench/dyno/engines/blocking"
	"github.com/dynobench/dyno/engines/kernel"
	"github.com/dynobench/dyno/protocol"
)

// Knobs are the engine's settings.
var Knobs = []engines.Knob{
	{Key: "size", Default: "256", Doc: "goroutines, and so connections at a time",
		Sweep: []string{"64", "256", "1024"}},
	engines.FullKnob, engines.TargetKnob,
}

// Engine serves size connections at a time.
type Engine struct {
	engines.Meter
	size     int
	overload engines.Overload
}

var _ engines.Engine = (*Engine)(nil)

// New returns an Engine with the settings p.
func New(p *engines.Params) (*Engine, error) {
	e := &Engine{
		size:     p.Int("size", 1, 1<<20),
		overload: p.Overload(),
	}
	e.Slots = int64(e.size)
	return e, p.Err()
}

// Serve implements engines.Engine.
func (e *Engine) Serve(ctx context.Context, sock *engines.Socket, svc *protocol.Service) error {
	own := *svc
	own.Flags.MultiThread = e.Slots != 1
	// Workers stay as long as the pool: without it ants wakes up once a
	// second to look for idle ones.
	p, err := ants.NewPoolWithFuncGeneric(e.size, func(t *blocking.Talk) { t.Serve(kernel.Park{}) },
		ants.WithNonblocking(e.overload.Full != engines.FullWait), ants.WithDisablePurge(true))
	if err != nil {
		return err
	}
	g := blocking.NewGroup(&own, &e.Meter)
	g.Overload = e.overload
	err = blocking.Serve(ctx, sock, g, func(t *blocking.Talk) {
		if p.Invoke(t) != nil {
			t.Refuse()
		}
	})
	// A drain that has timed out leaves a worker behind, which is not waited for.
	if released := p.ReleaseTimeout(engines.CutGrace); err == nil && released != nil {
		return released
	}
	return err
}
