package load

import (
	"context"
	"time"
)

// A conductor sets the window of a running load and announces its edges.
type conductor struct {
	config   *Config
	window   *window
	answers  func() int64 // so far, warm-up included
	spent    func() int64 // on them, from when they were due, in ns
	short    float64      // ns that the warm-up of an open loop was too short by
	cpu      func() int64 // ns of CPU that the process has used
	released int64        // when the load began
	cpuStart int64
	progress progress
}

// interruptGrace is how long an interrupted run waits for what is outstanding.
const interruptGrace = 250 * time.Millisecond

// prepare is called before the load begins.
func (d *conductor) prepare() {
	for _, r := range d.window.recorders {
		if d.config.Progress != nil {
			r.live.next = 0
		}
		if d.config.Journal != nil {
			r.journal = d.config.Journal.add(len(d.window.recorders))
		}
	}
	d.released = now()
	if d.config.Warmup == 0 {
		d.openAt(d.released + int64(lead))
	}
}

func (d *conductor) openAt(start int64) {
	d.window.end.Store(start + int64(d.config.Duration))
	d.window.start.Store(start)
}

// run is called once the load has begun and returns when the window has ended,
// by the clock or with ctx.
func (d *conductor) run(ctx context.Context) *reading {
	d.progress = progress{config: d.config, window: d.window, answers: d.answers, began: d.released}
	w := d.window
	if w.start.Load() == never {
		d.warmUp(ctx)
		// With ctx ended in the warm-up the window stays empty, but it has edges.
		d.openAt(now() + int64(lead))
	}
	start := w.start.Load()
	interrupted := !d.sleepTo(ctx, start)
	d.cpuStart = d.cpu()
	clock := skew()
	d.announce(MeasureStart)
	for end := w.end.Load(); !interrupted && now() < end; {
		interrupted = !d.sleepTo(ctx, min(end, now()+slice))
		d.progress.show()
	}
	if interrupted {
		w.end.Store(max(start, min(w.end.Load(), now()+int64(lead))))
		w.abort.Store(w.end.Load() + int64(interruptGrace))
		sleepUntil(w.end.Load())
	}
	used := d.cpu() - d.cpuStart
	d.announce(MeasureEnd)
	return &reading{
		warmup: d.warmed(start), start: start, end: w.end.Load(),
		processCPU: used, stepped: skew() - clock, interrupted: interrupted, short: d.short,
	}
}

// warmed is the length of the warm-up.
func (d *conductor) warmed(start int64) int64 {
	if d.config.Warmup == 0 {
		return 0
	}
	return start - d.released
}

// warmUp returns when the rate is steady and, in the open model, the queue has
// settled; at the latest when Warmup is over.
func (d *conductor) warmUp(ctx context.Context) {
	var s steady
	queue := settled{rate: d.config.warmupRate() / 1e9}
	calm := d.config.Model == Closed
	last, spent := d.answers(), d.spent()
	for end := d.released + int64(d.config.Warmup) - int64(lead); now() < end; {
		whole := now()+slice <= end
		if !d.sleepTo(ctx, min(now()+slice, end)) {
			return
		}
		d.progress.show()
		n, took := d.answers(), d.spent()
		if whole {
			even := s.slice(n - last)
			if d.config.Model == Open {
				calm = queue.slice(n-last, took-spent)
			}
			if even && calm {
				return
			}
		}
		last, spent = n, took
	}
	if !calm && queue.slices >= steadySlices {
		d.short = queue.needs() - float64(now()-d.released)
	}
}

func (d *conductor) announce(p Phase) {
	if d.config.Phase != nil {
		d.config.Phase(p)
	}
}

// sleepTo sleeps until t and tells whether ctx has lived so long.
func (d *conductor) sleepTo(ctx context.Context, t int64) bool {
	const fine = int64(2 * time.Millisecond) // beyond the coarseness of Go's timers
	if left := t - now() - fine; left > 0 {
		timer := time.NewTimer(time.Duration(left))
		defer timer.Stop()
		select {
		case <-ctx.Done():
			return false
		case <-timer.C:
		}
	}
	sleepUntil(t)
	return ctx.Err() == nil
}
