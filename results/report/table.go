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

// column is one column of a scenario's table. class, where it is not nil,
// fills the line of a class below the target's.
type column struct {
	head  string
	cell  func(*Row) string
	class func(Latency) string
}

// of makes a column of a percentile. Where there are classes, theirs are
// printed and that of all together is not: it is a mixture of a few slow and
// many fast requests that nobody waits for.
func of(head string, take func(Latency) float64) column {
	class := func(l Latency) string {
		if v := take(l); v > 0 {
			return format.Duration(v)
		}
		return format.None
	}
	return column{head, func(r *Row) string {
		if len(r.Classes) > 0 {
			return ""
		}
		return class(r.Latency)
	}, class}
}

// beside makes a column of how far a percentile reaches over single trials, of
// classes as of has them.
func beside(head string, take func(Ranges) stats.Estimate, print func(stats.Estimate) string) column {
	class := func(l Latency) string { return print(take(l.Trials)) }
	return column{head, func(r *Row) string {
		if len(r.Classes) > 0 {
			return ""
		}
		return class(r.Latency)
	}, class}
}

// over makes one column of two, which a page prints below each other.
func (c column) over(below column) column {
	join := func(a, b string) string {
		if b == "" || b == format.None {
			return a
		}
		return a + "\n" + b
	}
	return column{c.head, func(r *Row) string { return join(c.cell(r), below.cell(r)) }, func(l Latency) string { return join(c.class(l), below.class(l)) }}
}

func rangeP50(r Ranges) stats.Estimate  { return r.P50 }
func rangeP99(r Ranges) stats.Estimate  { return r.P99 }
func rangeP999(r Ranges) stats.Estimate { return r.P999 }

var (
	colTarget = column{"target", func(r *Row) string {
		if m := r.mark(); m != "" {
			return r.name() + " " + m
		}
		return r.name()
	}, func(l Latency) string { return "  " + l.Class }}
	colCounts = column{"n", (*Row).counts, nil}
	colValid  = column{"valid", colCounts.cell, nil}
	colRate   = column{"req/s", func(r *Row) string {
		if r.AtLeast {
			return "≥" + format.Significant(r.Throughput.Centre, 3)
		}
		return format.Significant(r.Throughput.Centre, 3)
	}, nil}
	colRateSpread = column{"±%", func(r *Row) string { return plusMinus(r.Throughput) }, nil}
	colRateBounds = column{"over trials", func(r *Row) string { return bounds(r.Throughput) }, nil}
	colP50        = of("p50", func(l Latency) float64 { return l.P50 })
	colP90        = of("p90", func(l Latency) float64 { return l.P90 })
	colP99        = of("p99", func(l Latency) float64 { return l.P99 })
	colP999       = of("p99.9", func(l Latency) float64 { return l.P999 })
	colP50Bounds  = beside("over trials", rangeP50, boundsOfTime)
	colP99Bounds  = beside("over trials", rangeP99, boundsOfTime)
	colP999Bounds = beside("over trials", rangeP999, boundsOfTime)
	colP99Spread  = beside("±%", rangeP99, plusMinus)
	colMax        = of("max", func(l Latency) float64 { return l.Max })
	colCPU        = column{"CPU µs", func(r *Row) string { return format.Significant(r.CPU.Centre, 3) }, nil}
	colCPULong    = column{"CPU µs/req", colCPU.cell, nil}
	colCPUSpread  = column{"±%", func(r *Row) string { return plusMinus(r.CPU) }, nil}
	colCPUBounds  = column{"over trials", func(r *Row) string { return bounds(r.CPU) }, nil}
	colMemory     = column{"MiB", func(r *Row) string {
		if r.MemoryBytes == 0 {
			return format.None
		}
		return format.Significant(float64(r.MemoryBytes)/(1<<20), 3)
	}, nil}
	colSystem   = column{"system", (*Row).systemShare, nil}
	colSwitches = column{"switches/req", (*Row).switches, nil}
	colThreads  = column{"threads", (*Row).threads, nil}
	colErrors   = column{"errors", func(r *Row) string { return format.Count(r.Errors.Total()) }, nil}
)

