package coroutine

import (
	"github.com/dynobench/dyno/engines"
	"github.com/dynobench/dyno/engines/reactor"
)

// New returns an Engine with the settings p.
func New(p *engines.Params) (engines.Engine, error) {
	e := reactor.New(reactor.Config{
		Loops:      p.Int("loops", 1, 1024),
		Coroutines: true,
		Batch:      p.Choice("io", "epoll", "io_uring") == "io_uring",
		Slots:      p.Int("slots", 0, 1<<20),
		Overload:   p.Overload(),
	})
	return e, p.Err()
}
