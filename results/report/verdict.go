package report

import (
	"fmt"
	"strings"

	"github.com/dynobench/dyno/internal/format"
	"github.com/dynobench/dyno/results"
	"github.com/dynobench/dyno/results/stats"
)

// Verdict is a sentence about one metric and what it rests on.
type Verdict struct {
	Metric string   // throughput, cpu or p99
	Leads  []string // the targets that may be the best; one is a winner, more are a tie, none is not known
	Text   string
}

// question is what a verdict answers, in words.
type question struct {
	metric string
	of     func(*results.Trial) float64
	higher bool // is better
	value  func(*Row) float64
	print  func(float64) string
	unit   string
	best   string // "answers most"
	bests  string // "answer most"
	behind string // "fewer"
	by     string // "by throughput"
}

// show prints the figure of a row.
func (q question) show(r *Row) string { return q.print(q.value(r)) + q.unit }

// named is how many targets a sentence names before it only counts them.
const named = 3

// judge answers the scenario's questions: who answers most, or soonest, and
// who needs least CPU for it.
//
// The trials of a run are interleaved in random order, so the targets are
// compared trial against trial. Who may be the best is decided by stats.Best,
// which allows for having asked about all of them; the interval in a sentence
// is that of the one difference it names.
func (s *Scenario) judge() []Verdict {
	cpu := question{metric: "cpu", of: cpuOf, value: func(r *Row) float64 { return r.CPU.Centre }, print: format.Duration, unit: " per request",
		best: "needs least CPU", bests: "need least CPU", behind: "more", by: "by CPU per request"}
	first := question{metric: "throughput", of: throughputOf, higher: true, value: func(r *Row) float64 { return r.Throughput.Centre },
		print: func(v float64) string { return format.Significant(v, 3) }, unit: " requests/s",
		best: "answers most", bests: "answer most", behind: "fewer", by: "by throughput"}
	if s.Open() {
		class := ""
		if len(s.Rows) > 0 {
			class = ofClass(s.Rows[0].main())
		}
		first = question{metric: "p99", of: p99Of, value: (*Row).mainP99, print: format.Duration,
			best: "has the lowest p99" + class, bests: "have the lowest p99" + class, behind: "higher", by: "by p99" + class}
	}
	verdicts := []Verdict{s.answer(first)}
	if len(verdicts[0].Leads) > 0 {
		verdicts = append(verdicts, s.answer(cpu))
	}
	return verdicts
}

// answer makes the verdict on one question.
func (s *Scenario) answer(q question) Verdict {
	v := Verdict{Metric: q.metric}
	var rows []*Row
	var samples [][]float64 // the lower the better
	var unranked []string
	for i := range s.Rows {
		r := &s.Rows[i]
		if r.Target.Name == nullTarget {
			continue
		}
		x := figures(r.Valid, q.of)
		if len(x) < stats.MinTrials {
			unranked = append(unranked, r.Target.Name)
			continue
		}
		if q.higher {
			for j := range x {
				x[j] = 1 / x[j]
			}
		}
		rows = append(rows, r)
		samples = append(samples, x)
	}
	switch len(rows) {
	case 0:
		v.Text = fmt.Sprintf("Who %s cannot be said: a comparison needs %d valid trials of at least two targets.", q.best, stats.MinTrials)
		return v
	case 1:
		v.Text = fmt.Sprintf("%s: %s. No other target has the %d valid trials that a comparison needs.", rows[0].name(), q.show(rows[0]), stats.MinTrials)
		v.Leads = []string{rows[0].name()}
		return v
	}
	may, lead := stats.Best(samples, Confidence)
	var tied, out []int // in the order of the table
	for i := range rows {
		if may[i] {
			tied = append(tied, i)
			v.Leads = append(v.Leads, rows[i].Target.Name)
		} else {
			out = append(out, i)
		}
	}
	switch {
	case len(tied) == 1:
		v.Text = fmt.Sprintf("%s %s: %s", rows[lead].name(), q.best, q.show(rows[lead]))
	case len(out) == 0:
		who := names(rows, tied)
		if len(tied) > named {
			who = fmt.Sprintf("all %d", len(tied))
		}
		v.Text = fmt.Sprintf("No winner %s: %s are within noise of each other, at %s", q.by, who, q.among(rows, tied))
	case len(tied) > named:
		v.Text = fmt.Sprintf("A tie of %d: %s are within noise of each other and %s, %s", len(tied), names(rows, tied), q.bests, q.among(rows, tied))
	default:
		v.Text = fmt.Sprintf("%s %s, %s, and are within noise of each other: a tie", names(rows, tied), q.bests, q.among(rows, tied))
	}
	if len(tied) == 1 {
		v.Text += s.price(q, rows, rows[lead])
	}
	if len(out) > 0 {
		// The nearest of those that are behind beyond doubt.
		next := out[0]
		for _, i := range out {
			if stats.Median(samples[i]) < stats.Median(samples[next]) {
				next = i
			}
		}
		v.Text += "; " + q.gap("next is", rows[next], samples[next], samples[lead])
		if lacksYardstick(rows, tied, next) {
			if y := nearest(rows, samples, out); y >= 0 {
				v.Text += "; " + q.gap("the nearest yardstick is", rows[y], samples[y], samples[lead])
			}
		}
	}
	v.Text += "."
	if len(unranked) > 0 && q.metric != "cpu" { // said once; the trials are the same ones
		v.Text += fmt.Sprintf(" Not ranked, for fewer than %d valid trials: %s.", stats.MinTrials, strings.Join(unranked, ", "))
	}
	return v
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
	if q.metric != "cpu" {
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
		return fmt.Sprintf(", but answers only %s requests/s", format.Significant(lead.Throughput.Centre, 3))
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

// gap tells how far a row is behind the leader: "next is fasthttp, 12 % fewer
// (95 % interval 9–15 %)".
func (q question) gap(what string, r *Row, x, lead []float64) string {
	w := stats.Welch(x, lead, Confidence, 0)
	ratio, lo, hi := w.Ratio, w.Lo, w.Hi
	if q.higher { // the samples are reciprocals
		ratio, lo, hi = 1/ratio, 1/hi, 1/lo
	}
	share := func(v float64) float64 {
		if q.higher {
			return (1 - v) * 100
		}
		return (v - 1) * 100
	}
	low, high := share(lo), share(hi)
	if q.higher {
		low, high = high, low
	}
	if ratio >= 3 { // "twelve times" is easier to grasp than "+1,100 %"
		return fmt.Sprintf("%s %s with %s times as much (95 %% interval %s–%s)", what, r.name(), format.Significant(ratio, 2), format.Significant(lo, 2), format.Significant(hi, 2))
	}
	return fmt.Sprintf("%s %s, %s %% %s (95 %% interval %s)", what, r.name(), format.Percent(share(ratio)), q.behind, span(low, high))
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

// lacksYardstick reports whether the sentence so far names no yardstick.
func lacksYardstick(rows []*Row, tied []int, next int) bool {
	for _, i := range append(tied, next) {
		if rows[i].Target.Kind == kindYardstick {
			return false
		}
	}
	return true
}

// nearest returns the best of the yardsticks among out, or -1.
func nearest(rows []*Row, samples [][]float64, out []int) int {
	best := -1
	for _, i := range out {
		if rows[i].Target.Kind == kindYardstick && (best < 0 || stats.Median(samples[i]) < stats.Median(samples[best])) {
			best = i
		}
	}
	return best
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
