package cli

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"github.com/dynobench/dyno/bench"
	"github.com/dynobench/dyno/bench/load/plan"
	"github.com/dynobench/dyno/internal/format"
)

// bar is one progress bar with a text and the time left, gone when closed.
type bar struct {
	progress *mpb.Progress
	screen   *screen
	bar      *mpb.Bar

	mu   sync.Mutex
	text string
	left time.Duration
}

func newBar(w io.Writer, total int64) *bar {
	b := &bar{screen: newScreen(w, func() bool { return false }), progress: mpb.New(mpb.WithOutput(underlying(w)), mpb.WithWidth(24), mpb.WithRefreshRate(100*time.Millisecond), mpb.WithAutoRefresh())}
	b.bar = b.progress.AddBar(total,
		mpb.BarRemoveOnComplete(),
		mpb.AppendDecorators(
			decor.Percentage(decor.WC{W: 5}),
			decor.Any(func(decor.Statistics) string {
				b.mu.Lock()
				defer b.mu.Unlock()
				return b.screen.shown(fmt.Sprintf("  %s left  %s", b.left.Round(time.Second), format.Line(b.text)))
			}),
		))
	return b
}

func (b *bar) show(done, total int64, text string, left time.Duration) {
	b.mu.Lock()
	b.text, b.left = text, max(left, 0)
	b.mu.Unlock()
	b.bar.SetTotal(total, false)
	b.bar.SetCurrent(done)
}

// Write prints lines above the bar.
func (b *bar) Write(p []byte) (int, error) {
	if _, err := b.progress.Write([]byte(b.screen.shown(string(p)))); err != nil {
		return 0, err
	}
	return len(p), nil
}

func (b *bar) close() {
	b.bar.Abort(true)
	b.progress.Wait()
}

// isTerminal tells whether a person watches w.
func isTerminal(w io.Writer) bool {
	f, ok := underlying(w).(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0 && info.Name() != "null" && os.Getenv("TERM") != "dumb"
}

// watch shows a run on w: a bar where a person watches, a line for each trial
// otherwise, and in both cases what went wrong. It returns what to call at the
// end.
func watch(w io.Writer, plan *bench.Plan) (seen func(bench.Event), done func()) {
	out, stop := w, func() {}
	var b *bar
	if isTerminal(w) {
		b = newBar(w, int64(len(plan.Steps)))
		out, stop = b, b.close
	}
	return func(e bench.Event) {
		switch e.Kind {
		case bench.TargetVerified:
			if b != nil {
				b.show(0, int64(e.Total), e.Target+" answers right", plan.Length())
			}
		case bench.TargetRefused:
			fmt.Fprintf(out, "%s is left out: %v\n", e.Target, e.Err)
		case bench.TrialBegins:
			if b != nil {
				b.show(int64(e.Done), int64(e.Total), e.Step.Scenario.Name+" on "+e.Step.Target.Name, e.Left)
			}
		case bench.TrialEnds:
			t := e.Trial
			if b == nil {
				class, latency := t.Main()
				if class != "" {
					class = " of " + class
				}
				figures := "no right answers"
				if t.Requests > 0 {
					figures = fmt.Sprintf("%.0f requests/s, p99%s %s, %.1f µs of CPU per request", t.ThroughputRPS, class, format.Latency(latency.P99), t.Server.CPUUSPerRequest)
				}
				fmt.Fprintf(out, "%d/%d %s on %s, trial %d: %s (%v left)\n", e.Done, e.Total, t.Scenario, t.Target, t.Trial, figures, e.Left.Round(time.Second))
			}
			for _, warning := range t.Warnings {
				if warning.Invalid {
					fmt.Fprintf(out, "%s on %s, trial %d does not count [%s]: %s\n", t.Scenario, t.Target, t.Trial, warning.Code, warning.Message)
				}
			}
		}
	}, stop
}

// plainEvery is how often --progress plain prints a line.
const plainEvery = 5 * time.Second

// watchLoad shows a run of the generator on w: by auto a bar where a person
// watches and nothing elsewhere, so that the output of a script holds results
// only; by plain a line every few seconds, for a log. It returns what to call
// while the run lasts, nil where nothing is shown, and at its end.
func watchLoad(w io.Writer, mode string) (seen func(plan.Progress), done func()) {
	switch {
	case mode == "plain":
		return plainProgress(w), func() {}
	case mode == "none" || !isTerminal(w):
		return nil, func() {}
	}
	var b *bar // its length stays as it was when it was made
	return func(p plan.Progress) {
			if b == nil {
				b = newBar(w, int64(p.Total))
			}
			b.show(int64(p.Elapsed), int64(p.Total), standing(p), p.Total-p.Elapsed)
		}, func() {
			if b != nil {
				b.close()
			}
		}
}

// plainProgress prints a line now and then.
func plainProgress(w io.Writer) func(plan.Progress) {
	next := plainEvery
	return func(p plan.Progress) {
		if p.Elapsed < next {
			return
		}
		next = p.Elapsed - p.Elapsed%plainEvery + plainEvery
		fmt.Fprintf(w, "%v of %v: %s\n", p.Elapsed.Round(time.Second), p.Total, standing(p))
	}
}

// standing is how a run stands, in a line.
func standing(p plan.Progress) string {
	text := format.Significant(p.RPS, 3) + " requests/s"
	if !p.Measuring {
		return text + ", warming up"
	}
	switch {
	case p.P99US > 0:
		text += ", p99 " + format.Duration(p.P99US)
	case p.P50US > 0:
		text += ", p50 " + format.Duration(p.P50US)
	}
	if p.Errors > 0 {
		text += ", " + format.Plural(p.Errors, "error")
	}
	if p.Backlog > 0 {
		text += ", " + format.Count(p.Backlog) + " waiting"
	}
	return text
}
