// Package report turns a stored run into what a person reads: a table for the
// terminal, a Markdown page, a self-contained HTML page and plots. All of it is
// derived from the run alone, so that it can be derived again, better, years
// later.
//
// Build makes the summary that all renderers share. Trials that are not valid
// are in no figure, but are counted and named. Histograms are merged over
// trials; percentiles are never averaged. What differs is decided by intervals
// over trials (package stats), so no winner comes out of noise.
package report

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/dynobench/dyno/results"
	"github.com/dynobench/dyno/results/stats"
)

// Confidence is that of every interval in a report.
const Confidence = 0.95

// The kinds of targets, as the plan names them, and the one yardstick that is
// no server at all: a fixed answer without parsing, the floor of cost.
const (
	kindYardstick = "yardstick"
	kindOutside   = "outside"
	nullTarget    = "null"
)

// Report is a run, summarised.
type Report struct {
	Run       *results.Run
	Scenarios []Scenario
	Trials    int // that ran
	Valid     int // of them
	Notices   []Notice
}

// Scenario is what a run says about one scenario.
type Scenario struct {
	Plan     results.PlanScenario
	Rows     []Row     // best first; those without a figure and the null target last
	Verdicts []Verdict // the scenario's main metric first
	Notices  []Notice
}

// Row is one target under one scenario. Figures are over the valid trials.
type Row struct {
	Target  results.PlanTarget
	Trials  []*results.Trial // all of them
	Valid   []*results.Trial
	Latency Latency
	Classes []Latency // one for each class where there are several, in the scenario's order

	Throughput stats.Estimate // right answers per second
	CPU        stats.Estimate // µs of the server per request
	MainP99    stats.Estimate // µs, over trials, of the class that the scenario is about

	MemoryBytes int64          // the highest peak
	Errors      results.Errors // over all trials, also those that do not count
}

// Latency is the merged latency of some requests. A percentile that the
// samples do not support is 0.
type Latency struct {
	Class                    string
	Samples                  int64
	P50, P90, P99, P999, Max float64 // µs
	histogram                *hdrhistogram.Histogram
}

// Notice is a warning and the trials that it is about.
type Notice struct {
	Target   string // empty if it is about the whole
	Trials   []int
	Repeated bool // trials of the same numbers were measured again and count
	results.Warning
}

// Open reports whether the scenario offers requests by the clock.
func (s *Scenario) Open() bool { return s.Plan.Model == "open" }

// main returns the latency that the scenario is about.
func (r *Row) main() Latency {
	if len(r.Classes) > 0 {
		return r.Classes[0]
	}
	return r.Latency
}

// Build summarises run.
func Build(run *results.Run) *Report {
	r := &Report{Run: run, Trials: len(run.Trials)}
	for i := range run.Trials {
		if run.Trials[i].Valid {
			r.Valid++
		}
	}
	for _, s := range plannedScenarios(run) {
		r.Scenarios = append(r.Scenarios, buildScenario(run, s))
	}
	r.Notices = runNotices(run)
	return r
}

// plannedScenarios returns those of the plan that ran, and those that ran
// without being in it.
func plannedScenarios(run *results.Run) []results.PlanScenario {
	var all []results.PlanScenario
	ran := map[string]bool{}
	for i := range run.Trials {
		ran[run.Trials[i].Scenario] = true
	}
	for _, s := range run.Plan.Scenarios {
		if ran[s.Name] {
			all = append(all, s)
			delete(ran, s.Name)
		}
	}
	for i := range run.Trials {
		if t := &run.Trials[i]; ran[t.Scenario] {
			all = append(all, results.PlanScenario{Name: t.Scenario, Model: t.Model, Arrivals: t.Arrivals, RateRPS: t.RateRPS, Connections: t.Connections, DurationS: t.DurationS})
			delete(ran, t.Scenario)
		}
	}
	return all
}

func buildScenario(run *results.Run, plan results.PlanScenario) Scenario {
	s := Scenario{Plan: plan}
	index := map[string]int{}
	for i := range run.Trials {
		t := &run.Trials[i]
		if t.Scenario != plan.Name {
			continue
		}
		at, ok := index[t.Target]
		if !ok {
			at = len(s.Rows)
			index[t.Target] = at
			s.Rows = append(s.Rows, Row{Target: target(run, t)})
		}
		row := &s.Rows[at]
		row.Trials = append(row.Trials, t)
		if t.Valid {
			row.Valid = append(row.Valid, t)
		}
	}
	for i := range s.Rows {
		s.Notices = append(s.Notices, s.Rows[i].summarise()...)
	}
	slices.SortStableFunc(s.Rows, func(a, b Row) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(s.score(a), s.score(b)), cmp.Compare(a.Target.Name, b.Target.Name))
	})
	s.Verdicts = s.judge()
	return s
}

// target returns the plan's entry for the target of t, or what t itself tells.
func target(run *results.Run, t *results.Trial) results.PlanTarget {
	for _, p := range run.Plan.Targets {
		if p.Name == t.Target {
			return p
		}
	}
	return results.PlanTarget{Name: t.Target, Spec: t.Spec, Command: t.ServerCommand}
}

// rank puts rows without a valid trial after the others and the null target at
// the end.
func rank(r Row) int {
	switch {
	case r.Target.Name == nullTarget:
		return 2
	case len(r.Valid) == 0:
		return 1
	}
	return 0
}

// score is what rows are sorted by, lowest first: the scenario's main metric.
func (s *Scenario) score(r Row) float64 {
	v := -r.Throughput.Centre
	if s.Open() {
		if v = r.main().P99; v == 0 {
			v = r.CPU.Centre
		}
	}
	if math.IsNaN(v) {
		return math.Inf(1)
	}
	return v
}

