package tune

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/dynobench/dyno/internal/format"
	"github.com/dynobench/dyno/internal/shell"
	"github.com/dynobench/dyno/results/compare"
)

// column is a figure of a candidate.
type column struct {
	head string
	of   func(Measured) float64
	show func(float64) string
}

var (
	rate   = column{"req/s", func(m Measured) float64 { return m.ThroughputRPS }, func(v float64) string { return format.Significant(v, 3) }}
	cpu    = column{"CPU/req", func(m Measured) float64 { return m.CPUUSPerRequest }, format.Duration}
	p99    = column{"p99", func(m Measured) float64 { return m.P99US }, format.Duration}
	memory = column{"MiB", func(m Measured) float64 { return float64(cmp.Or(m.PSSPeakBytes, m.RSSPeakBytes)) / (1 << 20) }, func(v float64) string { return format.Significant(v, 3) }}
)

// columns returns the objective's figure and then what it may be paid with.
func (o Objective) columns() []column {
	all := []column{rate, cpu, p99, memory}
	i := map[Objective]int{Throughput: 0, CPU: 1, P99: 2}[o]
	return slices.Concat(all[i:i+1], all[:i], all[i+1:])
}

// cell is the figure, or that there is none.
func (c column) cell(m Measured) string {
	if v := c.of(m); v > 0 {
		return c.show(v)
	}
	return format.None
}

// Head is the head of Row's cells.
func (r *Result) Head() []string {
	head := []string{"n"}
	columns := r.Objective.columns()
	head = append(head, columns[0].head, "change", "95 % interval")
	for _, c := range columns[1:] {
		head = append(head, c.head)
	}
	return append(head, "verdict")
}

// Row is what was seen of a candidate, in cells.
func (r *Result) Row(m Measured) []string {
	columns := r.Objective.columns()
	row := []string{fmt.Sprintf("%d/%d", m.Valid, m.Trials), columns[0].cell(m)}
	if m.Ratio > 0 {
		row = append(row, format.Change(m.Ratio), format.Change(m.Lo)+" to "+format.Change(m.Hi))
	} else {
		row = append(row, "", "")
	}
	for _, c := range columns[1:] {
		row = append(row, c.cell(m))
	}
	return append(row, string(m.Verdict))
}

// WriteText prints the tables and what follows from them, for a terminal of so
// many columns; below 80 it is laid out for 80.
func (r *Result) WriteText(w io.Writer, width int) error {
	width = max(width, 80)
	var b strings.Builder
	b.WriteString(format.Fit(fmt.Sprintf("%s under %s · %s", r.Engine, r.Scenario.Name, r.Scenario.Summary), width) + "\n")
	b.WriteString(format.Wrap(fmt.Sprintf("%s, %s s per trial; %s", compare.Load(r.Scenario), format.Significant(r.Scenario.DurationS, 2), r.Objective.words()), width, "", ""))
	for _, s := range r.Sweeps {
		b.WriteString("\n" + r.table(s, width))
	}
	if r.Without != nil {
		b.WriteString("\nwithout each setting that was found\n" + r.table(*r.Without, width))
	}
	if r.Confirmation != nil {
		b.WriteString("\nonce more, beside the defaults\n" + r.table(*r.Confirmation, width))
	}
	b.WriteString("\n")
	for _, line := range r.Verdicts() {
		b.WriteString(format.Wrap(line, width, "→ ", "  "))
	}
	b.WriteString("\n  " + shell.Join(r.Command) + "\n")
	_, err := io.WriteString(w, b.String())
	return err
}

// words says what is to be as good as possible.
func (o Objective) words() string {
	switch o {
	case CPU:
		return "as little CPU per request as possible"
	case Throughput:
		return "as many requests/s as possible"
	}
	return "as low a p99 as possible"
}

