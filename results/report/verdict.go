package report

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/dynobench/dyno/internal/format"
	"github.com/dynobench/dyno/results"
	"github.com/dynobench/dyno/results/stats"
)

// question is what a verdict answers, in words.
type question struct {
	metric results.Metric
	class  string // of a latency, where there are several
	value  func(*Row) float64
	print  func(float64) string
	unit   string
	best   string // "the highest throughput"
	behind string // "lower"
	by     string // "throughput"
}

// show prints the figure of a row.
func (q question) show(r *Row) string { return q.print(q.value(r)) + q.unit }

// named is how many targets a sentence names before it only counts them.
const named = 3

// judge answers the scenario's questions: which target has the highest throughput,
// or the lowest p99, and which the lowest CPU time per request.
//
// The trials of a round are run next to each other in random order, so the
// targets are compared within the rounds: see stats.Blocks and its Best, which also
// allow for having asked about all of them. The interval in a sentence holds for
// the difference that it names, though that was picked by looking.
func (s *Scenario) judge() []Verdict {
	first, cpu := s.questions()
	verdicts := []Verdict{s.answer(first)}
	if second := s.answer(cpu); len(verdicts[0].Leads) > 0 || len(second.Leads) > 0 {
		verdicts = append(verdicts, second)
	}
	return verdicts
}

// blocks returns the targets that can be ranked with their figures in each
// round, the lower the better, and the names of those that cannot.
func (s *Scenario) blocks(q question) (rows []*Row, b *stats.Blocks, unranked []string) {
	columns := map[int]int{} // of a trial's number
	var figures [][]float64
	for i := range s.Rows {
		r := &s.Rows[i]
		if r.Target.Name == nullTarget {
			continue
		}
		x, n := []float64{}, 0
		for _, t := range r.Valid {
			v := q.metric.Of(t, "")
			if v <= 0 {
				continue
			}
			if q.metric.HigherIsBetter() {
				v = 1 / v
			}
			at, ok := columns[t.Trial]
			if !ok {
				at = len(columns)
				columns[t.Trial] = at
			}
			for len(x) <= at {
				x = append(x, 0) // none
			}
			x[at] = v
			n++
		}
		if n < stats.MinTrials {
			unranked = append(unranked, r.name())
			continue
		}
		rows, figures = append(rows, r), append(figures, x)
	}
	b = stats.NewBlocks(figures, Confidence)
	if len(rows) < 2 {
		return rows, b, unranked
	}
	// Trials enough, but not in the rounds of the others.
	var known []*Row
	var kept [][]float64
	for i, r := range rows {
		if b.Known(i) {
			known, kept = append(known, r), append(kept, figures[i])
		} else {
			unranked = append(unranked, r.name())
		}
	}
	return known, stats.NewBlocks(kept, Confidence), unranked
}

// questions returns what the scenario is mainly about, and the CPU.
func (s *Scenario) questions() (first, cpu question) {
	cpu = question{metric: results.CPU, value: func(r *Row) float64 { return r.CPU.Centre }, print: format.Duration,
		best: "the lowest CPU time per request", behind: "higher", by: "CPU time per request"}
	first = question{metric: results.Throughput, value: func(r *Row) float64 { return r.Throughput.Centre },
		print: func(v float64) string { return format.Significant(v, 3) }, unit: " requests/s",
		best: "the highest throughput", behind: "lower", by: "throughput"}
	if s.Open() {
		class, name := ofClass(s.class()), s.class().Class
		first = question{metric: results.P99, class: name, value: (*Row).mainP99, print: format.Duration,
			best: "the lowest p99" + class, behind: "higher", by: "p99" + class}
	}
	return first, cpu
}

