// Package report turns a stored run into what a person reads: a table for the
// terminal, a Markdown page, a self-contained HTML page and plots. All of it is
// derived from the run alone, so that it can be derived again, better, years
// later.
//
// Build makes the summary that all renderers share. Trials that are not valid
// are in no figure, but are counted and named. Histograms are merged over
// trials; percentiles are never averaged. What differs is decided by intervals
// over rounds of trials (stats.Blocks), so no winner comes out of noise.
package report

import (
	"cmp"
	"math"
	"slices"

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
	Tally     results.Tally
	Scenarios []Scenario
	Notices   []Notice
}

// Scenario is what a run says about one scenario.
type Scenario struct {
	Plan     results.PlanScenario
	memory   results.Metric // that all of the run's trials have
	Rows     []Row          // best first; those without a figure and the null target last
	Verdicts []Verdict      // the scenario's main metric first
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
	AtLeast    bool           // Throughput is a lower bound: the generator was the limit of a trial
	CPU        stats.Estimate // µs of the server per request
	MainP99    stats.Estimate // µs, over trials, of the class that the scenario is about

	MemoryBytes int64          // the highest peak
	Errors      results.Errors // over all trials, also those that do not count

	missing int              // trials that were planned and did not run
	broken  []*results.Trial // whose histogram could not be read
}

// Latency is the merged latency of some requests. A percentile that the
// samples do not support is 0.
type Latency struct {
	Class                    string
	Samples                  int64
	P50, P90, P99, P999, Max float64 // µs
	Trials                   Ranges  // what these are in single trials
	histogram                *hdrhistogram.Histogram
}

// Ranges are percentiles over the valid trials, of each by itself. The merged
// samples of a percentile may be one burst of one trial; the range shows it.
type Ranges struct{ P50, P99, P999 stats.Estimate }

// rangesOf takes the percentiles of the trials from of.
func rangesOf(trials []*results.Trial, of func(*results.Trial) results.Quantiles) Ranges {
	at := func(p func(results.Quantiles) float64) stats.Estimate {
		return stats.Centre(figures(trials, func(t *results.Trial) float64 { return p(of(t)) }))
	}
	return Ranges{
		at(func(q results.Quantiles) float64 { return q.P50 }),
		at(func(q results.Quantiles) float64 { return q.P99 }),
		at(func(q results.Quantiles) float64 { return q.P999 }),
	}
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

// class returns the latency of a row that knows which class the scenario is
// about; it is empty where no trial counts.
func (s *Scenario) class() Latency {
	for i := range s.Rows {
		if l := s.Rows[i].main(); l.Samples > 0 {
			return l
		}
	}
	if classes := s.Plan.Classes; len(classes) > 1 {
		return Latency{Class: classes[0]}
	}
	return Latency{}
}

// Build summarises run.
func Build(run *results.Run) *Report {
	run = results.Printable(run)
	r := &Report{Run: run, Tally: run.Tally()}
	for _, s := range plannedScenarios(run) {
		r.Scenarios = append(r.Scenarios, buildScenario(run, s, r.Tally))
	}
	r.Notices = runNotices(run, r.Tally)
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
			all = append(all, results.PlanScenario{Name: t.Scenario, Model: t.Model, Arrivals: t.Arrivals, RateRPS: t.RateRPS, RateProfile: t.RateProfile, Connections: t.Connections, DurationS: t.DurationS})
			delete(ran, t.Scenario)
		}
	}
	return all
}

func buildScenario(run *results.Run, plan results.PlanScenario, tally results.Tally) Scenario {
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
	for _, m := range tally.Missing {
		if m.Scenario != plan.Name {
			continue
		}
		at, ok := index[m.Target]
		if !ok { // none of its trials ran, and the table says so
			at = len(s.Rows)
			s.Rows = append(s.Rows, Row{Target: plannedTarget(run, m.Target)})
		}
		s.Rows[at].missing = len(m.Trials)
	}
	s.memory = results.MemoryOf(run)
	for i := range s.Rows {
		s.Rows[i].summarise(s.memory)
	}
	slices.SortStableFunc(s.Rows, func(a, b Row) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(s.score(a), s.score(b)), cmp.Compare(a.Target.Name, b.Target.Name))
	})
	s.Verdicts = s.judge()
	s.Notices = s.notices()
	return s
}

// target returns the plan's entry for the target of t, or what t itself tells.
func target(run *results.Run, t *results.Trial) results.PlanTarget {
	if p := plannedTarget(run, t.Target); p.Command != nil {
		return p
	}
	return results.PlanTarget{Name: t.Target, Spec: t.Spec, Command: t.ServerCommand}
}

// plannedTarget returns the plan's entry for a target, or one with its name
// alone.
func plannedTarget(run *results.Run, name string) results.PlanTarget {
	for _, p := range run.Plan.Targets {
		if p.Name == name {
			return p
		}
	}
	return results.PlanTarget{Name: name}
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
// Where no target has answers enough for a p99, it is the CPU per request.
func (s *Scenario) score(r Row) float64 {
	v := -r.Throughput.Centre
	if s.Open() {
		v = r.CPU.Centre
		if slices.ContainsFunc(s.Rows, func(r Row) bool { return r.main().P99 > 0 }) {
			if v = r.main().P99; v == 0 {
				v = math.NaN()
			}
		}
	}
	if math.IsNaN(v) {
		return math.Inf(1)
	}
	return v
}

// summarise fills in the figures from the trials.
func (r *Row) summarise(memory results.Metric) {
	slices.SortStableFunc(r.Trials, func(a, b *results.Trial) int { return cmp.Compare(a.Trial, b.Trial) })
	slices.SortStableFunc(r.Valid, func(a, b *results.Trial) int { return cmp.Compare(a.Trial, b.Trial) })
	for _, t := range r.Trials {
		r.Errors = sum(r.Errors, t.Errors)
	}
	all := results.NewHistogram()
	classes := []Latency{}
	for _, t := range r.Valid {
		ok := merge(all, t.Histogram)
		r.MemoryBytes = max(r.MemoryBytes, int64(memory.Of(t, "")))
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
			r.broken = append(r.broken, t)
		}
	}
	r.Latency = latency("", all)
	r.Latency.Trials = rangesOf(r.Valid, func(t *results.Trial) results.Quantiles { return t.LatencyUS })
	for _, c := range classes {
		l := latency(c.Class, c.histogram)
		l.Trials = rangesOf(r.Valid, func(t *results.Trial) results.Quantiles { return ofClassIn(t, c.Class) })
		r.Classes = append(r.Classes, l)
	}
	r.Throughput = stats.Centre(results.Throughput.Values(r.Valid, ""))
	r.AtLeast = slices.ContainsFunc(r.Valid, func(t *results.Trial) bool { return t.AtLeast })
	r.CPU = stats.Centre(results.CPU.Values(r.Valid, ""))
	r.MainP99 = stats.Centre(results.P99.Values(r.Valid, ""))
}

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

// ofClassIn is the latency of a class in a trial.
func ofClassIn(t *results.Trial, class string) results.Quantiles {
	for _, c := range t.Classes {
		if c.Class == class {
			return c.LatencyUS
		}
	}
	return results.Quantiles{}
}

// shown are the latencies of a row that a reader sees: of each class or, where
// there is but one, of all requests.
func (r *Row) shown() []Latency {
	if len(r.Classes) > 0 {
		return r.Classes
	}
	return []Latency{r.Latency}
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
