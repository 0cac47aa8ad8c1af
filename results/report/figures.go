package report

import (
	"math"

	"github.com/dynobench/dyno/internal/format"
	"github.com/dynobench/dyno/results"
	"github.com/dynobench/dyno/results/report/plot"
)

// figure is a plot of a scenario and the name of its files.
type figure struct {
	plot.Figure
	Name  string // "hello-throughput"
	Small bool   // is good at a phone's width on a desk as well
}

// The ends of the names of the files below plots.
var figureKinds = []string{"throughput", "p99", "cpu", "percentiles", "over-time", "occupancy"}

// figures returns the plots of a scenario that have data.
func (s *Scenario) figures() []figure {
	class := s.class().Class
	which := ""
	if class != "" {
		which = ", " + class + " requests"
	}
	together := ""
	if class != "" { // the steps of the series know no classes
		together = ", requests of all classes together"
	}
	var throughput, p99, cpu []plot.Bar
	var curves []plot.Curve
	var panels []plot.Panel
	var full []plot.Fullness
	for i := range s.Rows {
		r := &s.Rows[i]
		throughput = append(throughput, plot.Bar{Target: r.name(), Points: results.Throughput.Values(r.Valid, "")})
		p99 = append(p99, plot.Bar{Target: r.name(), Points: results.P99.Values(r.Valid, "")})
		cpu = append(cpu, plot.Bar{Target: r.name(), Points: results.CPU.Values(r.Valid, "")})
		curves = append(curves, plot.Curve{Target: r.name(), Points: percentiles(r.main())})
		panel := plot.Panel{Target: r.name()}
		for _, t := range r.Valid {
			panel.Trials = append(panel.Trials, steps(t))
		}
		panels = append(panels, panel)
		full = append(full, r.fullness())
	}
	name := s.Plan.Name
	significant := func(v float64) string { return format.Significant(v, 3) }
	first := figure{plot.Bars(name+": throughput, right responses/s", throughput, significant), "throughput", true}
	if s.Open() {
		first = figure{plot.BarsOfTime(name+": p99 latency"+which, p99), "p99", true}
	}
	all := []figure{
		first,
		{plot.BarsOfTime(name+": CPU time per request", cpu), "cpu", true},
		{plot.Percentiles(name+": latency by percentile"+which, "all valid trials merged · both axes logarithmic · a line ends where samples run out", curves), "percentiles", false},
		{plot.OverTime(name+": latency over time"+together, "p99 (strong) and p50 (faint) of each 100 ms · one pair of lines per valid trial", panels), "over-time", false},
		{plot.Occupancy(name+": slots busy and queue over time", "slots busy (strong), slots available (dots) · connections waiting for a slot or to be accepted (dashes) · each panel has its own logarithmic scale · one pair of lines per valid trial", full), "occupancy", false},
	}
	var shown []figure
	for _, f := range all {
		if !f.Empty {
			f.Name = format.FileName(name) + "-" + f.Name
			shown = append(shown, f)
		}
	}
	return shown
}

// percentiles samples l at even steps of its axis, where each ten is one more
// nine, as far as ten samples lie beyond. The first step is left out: the
// quickest answer of all is an accident that would stretch the axis for nothing.
func percentiles(l Latency) []plot.Percentile {
	if l.Samples == 0 {
		return nil
	}
	var points []plot.Percentile
	for nines := 0.05; nines < 8; nines += 0.05 {
		p := 100 * (1 - math.Pow(10, -nines))
		us, ok := results.Percentile(l.histogram, p)
		if !ok {
			break
		}
		points = append(points, plot.Percentile{P: p, US: us})
	}
	return points
}

func steps(t *results.Trial) []plot.Step {
	s := make([]plot.Step, len(t.Series))
	for i, p := range t.Series {
		s[i] = plot.Step{S: p.TS, P50: p.P50US, P99: p.P99US}
	}
	return s
}
