package eventloop

import "github.com/dynobench/dyno/engines"

// New returns the engine eventloop with the settings p.
func New(p *engines.Params) (engines.Engine, error) {
	e := newEngine(config{Loops: p.Int("loops", 1, 1024), Batch: uring(p), Overload: p.Overload()})
	return e, p.Err()
}

// NewCoroutine returns the engine coroutine with the settings p.
func NewCoroutine(p *engines.Params) (engines.Engine, error) {
	e := newEngine(config{
		Loops:      p.Int("loops", 1, 1024),
		Coroutines: true,
		Batch:      uring(p),
		Slots:      p.Int("slots", 0, 1<<20),
		Overload:   p.Overload(),
	})
	return e, p.Err()
}

func uring(p *engines.Params) bool { return p.Choice("io", "epoll", "io_uring") == "io_uring" }
