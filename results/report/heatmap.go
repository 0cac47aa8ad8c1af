package report

import (
	"fmt"

	"github.com/dynobench/dyno/results"
	"github.com/dynobench/dyno/results/report/plot"
)

// HeatMap draws latency over time from the histograms of l's steps; it is an
// error if a step with answers has none. The figure is Empty where nothing was
// answered.
func HeatMap(l *results.Load) (plot.Figure, error) {
	steps := make([]plot.HeatStep, len(l.Series))
	for i, p := range l.Series {
		s := &steps[i]
		s.S, s.Errors, s.Backlog = p.TS, p.Errors, p.Backlog
		if p.Done == 0 {
			continue
		}
		if p.Histogram == "" {
			return plot.Figure{}, fmt.Errorf("the step at %g s has no histogram: run dyno load with --steps", p.TS)
		}
		h, err := results.DecodeHistogram(p.Histogram)
		if err != nil {
			return plot.Figure{}, fmt.Errorf("the step at %g s: %w", p.TS, err)
		}
		for _, b := range h.Distribution() {
			if b.Count > 0 {
				s.Counts = append(s.Counts, plot.HeatCount{US: float64(b.From+b.To) / 2 / 1e3, N: b.Count})
			}
		}
	}
	return plot.HeatMap("Latency over time: "+l.URL, steps, l.DurationS), nil
}