// answer makes the verdict on one question.
func (s *Scenario) answer(q question) Verdict {
	rows, blocks, unranked := s.blocks(q)
	v := Verdict{Metric: q.metric, Class: q.class, Outcome: NoRanking, Leads: []string{}, Targets: []Standing{}, Erratic: []string{}, Unranked: append([]string{}, unranked...)}
	for _, r := range rows {
		v.Targets = append(v.Targets, Standing{Target: r.name(), Trials: len(q.metric.Values(r.Valid, "")), Value: q.value(r)})
	}
	switch len(rows) {
	case 0:
		v.Text = fmt.Sprintf("No ranking by %s: %s.", q.by, s.tooFew(q))
		return v
	case 1:
		v.Text = fmt.Sprintf("Only %s can be judged by %s: %s. %s.", rows[0].name(), q.by, q.show(rows[0]), sentence(s.tooFew(q)))
		v.Leads, v.Outcome, v.Targets[0].Lead = []string{rows[0].name()}, Alone, true
		return v
	}
	best := blocks.Best()
	lead := best.Leader
	// What was held back by the generator may be faster than it was seen to be: it
	// is neither behind nor tied.
	var bounded []int
	for i := range rows {
		if q.metric == results.Throughput && rows[i].AtLeast && i != lead {
			bounded = append(bounded, i)
		}
	}
	v.Rounds, v.Power = blocks.Rounds(), power
	var depends bool
	v.Dependence, depends = blocks.Dependence()
	if d := best.Detectable(power); !math.IsInf(d, 1) {
		v.DetectablePct = q.worse(d)
	}
	var tied, out []int // in the order of the table
	for i := range rows {
		standing := &v.Targets[i]
		standing.Lead = best.May[i] && !best.Erratic[i] && !slices.Contains(bounded, i)
		if i != lead {
			against := lead
			if best.By[i] >= 0 {
				against = best.By[i]
			}
			if ratio := best.Behind(i); ratio.Known {
				standing.Against = rows[against].name()
				standing.Ratio, standing.RatioLo, standing.RatioHi = q.ratio(ratio)
			}
		}
		switch {
		case slices.Contains(bounded, i):
			v.Unranked = append(v.Unranked, rows[i].name())
		case best.Erratic[i]:
			v.Erratic = append(v.Erratic, rows[i].name())
		case best.May[i]:
			tied = append(tied, i)
			v.Leads = append(v.Leads, rows[i].name())
		default:
			out = append(out, i)
		}
	}
	v.Outcome = Tied
	switch {
	case len(tied) == 1:
		v.Outcome = Winner
		of := ""
		if len(bounded) > 0 {
			of = " of those that can be ranked"
		}
		v.Text = fmt.Sprintf("%s has %s%s: %s%s", rows[lead].name(), q.best, of, q.show(rows[lead]), s.price(q, rows, rows[lead]))
	case len(out) == 0:
		who := names(rows, tied)
		if len(tied) > named {
			who = fmt.Sprintf("all %d", len(tied))
		}
		v.Text = fmt.Sprintf("No ranking by %s: %s are tied, at %s", q.by, who, q.among(rows, tied))
	default:
		v.Text = fmt.Sprintf("%s are tied for %s, %s", names(rows, tied), q.best, q.among(rows, tied))
	}
	if len(tied) > 1 {
		v.Text += q.sight(best)
	}
	if len(out) > 0 {
		gap := func(what string, i int) string {
			return q.gap(what, rows[i], best.Lost[i], rows[best.By[i]].name())
		}
		next := nearest(blocks, lead, out, func(int) bool { return true })
		v.Text += "; " + gap("next is", next)
		yardstick := func(i int) bool { return rows[i].Target.Kind == kindYardstick }
		if !slices.ContainsFunc(append(tied, next), yardstick) {
			if y := nearest(blocks, lead, out, yardstick); y >= 0 {
				v.Text += "; " + gap("the nearest yardstick is", y)
			}
		}
	}
	v.Text += "."
	if len(bounded) > 0 {
		v.Text += fmt.Sprintf(" The throughput of %s is a lower bound because the generator was the limit: not ranked.", names(rows, bounded))
	}
	if len(v.Erratic) > 0 {
		v.Text += fmt.Sprintf(" Too erratic to rank (rounds differ far more than for the others): %s.", strings.Join(v.Erratic, ", "))
	}
	if depends {
		v.Text += fmt.Sprintf(" Successive rounds are correlated (%s): the confidence intervals are widened and less reliable.", format.Significant(v.Dependence, 1))
	}
	if len(unranked) > 0 && q.metric != results.CPU { // said once; the trials are the same ones
		v.Text += s.notRanked(q, unranked)
	}
	return v
}

// power is how surely a difference is found that a run is said to detect.
const power = 0.8

// sight says what a tie may hide: " (this run can detect differences of 20 % or
// more)".
func (q question) sight(best stats.Ranking) string {
	least := best.Detectable(power)
	switch {
	case math.IsInf(least, 1):
		return ""
	case least >= 2: // the wording of gap
		return fmt.Sprintf(" (this run can detect factors of %s or more)", format.Significant(1+least, 2))
	}
	return fmt.Sprintf(" (this run can detect differences of %s %% or more)", format.Percent(q.worse(least)))
}

