package report

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/dynobench/dyno/internal/format"
	"github.com/dynobench/dyno/results"
	"github.com/dynobench/dyno/results/compare"
)

// WriteTerminal writes the report for a terminal of so many columns; below 80
// it is laid out for 80. A wider one gets more figures.
func (r *Report) WriteTerminal(w io.Writer, width int) error {
	width = max(width, 80)
	var b strings.Builder
	for i := range r.Scenarios {
		r.Scenarios[i].terminal(&b, r.Run, width)
		b.WriteString("\n")
	}
	if len(r.Scenarios) == 0 {
		b.WriteString("No trial was stored in this run.\n\n")
	}
	if len(r.Notices) > 0 {
		writeNotices(&b, r.Notices, width)
		b.WriteString("\n")
	}
	if legend := r.legend(); legend != "" {
		b.WriteString(format.Wrap(legend+".", width, "", ""))
	}
	if len(r.Scenarios) > 0 {
		b.WriteString(format.Wrap(r.counts()+" "+r.basis(), width, "", ""))
	}
	if limit := calibrated(r.Run); limit != "" {
		b.WriteString(format.Wrap("The generator's limit is "+limit+".", width, "", ""))
	}
	b.WriteString(format.Wrap(fmt.Sprintf("Run %s: %s; seed %d.", r.Run.ID, r.Tally, r.Run.Plan.Seed), width, "", ""))
	_, err := io.WriteString(w, b.String())
	return err
}

// counts says what the column n is.
func (r *Report) counts() string {
	if len(r.Tally.Missing) > 0 {
		return "n: valid trials of trials run, then the trials planned if fewer ran."
	}
	return "n: valid trials of trials run."
}

// basis says what the figures of a table are.
func (r *Report) basis() string {
	basis := "Throughput and CPU per request are medians over the valid trials, and ± is half the range. Percentiles are of the merged histograms; the ± or range beside one is that of single trials, and the merged value is only as certain as these agree. " + results.ExplainMemory(results.MemoryOf(r.Run))
	ranked := func(s Scenario) bool {
		return slices.ContainsFunc(s.Verdicts, func(v Verdict) bool { return v.Outcome == Winner || v.Outcome == Tied })
	}
	if slices.ContainsFunc(r.Scenarios, ranked) {
		basis += " " + promise
	}
	for i := range r.Scenarios {
		if len(r.Scenarios[i].groupTables()) > 0 {
			return basis + " " + groupBasis
		}
	}
	return basis
}

// promise says what the confidence of a ranking is about.
const promise = "Each ranking holds with 95 % confidence: if all targets were equal, at most one run in twenty would rank any of them behind. A difference that a run can detect is found in 80 % of runs. The interval of a difference accounts for its having been selected, so a barely established one may include zero."

func (s *Scenario) terminal(b *strings.Builder, run *results.Run, width int) {
	title := s.Plan.Name
	if s.Plan.Summary != "" {
		title += " · " + s.Plan.Summary
	}
	b.WriteString(format.Fit(title, width) + "\n")
	b.WriteString(format.Wrap(s.terms(), width, "", ""))
	b.WriteString("\n" + s.terminalTable(width) + "\n")
	for _, v := range s.Verdicts {
		b.WriteString(format.Wrap(v.Text, width, "→ ", "  "))
	}
	for _, n := range s.footnotes() {
		b.WriteString(format.Wrap(n, width, "", "  "))
	}
	if note := s.profilesNote(run); note != "" {
		b.WriteString(format.Wrap(note, width, "", "  "))
	}
	groups := s.groupTables()
	for _, t := range groups {
		b.WriteString("\n" + format.Wrap("beside them "+t.Spec, width, "", "  ") + t.terminal(width))
	}
	if len(groups) > 0 && len(s.Notices) > 0 {
		b.WriteString("\n")
	}
	writeNotices(b, s.Notices, width)
}

// terms says in a line how the scenario loads a target.
func (s *Scenario) terms() string {
	return fmt.Sprintf("%s, %s s per trial%s", compare.Load(s.Plan), trimZeros(format.Significant(s.Plan.DurationS, 3)), s.over())
}

// over names the protocols of the trials, unless all are the usual one.
func (s *Scenario) over() string {
	var spoken []string
	for _, row := range s.Rows {
		for _, t := range row.Trials {
			spoken = append(spoken, cmp.Or(t.Protocol, "http"))
		}
	}
	slices.Sort(spoken)
	if spoken = slices.Compact(spoken); len(spoken) == 0 || len(spoken) == 1 && spoken[0] == "http" {
		return ""
	}
	return ", over " + strings.Join(spoken, " and ")
}

func trimZeros(s string) string {
	if strings.Contains(s, ".") {
		s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	}
	return s
}

// terminalTable returns the widest layout that fits; in the last one long
// names are cut.
func (s *Scenario) terminalTable(width int) string {
	for i, columns := range layouts {
		t := format.Table{Left: []bool{true}}
		for _, c := range columns {
			t.Head = append(t.Head, c.head)
		}
		lines := s.lines(columns)
		for _, l := range lines {
			t.Add(l.Cells...)
		}
		text := t.Text()
		over := longest(text) - width
		if over <= 0 {
			return text
		}
		if i == len(layouts)-1 {
			return cutTable(t, over)
		}
	}
	return ""
}

// cutTable cuts the names of a table that is so many columns too wide.
func cutTable(t format.Table, over int) string {
	limit := 0
	for _, cells := range t.Rows {
		limit = max(limit, format.Width(cells[0]))
	}
	limit = max(8, limit-over)
	for _, cells := range t.Rows {
		cells[0] = cutName(cells[0], limit)
	}
	return t.Text()
}

// cutName shortens a name but keeps the mark behind it.
func cutName(name string, limit int) string {
	if format.Width(name) <= limit {
		return name
	}
	mark := ""
	if at := strings.LastIndexByte(name, ' '); at > 0 && strings.Contains("*†‡", name[at+1:]) {
		name, mark = name[:at], name[at:]
	}
	return format.Fit(name, limit-format.Width(mark)) + mark
}

func longest(text string) int {
	n := 0
	for line := range strings.Lines(text) {
		n = max(n, format.Width(strings.TrimRight(line, "\n")))
	}
	return n
}

func writeNotices(b *strings.Builder, notices []Notice, width int) {
	for _, n := range notices {
		sign := "! "
		if n.Invalid {
			sign = "✗ "
		}
		b.WriteString(format.Wrap(n.Text(), width, sign, "  "))
		if n.Hint != "" {
			b.WriteString(format.Wrap(n.Hint, width, "  → ", "    "))
		}
	}
}
