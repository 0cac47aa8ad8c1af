package compare

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"github.com/dynobench/dyno/internal/format"
	"github.com/dynobench/dyno/results"
)

// name is a metric in words.
func name(m results.Metric) string {
	if m == Failures {
		return "failures"
	}
	return m.Name()
}

// short is a metric in a column.
func short(m results.Metric) string {
	if m == Failures {
		return "failed"
	}
	return m.Short()
}

// figure prints a value of a metric with its unit.
func figure(m results.Metric, v float64) string {
	switch {
	case m == Failures && v == 0:
		return "none"
	case m == Failures:
		return format.Percent(v) + " %"
	case m == results.Throughput && v > 0:
		return m.Figure(v) + "/s"
	}
	return m.Figure(v)
}

// interval prints the bounds of a ratio as changes.
func interval(c Comparison) string {
	if c.RatioLo == 0 {
		return format.None
	}
	lo, hi := format.Change(c.RatioLo), format.Change(c.RatioHi)
	return strings.TrimSuffix(lo, " %") + " … " + hi
}

// wideEnough is the width from which the table has room for the number of
// trials and for what each comparison could have seen.
const wideEnough = 100

// WriteText writes the result for a terminal of so many columns, 80 at least.
func (r *Result) WriteText(w io.Writer, width int) error {
	width = max(width, 80)
	var b strings.Builder
	fmt.Fprintf(&b, "old  %s\nnew  %s\n", format.Fit(describe(r.Old), width-5), format.Fit(describe(r.New), width-5))
	if text := r.warnings(width); text != "" {
		b.WriteString("\n" + text)
	}
	for i := 0; i < len(r.Comparisons); {
		j := i
		for j < len(r.Comparisons) && r.Comparisons[j].Scenario == r.Comparisons[i].Scenario {
			j++
		}
		b.WriteString("\n" + r.section(r.Comparisons[i:j], width))
		i = j
	}
	b.WriteString("\n" + r.summary(width))
	_, err := io.WriteString(w, b.String())
	return err
}

func describe(s Side) string {
	version := strings.TrimSpace("dyno " + s.Dyno.Version)
	if c := s.Dyno.Commit; c != "" {
		version += " (" + c[:min(len(c), 8)] + ")"
	}
	trials := fmt.Sprintf("%d trials, %d valid", s.Trials, s.Valid)
	switch {
	case s.Planned >= s.Trials:
		trials = fmt.Sprintf("%d of %d ran, %d valid", s.Trials, s.Planned, s.Valid)
	case s.Planned > 0:
		trials = fmt.Sprintf("%d planned, %d ran, %d valid", s.Planned, s.Trials, s.Valid)
	}
	return fmt.Sprintf("%s  %s  %s  %s", s.ID, s.Created.UTC().Format("2006-01-02 15:04"), trials, version)
}

// warnings prints them, those of one code under one hint.
func (r *Result) warnings(width int) string {
	var b strings.Builder
	var codes []string
	for _, x := range r.Warnings {
		if !slices.Contains(codes, x.Code) {
			codes = append(codes, x.Code)
		}
	}
	for _, code := range codes {
		label := "warning"
		if code == CodeBuild || code == CodeSpec {
			label = "note"
		}
		hint := ""
		for _, x := range r.Warnings {
			if x.Code == code {
				b.WriteString(format.Wrap(x.Message, width, fmt.Sprintf("%s [%s] ", label, code), "  "))
				hint = x.Hint
			}
		}
		if hint != "" {
			b.WriteString(format.Wrap(hint, width, "  → ", "    "))
		}
	}
	return b.String()
}

