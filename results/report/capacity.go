package report

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"github.com/dynobench/dyno/internal/format"
	"github.com/dynobench/dyno/results"
	"github.com/dynobench/dyno/results/report/plot"
)

// WriteCapacity writes a throughput–latency curve for a terminal of so many
// columns: a line for each rate with its latencies as figures and as dots on a
// common logarithmic axis, and what they say about the server. Below 80
// columns it is laid out for 80.
func WriteCapacity(w io.Writer, c *results.Capacity, width int) error {
	width = max(width, 80)
	var b strings.Builder
	b.WriteString(format.Fit(c.URL, width) + "\n")
	asked := fmt.Sprintf("open loop, %s, %s, %s, %.0f s, %s", c.Arrivals, format.Plural(c.Connections, "connection"),
		format.Plural(c.Threads, "generator thread"), c.DurationS, format.Plural(len(c.Probes), "window"))
	if c.Arrivals == "" { // ended before the first probe of it
		asked = fmt.Sprintf("%s, %.0f s", format.Plural(c.Connections, "connection"), c.DurationS)
	}
	if c.TimeoutS > 0 {
		asked += ", timeout " + format.Duration(1e6*c.TimeoutS)
	}
	b.WriteString(format.Wrap(asked, width, "", ""))
	if len(c.Points) > 0 {
		b.WriteString("\n" + capacityTable(c, width) + "\n")
	}
	for _, text := range CapacityVerdicts(c) {
		b.WriteString(format.Wrap(text, width, "→ ", "  "))
	}
	for _, n := range c.Warnings {
		b.WriteString(format.Wrap(n.Message+" ["+n.Code+"]", width, "! ", "  "))
		if n.Hint != "" {
			b.WriteString(format.Wrap(n.Hint, width, "  → ", "    "))
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// CapacityVerdicts says in sentences what was found.
func CapacityVerdicts(c *results.Capacity) []string {
	var all []string
	rate := func(v float64) string { return format.Significant(v, 3) }
	switch {
	case c.Interrupted:
		all = append(all, "Interrupted: these are the results so far.")
	case c.BudgetS > 0 && c.CapacityRPS == 0 && unseen(c):
		all = append(all, fmt.Sprintf("It is not known whether the server meets %s at any rate:", c.Objective))
	case c.BudgetS > 0 && c.CapacityRPS == 0:
		all = append(all, fmt.Sprintf("The server meets %s at no rate probed.", c.Objective))
	}
	if c.CapacityRPS > 0 && c.AtLeast {
		all = append(all, fmt.Sprintf("The server meets %s up to at least %s requests/s: it was not the limit.", c.Objective, rate(c.CapacityRPS)))
	} else if c.CapacityRPS > 0 {
		text := fmt.Sprintf("The server meets %s up to %s requests/s", c.Objective, rate(c.CapacityRPS))
		if i := c.Interval; i != nil {
			text += fmt.Sprintf(" (%.0f %% interval %s to %s, that is ±%s %%)", 100*i.Confidence, rate(i.LowRPS), rate(i.HighRPS),
				format.Percent(100*(math.Sqrt(i.HighRPS/i.LowRPS)-1)))
		}
		all = append(all, text+fmt.Sprintf(": at that rate half of the windows meet it. The limit of a single window varies by about %s %%.", format.Percent(c.SpreadPct)))
	}
	if k := c.Knee; k != nil {
		all = append(all, fmt.Sprintf("The knee is near %s requests/s with a mean latency of %s: beyond it, more load adds a larger share of latency than of throughput.",
			rate(k.RateRPS), format.Duration(k.LatencyMeanUS)))
	} else if highest, counting := extent(c); counting >= 3 {
		all = append(all, fmt.Sprintf("The knee is beyond %s requests/s, the highest valid rate: up to there, more load adds a larger share of throughput than of latency.", rate(highest)))
	}
	return all
}

// unseen tells whether a search without a result had nothing to judge.
func unseen(c *results.Capacity) bool {
	return slices.ContainsFunc(c.Warnings, func(w results.Warning) bool {
		return slices.Contains([]string{results.CodeTooSlow, results.CodeNoAnswers, results.CodeAllErrors, results.CodeDied}, w.Code)
	})
}

// extent is how far the curve goes, and of how many points.
func extent(c *results.Capacity) (highest float64, counting int) {
	for _, p := range c.Points {
		if p.Valid && p.LatencyUS.Mean > 0 {
			highest, counting = max(highest, p.RateRPS), counting+1
		}
	}
	return highest, counting
}

// capacityTable is the curve. The dots take what the figures leave of the
// width, up to a line that the eye can still follow.
func capacityTable(c *results.Capacity, width int) string {
	const widest = 72
	t := format.Table{Head: []string{"due/s", "right/s", "p50", "p99"}}
	more := width >= 100
	if more {
		t.Head = append(t.Head, "p99.9", "mean", "failed")
	}
	t.Head = append(t.Head, "kept", "")
	t.Left = make([]bool, len(t.Head))
	t.Left[len(t.Left)-1] = true
	for _, p := range c.Points {
		row := []string{format.Significant(p.RateRPS, 3), format.Significant(p.ThroughputRPS, 3), format.Latency(p.LatencyUS.P50), format.Latency(p.LatencyUS.P99)}
		if more {
			due := p.Requests + p.Errors.Total() - p.Errors.Status - p.Errors.Body
			row = append(row, format.Latency(p.LatencyUS.P999), format.Latency(p.LatencyUS.Mean), format.Percent(100*float64(p.Errors.Total())/float64(max(due, 1)))+" %")
		}
		t.Add(append(row, keptOf(p), "")...)
	}
	dots := newDots(c, min(width-longest(t.Text())-2, widest))
	last := len(t.Head) - 1
	for i := range t.Rows {
		t.Rows[i][last] = dots.line(&c.Points[i])
	}
	lines := strings.Split(strings.TrimRight(t.Text(), "\n"), "\n")
	whole := longest(t.Text())
	out := []string{lines[0]}
	marked := c.CapacityRPS == 0
	for i, line := range lines[1:] {
		if !marked && c.Points[i].RateRPS > c.CapacityRPS {
			out, marked = append(out, capacityMark(c, whole)), true
		}
		if k := c.Knee; k != nil && k.RateRPS == c.Points[i].RateRPS {
			line = "▸" + strings.TrimPrefix(line, " ")
		}
		out = append(out, line)
	}
	indent := strings.Repeat(" ", max(0, whole-dots.columns)) // of points without latencies the lines end early
	legend := "○ p50  ● p99"
	if c.Bound != nil {
		legend += "  ┊ " + c.Bound.Figure + " asked for"
	}
	if c.Knee != nil {
		legend += "  ▸ knee"
	}
	return strings.Join(slices.Insert(out, len(out), indent+dots.axis(), "  "+legend), "\n") + "\n"
}

// keptOf tells how many of a point's windows kept the objective.
func keptOf(p results.CapacityPoint) string {
	switch {
	case !p.Valid:
		return "spoiled"
	case p.Objective == nil:
		return ""
	case slices.ContainsFunc(p.Objective.Terms, func(t results.Term) bool { return t.Seen == nil }) && p.Kept == 0:
		return "?"
	}
	return fmt.Sprintf("%d/%d", p.Kept, p.Windows)
}

// capacityMark is the line between the rates below the capacity and above.
func capacityMark(c *results.Capacity, columns int) string {
	text := "  " + format.Significant(c.CapacityRPS, 3) + " "
	if c.AtLeast {
		text = "≥" + text
	}
	return text + strings.Repeat("─", max(0, columns-format.Width(text)))
}

// A dots draws latencies on a logarithmic axis of so many columns.
type dots struct {
	columns int
	low     float64 // µs
	high    float64
	bound   float64
}

func newDots(c *results.Capacity, columns int) dots {
	d := dots{columns: columns, low: math.Inf(1)}
	for _, p := range c.Points {
		for _, v := range []float64{p.LatencyUS.P50, p.LatencyUS.P99} {
			if v > 0 {
				d.low, d.high = min(d.low, v), max(d.high, v)
			}
		}
	}
	if c.Bound != nil {
		d.bound = c.Bound.US
		d.low, d.high = min(d.low, d.bound), max(d.high, d.bound)
	}
	if d.high == 0 {
		d.low, d.high = 1, 10
	}
	d.low, d.high = plot.Around(d.low, d.high)
	return d
}

func (d dots) column(us float64) int {
	return int(math.Round(math.Log(us/d.low) / math.Log(d.high/d.low) * float64(d.columns-1)))
}

func (d dots) line(p *results.CapacityPoint) string {
	cells := []rune(strings.Repeat(" ", d.columns))
	p50, p99 := p.LatencyUS.P50, p.LatencyUS.P99
	if p50 > 0 && p99 > 0 {
		for i := d.column(p50); i <= d.column(p99); i++ {
			cells[i] = '─'
		}
	}
	if d.bound > 0 {
		if at := d.column(d.bound); cells[at] == ' ' {
			cells[at] = '┊'
		} else {
			cells[at] = '┼'
		}
	}
	if p50 > 0 {
		cells[d.column(p50)] = '○'
	}
	if p99 > 0 {
		cells[d.column(p99)] = '●'
	}
	return string(cells)
}

// axis labels the marks that have room.
func (d dots) axis() string {
	cells := []rune(strings.Repeat(" ", d.columns))
	free := 0
	for _, t := range plot.TimeTicks(d.low, d.high) {
		label := []rune(t.Label)
		at := min(max(d.column(t.Value)-len(label)/2, 0), d.columns-len(label))
		if at < free {
			continue
		}
		copy(cells[at:], label)
		free = at + len(label) + 2
	}
	return strings.TrimRight(string(cells), " ")
}

// CapacityFigure is the curve as a plot.
func CapacityFigure(c *results.Capacity) plot.Figure {
	v := plot.Capacity{Limit: c.CapacityRPS, AtLeast: c.AtLeast}
	for _, p := range c.Points {
		if p.Valid {
			v.Points = append(v.Points, plot.LoadPoint{RPS: p.ThroughputRPS, P50: p.LatencyUS.P50, P99: p.LatencyUS.P99})
		}
	}
	if c.Interval != nil {
		v.Low, v.High = c.Interval.LowRPS, c.Interval.HighRPS
	}
	if c.Bound != nil {
		v.Bound, v.BoundName = c.Bound.US, c.Bound.Figure
	}
	if c.Knee != nil {
		v.Knee = c.Knee.ThroughputRPS
	}
	title := "Latency by throughput"
	if c.CapacityRPS > 0 {
		least := ""
		if c.AtLeast {
			least = "at least "
		}
		title = fmt.Sprintf("%s is kept up to %s%s requests/s", c.Objective, least, format.Significant(c.CapacityRPS, 3))
	}
	return plot.LoadCurve(title, fmt.Sprintf("latency from when a request was due, by right responses/s · %s arrivals, %s · %s",
		c.Arrivals, format.Plural(c.Connections, "connection"), c.URL), v)
}