// worse is a growth of the samples by the share d as a change of the metric for
// the worse, in per cent.
func (q question) worse(d float64) float64 {
	if q.metric.HigherIsBetter() {
		d = 1 - 1/(1+d)
	}
	return d * 100
}

// ratio returns a ratio of the samples as one of the metric, with its interval.
func (q question) ratio(w stats.Ratio) (ratio, lo, hi float64) {
	if q.metric.HigherIsBetter() { // the samples are reciprocals
		return 1 / w.Ratio, 1 / w.Hi, 1 / w.Lo
	}
	return w.Ratio, w.Lo, w.Hi
}

// nearest returns the one of some that is the least behind lead, or -1.
func nearest(b *stats.Blocks, lead int, some []int, is func(int) bool) int {
	best, least := -1, math.Inf(1)
	for _, i := range some {
		if !is(i) {
			continue
		}
		if r := b.Ratio(i, lead); best < 0 || r.Ratio < least {
			best, least = i, r.Ratio
		}
	}
	return best
}

// among prints the range of the figures of several rows.
func (q question) among(rows []*Row, which []int) string {
	lo, hi := rows[which[0]], rows[which[0]]
	for _, i := range which {
		if q.value(rows[i]) < q.value(lo) {
			lo = rows[i]
		}
		if q.value(rows[i]) > q.value(hi) {
			hi = rows[i]
		}
	}
	a, b := q.print(q.value(lo)), q.print(q.value(hi))
	if a == b {
		return "about " + a + q.unit
	}
	return a + " to " + b + q.unit
}

// price returns what to add about the one that needs least CPU if it pays for
// that: with less than half of the best rate, or more than twice the best p99.
func (s *Scenario) price(q question, rows []*Row, lead *Row) string {
	if q.metric != results.CPU {
		return ""
	}
	own := lead.main()
	rate, p99 := 0.0, own.P99
	for _, r := range rows {
		rate = max(rate, r.Throughput.Centre)
		if v := r.main().P99; v > 0 {
			p99 = min(p99, v)
		}
	}
	switch {
	case !s.Open() && lead.Throughput.Centre < rate/2:
		return fmt.Sprintf(", but its throughput is only %s requests/s", format.Significant(lead.Throughput.Centre, 3))
	case s.Open() && own.P99 > 2*p99:
		return ", but its p99" + ofClass(own) + " is " + format.Duration(own.P99)
	}
	return ""
}

// ofClass says whose latency l is, where there are several classes.
func ofClass(l Latency) string {
	if l.Class == "" {
		return ""
	}
	return " of " + l.Class + " requests"
}

// gap tells how far a row is behind another one: "next is fasthttp, 12 % lower
// than pool (95 % confidence interval 9–15 %)".
func (q question) gap(what string, r *Row, w stats.Ratio, than string) string {
	ratio, lo, hi := q.ratio(w)
	share := func(v float64) float64 {
		if q.metric.HigherIsBetter() {
			return (1 - v) * 100
		}
		return (v - 1) * 100
	}
	low, high := share(lo), share(hi)
	if q.metric.HigherIsBetter() {
		low, high = high, low
	}
	if ratio >= 3 { // "twelve times" is easier to grasp than "+1,100 %"
		return fmt.Sprintf("%s %s, %s times as high as %s (95 %% confidence interval %s–%s)", what, r.name(), format.Significant(ratio, 2), than, format.Significant(lo, 2), format.Significant(hi, 2))
	}
	return fmt.Sprintf("%s %s, %s %% %s than %s (95 %% confidence interval %s)", what, r.name(), format.Percent(share(ratio)), q.behind, than, span(low, high))
}

// span prints an interval in per cent.
func span(lo, hi float64) string {
	a, b := format.Percent(lo), format.Percent(hi)
	switch {
	case lo < 0:
		return strings.Replace(a, "-", "−", 1) + " to " + b + " %"
	case a == b:
		return a + " %"
	}
	return a + "–" + b + " %"
}

// mainP99 returns the p99 that the scenario is about, of the merged samples if
// they support one.
func (r *Row) mainP99() float64 {
	if p99 := r.main().P99; p99 > 0 {
		return p99
	}
	return r.MainP99.Centre
}

func (r *Row) name() string { return r.Target.Name }

// names lists rows as a sentence does.
func names(rows []*Row, which []int) string {
	var n []string
	for _, i := range which {
		n = append(n, rows[i].name())
	}
	if len(n) == 1 {
		return n[0]
	}
	return strings.Join(n[:len(n)-1], ", ") + " and " + n[len(n)-1]
}