// section prints the comparisons of one scenario.
func (r *Result) section(comparisons []Comparison, width int) string {
	var b strings.Builder
	wide := width >= wideEnough
	head := comparisons[0].Scenario
	if s, ok := r.scenarios[head]; ok {
		head += " · " + Load(s)
	}
	b.WriteString(format.Fit(head, width) + "\n")
	table := format.Table{Head: []string{"target", "metric", "old", "new", "change", fmt.Sprintf("%g %% interval", r.Confidence*100), "verdict"},
		Left: []bool{true, true, false, false, false, false, true}}
	if wide {
		table.Head = append(table.Head, "could see", "trials")
		table.Left = append(table.Left, false, false)
	}
	var notes strings.Builder
	last, noted := "", ""
	for _, c := range comparisons {
		if c.Metric == "" {
			notes.WriteString(format.Wrap(fmt.Sprintf("%s: %s: %s", c.Target, c.Verdict, c.Reason), width, "  ", "    "))
			continue
		}
		target := format.Fit(c.Target, 14)
		if c.Target == last {
			target = ""
		}
		last = c.Target
		change := format.None
		if c.Ratio != 0 {
			change = format.Change(c.Ratio)
		}
		what := short(c.Metric)
		if wide {
			what = name(c.Metric)
		}
		if c.Class != "" {
			what += " " + format.Fit(c.Class, 8)
		}
		if !c.Judged {
			what = "(" + what + ")"
		}
		row := []string{target, what, strings.TrimSuffix(figure(c.Metric, c.Old), "/s"), strings.TrimSuffix(figure(c.Metric, c.New), "/s"), change, interval(c), mark(c)}
		if wide {
			row = append(row, see(c), fmt.Sprintf("%d, %d", c.OldTrials, c.NewTrials))
		}
		table.Add(row...)
		switch {
		case c.Verdict == TooFewTrials && c.Target+c.Reason != noted: // once for all metrics
			notes.WriteString(format.Wrap(c.Target+": "+c.Reason, width, "  ", "    "))
			noted = c.Target + c.Reason
		case c.Metric == Failures:
			notes.WriteString(format.Wrap(fmt.Sprintf("%s: %s", c.Target, c.Reason), width, "  ", "    "))
		case c.Verdict == CannotTell && c.Reason != "":
			notes.WriteString(format.Wrap(fmt.Sprintf("%s, %s: %s", c.Target, name(c.Metric), c.Reason), width, "  ", "    "))
		}
	}
	if len(table.Rows) > 0 {
		b.WriteString(table.Text())
	}
	b.WriteString(notes.String())
	return b.String()
}

// mark makes the verdicts that matter stand out without colour.
func mark(c Comparison) string {
	switch {
	case c.Judged && (c.Verdict == Worse || c.Verdict == Better):
		return strings.ToUpper(string(c.Verdict))
	case c.Verdict == TooFewTrials: // which ones, is said below
		return "too few"
	}
	return string(c.Verdict)
}

func see(c Comparison) string {
	if c.DetectablePct == 0 {
		return format.None
	}
	sign := "+"
	if c.Metric == results.Throughput {
		sign = "−"
	}
	return sign + seen(c.DetectablePct) + " %"
}

// seen prints a change that could be seen. From tenfold on, nothing could.
func seen(pct float64) string {
	const most = 900
	if pct > most {
		return fmt.Sprintf("over %d", most)
	}
	return format.Percent(pct)
}

// Load says in a line how fast requests of s are offered.
func Load(s results.PlanScenario) string {
	if s.Model == "open" {
		arrivals := s.Arrivals
		if arrivals == "" {
			arrivals = "constant"
		}
		rate := format.Significant(s.RateRPS, 4) + " requests/s"
		if s.RateProfile != "" {
			rate = fmt.Sprintf("%s requests/s, %s on average", s.RateProfile, format.Significant(s.RateRPS, 4))
		}
		return fmt.Sprintf("open loop, %s (%s), %d connections", rate, arrivals, s.Connections)
	}
	return fmt.Sprintf("closed loop, %d connections", s.Connections)
}

