package bench

import (
	"cmp"
	"time"

	"github.com/dynobench/dyno/bench/gauge"
	"github.com/dynobench/dyno/bench/load/plan"
	"github.com/dynobench/dyno/bench/target"
	"github.com/dynobench/dyno/results"
)

// A server is asked how full it is often enough for a share of the readings to
// mean something and, since it costs it about what two requests do, no more
// often than that.
const (
	gaugeReadings = 20 // in a window
	gaugeLeast    = 200 * time.Millisecond
	gaugeMost     = time.Second
)

// gaugePeriod is the time between two readings in a window of that length.
func gaugePeriod(window time.Duration) time.Duration {
	return min(max(window/gaugeReadings, gaugeLeast), gaugeMost)
}

// addresses gives a server that is to listen at addr, for each other place that
// its command asks for, an address of this host that nobody listens at.
func addresses(t target.Target, addr string) (at Addresses, err error) {
	at.Serve = addr
	for _, place := range []struct {
		name string
		addr *string
	}{{target.Stats, &at.Stats}, {target.Pprof, &at.Pprof}} {
		for t.Takes(place.name) && (*place.addr == "" || *place.addr == at.Serve || at.Stats == at.Pprof) {
			if *place.addr, err = target.FreeAddr(); err != nil {
				return at, err
			}
		}
	}
	return at, nil
}

// watch is what is looked at while a trial's window lasts, beside the meters:
// how full the server is, and the profile that is taken of it.
type watch struct {
	at      Addresses
	period  time.Duration
	gauge   *gauge.Gauge
	began   time.Time
	samples []gauge.Sample
	profile *profile // nil: none is asked for
}

func (p *Plan) watch(s Step, at Addresses, order int) *watch {
	return &watch{at: at, period: gaugePeriod(p.duration(s.Scenario)), profile: p.profileOf(s, at, order)}
}

// edge is called at the edges of the window.
func (w *watch) edge(phase plan.Phase) {
	switch phase {
	case plan.MeasureStart:
		w.began = time.Now()
		w.gauge = gauge.Start(w.at.Serve, w.at.Stats, w.period)
		w.profile.start()
	case plan.MeasureEnd:
		w.stop()
	}
}

func (w *watch) stop() {
	if w.gauge != nil {
		w.samples, w.gauge = w.gauge.Stop(), nil
	}
}

// end puts what was seen into t, when the load is over, however it ended.
func (w *watch) end(t *results.Trial) {
	w.stop()
	t.Occupancy = occupancy(w.samples, w.began, w.period)
	w.profile.end(t)
}

// occupancy is samples as they are stored; nil if they tell nothing.
func occupancy(samples []gauge.Sample, began time.Time, period time.Duration) *results.Occupancy {
	o := results.Occupancy{PeriodS: period.Seconds()}
	var told []gauge.Sample // of those that the server did not answer only the kernel's part is known
	slots, busy, queue, backlog := 0, 0, 0, 0
	for _, s := range samples {
		slots += one(s.Slots > 0)
		busy += one(s.Busy >= 0)
		queue += one(s.Queue >= 0)
		backlog += one(s.Backlog >= 0)
	}
	// A reading in which a column is missing is left out: all are as long.
	for _, s := range samples {
		if (busy == 0 || s.Busy >= 0) && (queue == 0 || s.Queue >= 0) && (backlog == 0 || s.Backlog >= 0) {
			told = append(told, s)
		}
	}
	if len(told) == 0 || cmp.Or(busy, queue, backlog) == 0 {
		return nil
	}
	for _, s := range told {
		o.TS = append(o.TS, float64(s.Time.Sub(began).Milliseconds())/1e3)
		if slots > 0 {
			o.Slots = max(o.Slots, s.Slots)
		}
		if busy > 0 {
			o.Busy = append(o.Busy, s.Busy)
		}
		if queue > 0 {
			o.Queue = append(o.Queue, s.Queue)
		}
		if backlog > 0 {
			o.Backlog = append(o.Backlog, s.Backlog)
		}
	}
	return &o
}

func one(yes bool) int {
	if yes {
		return 1
	}
	return 0
}