// summarise fills in the figures from the trials and returns what is to be
// noticed about them.
func (r *Row) summarise() []Notice {
	slices.SortStableFunc(r.Trials, func(a, b *results.Trial) int { return cmp.Compare(a.Trial, b.Trial) })
	slices.SortStableFunc(r.Valid, func(a, b *results.Trial) int { return cmp.Compare(a.Trial, b.Trial) })
	notices := notices(r.Target.Name, r.Trials)
	for _, t := range r.Trials {
		r.Errors = sum(r.Errors, t.Errors)
	}
	var broken []int
	all := results.NewHistogram()
	classes := []Latency{}
	for _, t := range r.Valid {
		ok := merge(all, t.Histogram)
		r.MemoryBytes = max(r.MemoryBytes, t.Server.RSSPeakBytes)
		if len(t.Classes) > 1 {
			for _, c := range t.Classes {
				at := slices.IndexFunc(classes, func(l Latency) bool { return l.Class == c.Class })
				if at < 0 {
					at = len(classes)
					classes = append(classes, Latency{Class: c.Class, histogram: results.NewHistogram()})
				}
				ok = merge(classes[at].histogram, c.Histogram) && ok
			}
		}
		if !ok {
			broken = append(broken, t.Trial)
		}
	}
	if broken != nil {
		notices = append(notices, Notice{Target: r.Target.Name, Trials: broken, Warning: results.Warning{Code: "histogram",
			Message: "a histogram could not be read, its samples are in no percentile", Hint: "the run.json was changed or cut; measure again"}})
	}
	r.Latency = latency("", all)
	for _, c := range classes {
		r.Classes = append(r.Classes, latency(c.Class, c.histogram))
	}
	r.Throughput = stats.Centre(figures(r.Valid, throughputOf), Confidence)
	r.CPU = stats.Centre(figures(r.Valid, cpuOf), Confidence)
	r.MainP99 = stats.Centre(figures(r.Valid, p99Of), Confidence)
	return notices
}

func throughputOf(t *results.Trial) float64 { return t.ThroughputRPS }
func cpuOf(t *results.Trial) float64        { return t.Server.CPUUSPerRequest }
func p99Of(t *results.Trial) float64        { _, q := t.Main(); return q.P99 }

// figures returns what trials have of a metric; 0 is not known.
func figures(trials []*results.Trial, of func(*results.Trial) float64) []float64 {
	var x []float64
	for _, t := range trials {
		if v := of(t); v > 0 {
			x = append(x, v)
		}
	}
	return x
}

// merge adds an encoded histogram to h and reports whether it could be read.
func merge(h *hdrhistogram.Histogram, encoded string) bool {
	if encoded == "" {
		return true
	}
	other, err := results.DecodeHistogram(encoded)
	return err == nil && h.Merge(other) == 0
}

func latency(class string, h *hdrhistogram.Histogram) Latency {
	q := results.QuantilesOf(h)
	return Latency{Class: class, Samples: h.TotalCount(), P50: q.P50, P90: q.P90, P99: q.P99, P999: q.P999, Max: q.Max, histogram: h}
}

func sum(a, b results.Errors) results.Errors {
	return results.Errors{Connect: a.Connect + b.Connect, Read: a.Read + b.Read, Write: a.Write + b.Write, Timeout: a.Timeout + b.Timeout,
		Status: a.Status + b.Status, Body: a.Body + b.Body, Unsent: a.Unsent + b.Unsent}
}

// notices returns the warnings of a target's trials, those of one code
// together, those that make a trial invalid first.
func notices(target string, trials []*results.Trial) []Notice {
	var n []Notice
	for _, t := range trials {
		for _, w := range t.Warnings {
			at := slices.IndexFunc(n, func(o Notice) bool { return o.Code == w.Code && o.Invalid == w.Invalid })
			if at < 0 {
				n = append(n, Notice{Target: target, Warning: w})
				at = len(n) - 1
			}
			if !slices.Contains(n[at].Trials, t.Trial) {
				n[at].Trials = append(n[at].Trials, t.Trial)
			}
		}
		if !t.Valid && !slices.ContainsFunc(t.Warnings, func(w results.Warning) bool { return w.Invalid }) {
			n = append(n, Notice{Target: target, Trials: []int{t.Trial}, Warning: results.Warning{Code: "invalid", Message: "stored as invalid, without a reason", Invalid: true}})
		}
	}
	for i := range n {
		n[i].Repeated = !slices.ContainsFunc(n[i].Trials, func(number int) bool {
			return !slices.ContainsFunc(trials, func(t *results.Trial) bool { return t.Trial == number && t.Valid })
		})
	}
	slices.SortStableFunc(n, func(a, b Notice) int {
		switch {
		case a.Invalid == b.Invalid:
			return 0
		case a.Invalid:
			return -1
		}
		return 1
	})
	return n
}

// runNotices returns what is to be known before any figure of the run.
func runNotices(run *results.Run) []Notice {
	var n []Notice
	add := func(code, message, hint string) {
		n = append(n, Notice{Warning: results.Warning{Code: code, Message: message, Hint: hint}})
	}
	if planned := run.Plan.Trials * len(run.Plan.Scenarios) * len(run.Plan.Targets); run.Interrupted {
		add("interrupted", fmt.Sprintf("The run was interrupted after %d of %d trials.", len(run.Trials), planned), "")
	}
	if run.Environment.CPUsShared {
		add("cpus-shared", "Server and generator shared their CPUs: each figure holds the cost of both.", "use a machine with two CPUs or more")
	}
	for _, s := range run.Plan.Skipped {
		add("skipped", fmt.Sprintf("%s did not run: %s.", s.Target, strings.TrimSuffix(s.Reason, ".")), s.Hint)
	}
	return n
}
