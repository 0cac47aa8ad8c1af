package phases

import (
	"context"
	"time"

	"github.com/dynobench/dyno/bench/load/netio"
	"github.com/dynobench/dyno/bench/load/plan"
	"github.com/dynobench/dyno/bench/load/record"
)

// A Conductor sets the window of a running load and announces its edges.
type Conductor struct {
	Config   *plan.Config
	Window   *record.Window
	Answers  func() int64 // so far, warm-up included
	Spent    func() int64 // on them, from when they were due, in ns
	short    float64      // ns that the warm-up of an open loop was too short by
	Cpu      func() int64 // ns of CPU that the process has used
	released int64        // when the load began
	cpuStart int64
	progress progress
}

// InterruptGrace is how long an interrupted run waits for what is outstanding.
const InterruptGrace = 250 * time.Millisecond

// Prepare is called before the load begins.
func (d *Conductor) Prepare() {
	for _, r := range d.Window.Recorders {
		if d.Config.Progress != nil {
			r.Live.Next = 0
		}
		if d.Config.Journal != nil {
			r.Journal = d.Config.Journal.Add(len(d.Window.Recorders))
		}
	}
	d.released = record.Now()
	if d.Config.Warmup == 0 {
		d.openAt(d.released + int64(record.Lead))
	}
}

func (d *Conductor) openAt(start int64) {
	d.Window.End.Store(start + int64(d.Config.Duration))
	d.Window.Start.Store(start)
}

// Run is called once the load has begun and returns when the window has ended,
// by the clock or with ctx.
func (d *Conductor) Run(ctx context.Context) *record.Reading {
	d.progress = progress{config: d.Config, window: d.Window, answers: d.Answers, began: d.released}
	w := d.Window
	if w.Start.Load() == record.Never {
		d.warmUp(ctx)
		// With ctx ended in the warm-up the window stays empty, but it has edges.
		d.openAt(record.Now() + int64(record.Lead))
	}
	start := w.Start.Load()
	interrupted := !d.sleepTo(ctx, start)
	d.cpuStart = d.Cpu()
	clock := record.Skew()
	d.announce(plan.MeasureStart)
	for end := w.End.Load(); !interrupted && record.Now() < end; {
		interrupted = !d.sleepTo(ctx, min(end, record.Now()+slice))
		d.progress.show()
	}
	if interrupted {
		w.End.Store(max(start, min(w.End.Load(), record.Now()+int64(record.Lead))))
		w.Abort.Store(w.End.Load() + int64(InterruptGrace))
		netio.SleepUntil(w.End.Load())
	}
	used := d.Cpu() - d.cpuStart
	d.announce(plan.MeasureEnd)
	return &record.Reading{
		Warmup: d.warmed(start), Start: start, End: w.End.Load(),
		ProcessCPU: used, Stepped: record.Skew() - clock, Interrupted: interrupted, Short: d.short,
	}
}

// warmed is the length of the warm-up.
func (d *Conductor) warmed(start int64) int64 {
	if d.Config.Warmup == 0 {
		return 0
	}
	return start - d.released
}

// warmUp returns when the rate is steady and, in the open model, the queue has
// settled; at the latest when Warmup is over.
func (d *Conductor) warmUp(ctx context.Context) {
	var s steady
	queue := settled{rate: d.Config.WarmupRate() / 1e9}
	calm := d.Config.Model == plan.Closed
	last, spent := d.Answers(), d.Spent()
	for end := d.released + int64(d.Config.Warmup) - int64(record.Lead); record.Now() < end; {
		whole := record.Now()+slice <= end
		if !d.sleepTo(ctx, min(record.Now()+slice, end)) {
			return
		}
		d.progress.show()
		n, took := d.Answers(), d.Spent()
		if whole {
			even := s.slice(n - last)
			if d.Config.Model == plan.Open {
				calm = queue.slice(n-last, took-spent)
			}
			if even && calm {
				return
			}
		}
		last, spent = n, took
	}
	if !calm && queue.slices >= steadySlices {
		d.short = queue.needs() - float64(record.Now()-d.released)
	}
}

func (d *Conductor) announce(p plan.Phase) {
	if d.Config.Phase != nil {
		d.Config.Phase(p)
	}
}

// sleepTo sleeps until t and tells whether ctx has lived so long.
func (d *Conductor) sleepTo(ctx context.Context, t int64) bool {
	const fine = int64(2 * time.Millisecond) // beyond the coarseness of Go's timers
	if left := t - record.Now() - fine; left > 0 {
		timer := time.NewTimer(time.Duration(left))
		defer timer.Stop()
		select {
		case <-ctx.Done():
			return false
		case <-timer.C:
		}
	}
	netio.SleepUntil(t)
	return ctx.Err() == nil
}