// layouts are the tables from the widest to the one that fits 80 columns.
var layouts = [][]column{
	{colTarget, colCounts, colRate, colRateBounds, colP50, colP50Bounds, colP90, colP99, colP99Bounds, colP999, colP999Bounds, colMax, colCPULong, colCPUBounds, colMemory, colSystem, colSwitches, colThreads, colErrors},
	{colTarget, colCounts, colRate, colRateBounds, colP50, colP90, colP99, colP99Bounds, colP999, colP999Bounds, colMax, colCPULong, colCPUSpread, colMemory, colThreads, colErrors},
	{colTarget, colCounts, colRate, colRateBounds, colP50, colP90, colP99, colP99Bounds, colP999, colMax, colCPULong, colCPUSpread, colMemory, colThreads, colErrors},
	{colTarget, colCounts, colRate, colRateSpread, colP50, colP90, colP99, colP99Spread, colP999, colCPULong, colCPUSpread, colMemory, colErrors},
	{colTarget, colCounts, colRate, colRateSpread, colP50, colP99, colP99Spread, colP999, colCPU, colMemory},
	{colTarget, colCounts, colRate, colRateSpread, colP50, colP99, colP99Spread, colCPU, colMemory},
}

// page returns the table of the Markdown and the HTML page; a column that
// would be zero all the way down is left out.
func (s *Scenario) page() []column {
	columns := []column{colTarget, colValid, colRate, colRateSpread, colP50.over(colP50Bounds), colP99.over(colP99Bounds), colP999.over(colP999Bounds), colMax, colCPULong, colCPUSpread, colMemory, colThreads}
	for i := range s.Rows {
		if s.Rows[i].Errors.Total() > 0 {
			return append(columns, colErrors)
		}
	}
	return columns
}

func heads(columns []column) []string {
	var all []string
	for _, c := range columns {
		all = append(all, c.head)
	}
	return all
}

// line is one line of a table: a target's, or a class's below it.
type line struct {
	Row   *Row
	Class string // of the requests; empty in a target's own line
	Cells []string
}

// counts prints how many trials count, of how many that ran and, where fewer
// ran than were planned, of how many those should have been.
func (r *Row) counts() string {
	n := fmt.Sprintf("%d/%d", len(r.Valid), len(r.Trials))
	if r.missing > 0 {
		ran := map[int]bool{} // a repeat has the number of the trial that it repeats
		for _, t := range r.Trials {
			ran[t.Trial] = true
		}
		n += fmt.Sprintf(" of %d", len(ran)+r.missing)
	}
	return n
}

// lines fills in the columns.
func (s *Scenario) lines(columns []column) []line {
	var all []line
	for i := range s.Rows {
		r := &s.Rows[i]
		cells := make([]string, len(columns))
		for j, c := range columns {
			cells[j] = c.cell(r)
		}
		all = append(all, line{r, "", cells})
		for _, l := range r.Classes {
			cells := make([]string, len(columns))
			for j, c := range columns {
				if c.class != nil {
					cells[j] = c.class(l)
				}
			}
			all = append(all, line{r, l.Class, cells})
		}
	}
	return all
}

// footnotes explains what the table lacks, and lists the failed requests.
func (s *Scenario) footnotes() []string {
	var notes, failed []string
	gap := false
	for i := range s.Rows {
		r := &s.Rows[i]
		for _, l := range r.shown() {
			gap = gap || l.Samples > 0 && l.P999 == 0
		}
		if r.Errors.Total() > 0 {
			failed = append(failed, fmt.Sprintf("%s %s (%s)", r.name(), format.Count(r.Errors.Total()), failures(r.Errors)))
		}
	}
	if !s.Open() && slices.ContainsFunc(s.Rows, func(r Row) bool { return r.Latency.Samples > 0 }) {
		notes = append(notes, closedCaveat)
	}
	if gap {
		notes = append(notes, "– in a percentile: fewer than ten samples lie beyond it.")
	}
	if d := s.drift(); d >= minDrift {
		notes = append(notes, fmt.Sprintf("The host drifted: one round of trials was %s %% faster than another for all targets together. ± includes the drift; the verdicts compare within rounds and are not affected.", format.Percent((d-1)*100)))
	}
	if failed != nil {
		notes = append(notes, "Failed requests over all trials: "+strings.Join(failed, "; ")+".")
	}
	if full := s.fullNote(); full != "" {
		notes = append(notes, full)
	}
	return notes
}

// closedCaveat is what the percentiles of a closed loop cannot show.
const closedCaveat = "Closed loop: a waiting connection sends nothing, so a stall counts once per connection, however long it lasts. Requests that would have arrived during it are not in these percentiles; an open loop includes them."