// summary prints the counts, what became worse, what keeps the result from being
// conclusive, and what could have been seen.
func (r *Result) summary(width int) string {
	var b strings.Builder
	var counts []string
	for _, v := range []Verdict{Worse, Better, Same, CannotTell, TooFewTrials, NotComparable, Missing} {
		if n := r.Counts[v]; n > 0 {
			counts = append(counts, fmt.Sprintf("%d %s", n, v))
		}
	}
	if len(counts) == 0 {
		counts = []string{"nothing to compare"}
	}
	b.WriteString(format.Wrap(strings.Join(counts, ", ")+".", width, "", ""))
	for _, c := range r.Regressions() {
		text := fmt.Sprintf("%s, %s: %s", c.Scenario, c.Target, c.Reason)
		if c.Metric != Failures {
			what := name(c.Metric)
			if c.Class != "" {
				what += " of " + c.Class + " requests"
			}
			text = fmt.Sprintf("%s, %s: %s %s (%s), beyond doubt and above the floor of %s %%", c.Scenario, c.Target,
				what, format.Change(c.Ratio), interval(c), format.Percent(r.Floor*100))
		}
		b.WriteString(format.Wrap(text, width, "  WORSE ", "    "))
	}
	for _, reason := range r.Reasons {
		b.WriteString(format.Wrap(reason, width, "  INCONCLUSIVE ", "    "))
	}
	if r.informs() {
		b.WriteString(format.Wrap("Metrics in parentheses are shown only; --metrics judges them.", width, "", ""))
	}
	b.WriteString(format.Wrap(fmt.Sprintf("The floor is %s %%: a smaller change is never called better or worse. The confidence is %g %%, for each interval alone and, with Holm's correction, for all %s together.",
		format.Percent(r.Floor*100), r.Confidence*100, format.Plural(r.Tests, "judged comparison")), width, "", ""))
	if r.Tests > 0 {
		b.WriteString(format.Wrap("Every interval includes the noise between runs, as the standard deviation of one run of an unchanged target: "+r.between()+".", width, "", ""))
		if slices.ContainsFunc(r.Comparisons, func(c Comparison) bool { return c.tested && c.BetweenRunsFrom == Assumed }) {
			b.WriteString(format.Wrap(fmt.Sprintf("Assumed noise is the worst case. %d stored runs of a target on this host, or more targets in both runs, would show the real noise.", fewest), width, "", ""))
		}
		b.WriteString(format.Wrap("With 80 % power this comparison detects "+r.couldSee()+".", width, "", ""))
	}
	return b.String()
}

// informs tells whether anything is shown that is not judged.
func (r *Result) informs() bool {
	return slices.ContainsFunc(r.Comparisons, func(c Comparison) bool { return !c.Judged })
}

// used returns the metrics that were tested, in the table's order.
func (r *Result) used(judged bool) []results.Metric {
	var m []results.Metric
	for _, c := range r.Comparisons {
		if c.tested && (c.Judged || !judged) && !slices.Contains(m, c.Metric) {
			m = append(m, c.Metric)
		}
	}
	return m
}

// between says by metric how much runs differ, and what that is known from.
func (r *Result) between() string {
	var parts []string
	for _, m := range r.used(false) {
		for _, from := range []Source{Given, FromRuns, FromTargets, Assumed} {
			var sd, df []float64
			for _, c := range r.Comparisons {
				if c.tested && c.Metric == m && c.BetweenRunsFrom == from {
					sd, df = append(sd, 100*c.BetweenRunsSD), append(df, c.BetweenRunsDF)
				}
			}
			if len(sd) > 0 {
				parts = append(parts, fmt.Sprintf("%s %s %% (%s)", name(m), ranged(sd, format.Percent), from.words(df)))
			}
		}
	}
	return join(parts)
}

// words says what the noise is known from, and how surely.
func (s Source) words(df []float64) string {
	whole := func(v float64) string { return fmt.Sprintf("%.0f", v) }
	switch s {
	case FromRuns:
		for i := range df {
			df[i]++
		}
		return fmt.Sprintf("from %s stored runs of the target on this host", ranged(df, whole))
	case FromTargets:
		return fmt.Sprintf("from the changes of the other targets, %s degrees of freedom", ranged(df, whole))
	case Given:
		return "given"
	}
	return "assumed"
}

// ranged prints the least and the greatest of x.
func ranged(x []float64, print func(float64) string) string {
	lo, hi := print(slices.Min(x)), print(slices.Max(x))
	if lo == hi {
		return lo
	}
	return lo + " to " + hi
}

// couldSee says, by metric, from which change on this comparison finds it.
func (r *Result) couldSee() string {
	var parts []string
	for _, m := range r.used(true) {
		lo, hi := math.Inf(1), 0.0
		for _, c := range r.Comparisons {
			if c.Metric == m && c.Judged && c.tested {
				lo, hi = min(lo, c.DetectablePct), max(hi, c.DetectablePct)
			}
		}
		verb := "growing"
		if m == results.Throughput {
			verb = "falling"
		}
		amount := seen(lo) + " %"
		if seen(lo) != seen(hi) {
			amount = seen(lo) + " to " + seen(hi) + " %"
		}
		parts = append(parts, fmt.Sprintf("%s %s by %s", name(m), verb, amount))
	}
	return join(parts)
}

// join lists parts as a sentence does.
func join(parts []string) string {
	switch n := len(parts); n {
	case 0:
		return ""
	case 1:
		return parts[0]
	default:
		return strings.Join(parts[:n-1], ", ") + " and " + parts[n-1]
	}
}
