package doctor

import (
	"context"
	"fmt"
	"time"

	"github.com/dynobench/dyno/bench/measure"
)

// An instrument is what collect needs of the host: the one in host.go, or a
// fake.
type instrument interface {
	// offer runs a generator against a fresh server that does nothing.
	offer(ctx context.Context, o offer) (seen, error)
	// watch looks at the host for d, while nothing of dyno's runs on it.
	watch(ctx context.Context, d time.Duration) (look, error)
}

// offer is one run of a generator.
type offer struct {
	generator      string
	rate           float64 // 0 is the closed loop
	connections    int
	warmup, window time.Duration
	freeze         time.Duration // how long the server is stopped within the window
}

// seen is what came of an offer.
type seen struct {
	measure.Reading
	stopped
	server float64 // share of its CPUs' time that the server used
}

// stopped is how long a server was stopped in truth.
type stopped struct {
	frozen time.Duration
	unsure time.Duration // by how much it may have been more or less
}

// look is what others do on the host.
type look struct {
	busyPct  float64 // of the time of the CPUs that are measured on
	stealPct float64
	runnable float64 // tasks that run or wait for a CPU, on average
}

// connections is what the built-in scenarios without waiting use.
const connections = 64

// Rates of the open loop: far below any limit; below a fast server's; near it.
var pacingRates = []float64{1000, 10_000, 50_000}

const (
	freezeRate  = 1000.0
	agreeRate   = 500.0 // low enough for vegeta to have no queue of its own
	ceilings    = 3     // windows of the ceiling
	maxOfLimit  = 2.0 / 3
	freezeStart = 4 // the freeze begins after this part of the window
)

// timing is how long each part takes. A 99th percentile takes a thousand
// requests, which bounds the pacing at the lowest rate.
type timing struct {
	warmup  time.Duration // of each run, at most
	watch   time.Duration
	ceiling time.Duration
	floor   time.Duration
	pacing  []time.Duration // by rate
	freeze  time.Duration   // the window; the server is stopped for a quarter of it
	agree   time.Duration
	vegeta  bool // freeze the server under vegeta as well
}

func times(quick bool) timing {
	const ms = time.Millisecond
	if quick {
		return timing{
			warmup: 100 * ms, watch: 250 * ms, ceiling: 400 * ms, floor: 400 * ms,
			pacing: []time.Duration{1100 * ms, 400 * ms, 400 * ms}, freeze: 1600 * ms, agree: 400 * ms,
		}
	}
	return timing{
		warmup: 200 * ms, watch: 700 * ms, ceiling: 1200 * ms, floor: 1500 * ms,
		pacing: []time.Duration{2500 * ms, 2000 * ms, 2000 * ms}, freeze: 4000 * ms, agree: 1500 * ms, vegeta: true,
	}
}

// length sums up all of it, the rates that the host may be too slow for
// included.
func (t timing) length() time.Duration {
	runs := ceilings + 1 + len(t.pacing) + 1 + 2
	d := 2*t.watch + ceilings*t.ceiling + t.floor + t.freeze + 2*t.agree
	for _, p := range t.pacing {
		d += p
	}
	if t.vegeta {
		d += t.freeze
		runs++
	}
	return d + time.Duration(runs)*t.warmup
}

// measurements is all that was measured.
type measurements struct {
	calm           []look // before the first run and after the last
	ceiling        []seen // closed loop, all connections
	floor          seen   // closed loop, one connection
	pacing         []seen // open loop, by rate
	freeze         seen   // the server stopped within the window
	vegetaFreeze   *seen  // the same under vegeta
	native, vegeta seen   // both generators at one low rate
}

// collect goes through all parts in an order that puts the most needed first.
func collect(ctx context.Context, on instrument, t timing, tell func(Progress)) (*measurements, error) {
	m := new(measurements)
	at := Progress{Total: t.length()}
	step := func(what string, length time.Duration) {
		at.What = what
		if tell != nil {
			tell(at)
		}
		at.Done += length
	}
	watch := func(what string) error {
		step(what, t.watch)
		l, err := on.watch(ctx, t.watch)
		m.calm = append(m.calm, l)
		return err
	}
	run := func(what string, o offer) (seen, error) {
		o.warmup = t.warmup
		step(what, o.warmup+o.window)
		s, err := on.offer(ctx, o)
		if err != nil && ctx.Err() == nil {
			err = fmt.Errorf("%s: %w", what, err)
		}
		return s, err
	}
	if err := watch("what else runs on the host"); err != nil {
		return nil, err
	}
	for i := range ceilings {
		s, err := run(fmt.Sprintf("the generator's ceiling, window %d of %d", i+1, ceilings),
			offer{generator: "native", connections: connections, window: t.ceiling})
		if err != nil {
			return nil, err
		}
		m.ceiling = append(m.ceiling, s)
	}
	var err error
	if m.floor, err = run("the floor of latency", offer{generator: "native", connections: 1, window: t.floor}); err != nil {
		return nil, err
	}
	limit := m.calibration().LimitRPS()
	for i, rate := range pacingRates {
		if i > 0 && rate > maxOfLimit*limit {
			break
		}
		s, err := run(fmt.Sprintf("pacing at %.0f/s", rate), offer{generator: "native", rate: rate, connections: connections, window: t.pacing[i]})
		if err != nil {
			return nil, err
		}
		m.pacing = append(m.pacing, s)
	}
	frozen := offer{generator: "native", rate: freezeRate, connections: connections, window: t.freeze, freeze: t.freeze / freezeStart}
	if m.freeze, err = run("the freeze test", frozen); err != nil {
		return nil, err
	}
	if t.vegeta {
		frozen.generator = "vegeta"
		s, err := run("the freeze test under vegeta", frozen)
		if err != nil {
			return nil, err
		}
		m.vegetaFreeze = &s
	}
	agree := offer{generator: "native", rate: agreeRate, connections: connections, window: t.agree}
	if m.native, err = run("native at a low rate", agree); err != nil {
		return nil, err
	}
	agree.generator = "vegeta"
	if m.vegeta, err = run("vegeta at a low rate", agree); err != nil {
		return nil, err
	}
	return m, watch("what else runs on the host, again")
}