// table lays a sweep out; the columns that do not fit are left out, from the
// last but one.
func (r *Result) table(s Sweep, width int) string {
	first := s.Knob
	if first == "" {
		first = "settings"
	}
	for drop := 0; ; drop++ {
		cut := func(cells []string) []string {
			last := len(cells) - 1
			return append(slices.Clone(cells[:last-drop]), cells[last])
		}
		t := format.Table{Left: []bool{true}, Head: append([]string{first}, cut(r.Head())...)}
		for _, m := range s.Candidates {
			name := m.Value
			if name == "" {
				name = m.Name
			}
			t.Add(append([]string{name}, cut(r.Row(m))...)...)
		}
		text := t.Text()
		fits := true
		for line := range strings.Lines(text) {
			fits = fits && format.Width(strings.TrimRight(line, "\n")) <= width
		}
		if fits || drop == len(r.Objective.columns())-1 {
			return text
		}
	}
}

// Verdicts says what came of it, in sentences.
func (r *Result) Verdicts() []string {
	var lines []string
	c := r.Confirmation
	switch {
	case !r.Complete:
		lines = append(lines, "The tuning was interrupted: nothing is chosen.")
	case !r.Judged():
		lines = append(lines, "No setting could be judged: none has three valid rounds beside the defaults. The defaults stay.")
	case c == nil && r.Without != nil:
		lines = append(lines, "Leaving out any of the settings found made no clear difference: the defaults stay.")
	case c == nil:
		lines = append(lines, fmt.Sprintf("No setting clearly beat its default, and none that could be compared is better by more than %s %%: the defaults stay.",
			format.Percent(100*r.AtMost())))
		if r.AtMost() > blind {
			lines = append(lines, "That is a wide margin: use a quieter host or a longer --budget.")
		}
	case len(r.Chosen) == 0:
		lines = append(lines, fmt.Sprintf("%s was the best candidate, but the confirmation beside the defaults does not agree (%s): the defaults stay.",
			c.Candidates[1].Name, r.change(c.Candidates[1])))
	default:
		m := c.Candidates[1]
		lines = append(lines, fmt.Sprintf("%s is better than the defaults: %s, confirmed in a new measurement.", m.Name, r.change(m)))
		if price := r.price(c.Candidates[0], m); price != "" {
			lines = append(lines, "Its price: "+price+".")
		}
	}
	if r.Without != nil && c != nil {
		for i, m := range r.Without.Candidates {
			if i > 0 && m.Verdict != compare.Worse {
				lines = append(lines, fmt.Sprintf("%s is left out: it looked better in its sweep, but leaving it out made no clear difference.", strings.TrimPrefix(m.Value, "without ")))
			}
		}
	}
	for _, s := range r.Sweeps {
		var lost []string
		for _, m := range s.Candidates {
			if m.Verdict == compare.TooFewTrials {
				lost = append(lost, m.Value)
			}
		}
		if len(lost) > 0 {
			lines = append(lines, fmt.Sprintf("%s=%s cannot be judged: too few valid trials.", s.Knob, strings.Join(lost, ", ")))
		}
	}
	return lines
}

// blind is from which share on what a search cannot exclude is worth a word.
const blind = 0.2

// change tells the objective of m beside that of the first.
func (r *Result) change(m Measured) string {
	if m.Ratio == 0 {
		return "too few trials count"
	}
	return fmt.Sprintf("%s %s, 95 %% interval %s to %s", r.Objective.columns()[0].head, format.Change(m.Ratio), format.Change(m.Lo), format.Change(m.Hi))
}

// dear is from which ratio on another figure that got worse is a price.
const dear = 1.1

// price tells which other figures got much worse, by their medians.
func (r *Result) price(before, after Measured) string {
	var parts []string
	for _, c := range r.Objective.columns()[1:] {
		ratio := c.of(after) / c.of(before)
		worse := ratio
		if c.head == rate.head {
			worse = 1 / ratio
		}
		if c.of(before) > 0 && c.of(after) > 0 && worse >= dear {
			parts = append(parts, fmt.Sprintf("%s %s instead of %s", c.cell(after), c.head, c.cell(before)))
		}
	}
	return strings.Join(parts, ", ")
}