// minDrift is the ratio of two rounds from which the drift is told. Noise of
// the targets alone stays below it: their mean moves less than each.
const minDrift = 1.2

// drift returns how much faster the fastest round was than the slowest for all
// targets together, 1 if that is not known. A drift would show in the rate of
// a closed loop; where the rate is given, in the CPU per request.
func (s *Scenario) drift() float64 {
	first, cpu := s.questions()
	if s.Open() {
		first = cpu
	}
	rows, b, _ := s.blocks(first)
	if len(rows) < 3 {
		return 1
	}
	lo, hi := math.Inf(1), 0.0
	for i := range b.Rounds() {
		if level := b.Round(i); level > 0 {
			lo, hi = min(lo, level), max(hi, level)
		}
	}
	return max(1, hi/lo)
}

// failures lists the errors by kind: "212 read, 31 timeout".
func failures(e results.Errors) string {
	var parts []string
	for _, f := range e.Kinds() {
		parts = append(parts, fmt.Sprintf("%d %s", f.N, f.Kind))
	}
	return strings.Join(parts, ", ")
}

// mark says what kind of target a row is, if it is no engine of dyno's.
func (r *Row) mark() string {
	switch {
	case r.Target.Name == nullTarget:
		return "‡"
	case r.Target.Kind == kindYardstick:
		return "*"
	case r.Target.Kind == kindOutside:
		return "†"
	}
	return ""
}

// legend explains the marks that the report has.
func (r *Report) legend() string {
	used := map[string]bool{}
	for i := range r.Scenarios {
		for j := range r.Scenarios[i].Rows {
			used[r.Scenarios[i].Rows[j].mark()] = true
		}
	}
	var parts []string
	for _, m := range []struct{ mark, text string }{
		{"*", "a yardstick: a server that Go users deploy today"}, {"†", "an outside server"}, {"‡", "not a server: the floor of cost on this host, never ranked"},
	} {
		if used[m.mark] {
			parts = append(parts, m.mark+" "+m.text)
		}
	}
	return strings.Join(parts, "; ")
}

// plusMinus prints the half width of an interval in per cent.
func plusMinus(e stats.Estimate) string {
	spread := e.Spread()
	if math.IsNaN(spread) {
		return format.None
	}
	return format.Percent(spread * 100)
}

// bounds prints the lowest and the highest trial.
func bounds(e stats.Estimate) string {
	if e.N < 2 {
		return format.None
	}
	return format.Significant(e.Lo, 3) + "–" + format.Significant(e.Hi, 3)
}

// boundsOfTime prints the lowest and the highest trial of a latency in one unit.
func boundsOfTime(e stats.Estimate) string {
	if e.N < 2 {
		return format.None
	}
	lo, hi := format.Duration(e.Lo), format.Duration(e.Hi)
	if figure, unit, ok := strings.Cut(lo, " "); ok && strings.HasSuffix(hi, " "+unit) {
		lo = figure
	}
	return lo + "–" + hi
}

// over sums f over the valid trials.
func (r *Row) over(f func(*results.Trial) float64) float64 {
	sum := 0.0
	for _, t := range r.Valid {
		sum += f(t)
	}
	return sum
}

// systemShare prints which part of the CPU time went to the kernel.
func (r *Row) systemShare() string {
	system := r.over(func(t *results.Trial) float64 { return t.Server.CPUSystemS })
	all := system + r.over(func(t *results.Trial) float64 { return t.Server.CPUUserS })
	if all == 0 {
		return format.None
	}
	return format.Percent(system/all*100) + " %"
}

// switches prints the context switches per request.
func (r *Row) switches() string {
	n := r.over(func(t *results.Trial) float64 {
		return float64(t.Server.CtxSwitchesVoluntary + t.Server.CtxSwitchesInvoluntary)
	})
	requests := r.over(func(t *results.Trial) float64 { return float64(t.Requests) })
	if requests == 0 {
		return format.None
	}
	return format.Significant(n/requests, 2)
}

// threads prints the peak of threads, and of processes where there were more
// than one.
func (r *Row) threads() string {
	threads, processes := 0, 0
	for _, t := range r.Valid {
		threads, processes = max(threads, t.Server.ThreadsPeak), max(processes, t.Server.ProcessesPeak)
	}
	switch {
	case threads == 0:
		return format.None
	case processes > 1:
		return fmt.Sprintf("%d in %d", threads, processes)
	}
	return fmt.Sprint(threads)
}
