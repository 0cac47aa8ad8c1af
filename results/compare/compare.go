// Package compare judges two stored runs of dyno: what became better or worse
// beyond doubt, what did not change, and where the truth is that two runs
// cannot tell.
//
// Two runs are measured at two times, and on a shared machine the time alone
// moves every figure by several per cent. The trials of a run cannot show
// that, so each comparison carries a part of noise between runs (BetweenRuns)
// on top of what the trials show; and since a comparison of two runs asks
// many questions at once, p-values are Holm's. What remains of the resolution
// is printed with every result. To resolve a few per cent, both versions must
// be measured interleaved in one run.
package compare

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/dynobench/dyno/results"
	"github.com/dynobench/dyno/results/stats"
)

// The metrics by their names in the documents.
const (
	CPU        = "cpu_us_per_request"
	Throughput = "throughput_rps"
	P50        = "latency_p50_us"
	P99        = "latency_p99_us"
)

// BetweenRuns is the standard deviation on the log scale by which one whole
// run of an unchanged server is off, drawn anew for each run.
//
// On 2-core shared virtual machines the difference of two neighbouring blocks
// of an unchanged server had a standard deviation of 8–10 % for throughput
// and for CPU per request and of 12–35 % for p99, part of which the spread of
// the trials shows as well; a difference holds the noise of two runs, so one
// run has 1/√2 of it. CPU per request moves least because waiting does not
// count in it. Throughput, over minutes, was seen to move by much more than
// this where the host stole time; such trials are invalid and left out.
var BetweenRuns = map[string]float64{CPU: 0.05, Throughput: 0.08, P50: 0.08, P99: 0.15}

// Options are the terms of a comparison; the zero value holds the defaults.
type Options struct {
	Floor      float64 // the smallest change that matters, as a share; 0 is 0.02
	Tolerance  float64 // "same" means that the whole interval is within this share of no change; 0 is 0.05
	Confidence float64 // over all comparisons together; 0 is 0.99

	// BetweenRuns replaces entries of the package's table, by metric, for a
	// machine that is known better. 0 says that runs differ by nothing but
	// what their trials show.
	BetweenRuns map[string]float64
}

func (o Options) withDefaults() Options {
	set := func(v *float64, d float64) {
		if *v == 0 {
			*v = d
		}
	}
	set(&o.Floor, 0.02)
	set(&o.Tolerance, 0.05)
	set(&o.Confidence, 0.99)
	between := map[string]float64{}
	for metric, sd := range BetweenRuns {
		if own, ok := o.BetweenRuns[metric]; ok {
			sd = own
		}
		between[metric] = sd
	}
	o.BetweenRuns = between
	return o
}

// check reports which option makes no sense.
func (o Options) check() error {
	switch {
	case !(o.Floor >= 0 && o.Floor < 10):
		return fmt.Errorf("the floor must be a share from 0 to 10, 0.02 for 2 %%; it is %v", o.Floor)
	case !(o.Tolerance > 0 && o.Tolerance < 10):
		return fmt.Errorf("the tolerance must be a share from 0 to 10, 0.05 for 5 %%; it is %v", o.Tolerance)
	case !(o.Confidence > 0.5 && o.Confidence < 1):
		return fmt.Errorf("the confidence must be between 0.5 and 1; it is %v", o.Confidence)
	}
	for metric, sd := range o.BetweenRuns {
		if !(sd >= 0) || math.IsInf(sd, 0) {
			return fmt.Errorf("the standard deviation between runs of %s must be 0 or more; it is %v", metric, sd)
		}
	}
	return nil
}

// Verdict is what a comparison came to.
type Verdict string

// The verdicts.
const (
	Better        Verdict = "better"         // beyond doubt and above the floor
	Worse         Verdict = "worse"          // likewise
	Same          Verdict = "same"           // the whole interval is within the tolerance
	CannotTell    Verdict = "cannot tell"    // none of the above: the noise is too large for the question
	TooFewTrials  Verdict = "too few trials" // fewer than three valid trials on a side
	Missing       Verdict = "missing"        // measured in one run only
	NotComparable Verdict = "not comparable" // the two runs asked different things
)

// Result is the document dyno.compare/1.
type Result struct {
	Schema      string             `json:"schema"`
	Old         Side               `json:"old"`
	New         Side               `json:"new"`
	Floor       float64            `json:"floor"`
	Tolerance   float64            `json:"tolerance"`
	Confidence  float64            `json:"confidence"`
	BetweenRuns map[string]float64 `json:"between_runs_sd"` // by metric, on the log scale
	Comparisons []Comparison       `json:"comparisons"`
	Warnings    []results.Warning  `json:"warnings,omitempty"`
	Counts      map[Verdict]int    `json:"counts"`
	Tests       int                `json:"tests"` // comparisons that were tested, the family of Holm's correction

	scenarios map[string]results.PlanScenario
}

// Side is one of the two runs.
type Side struct {
	ID      string        `json:"id"`
	Created time.Time     `json:"created"`
	Dyno    results.Build `json:"dyno"`
	Trials  int           `json:"trials"`
	Valid   int           `json:"valid"`
}

// Comparison is one metric of one target under one scenario. Ratios are
// new/old.
type Comparison struct {
	Scenario  string  `json:"scenario"`
	Target    string  `json:"target"`
	Metric    string  `json:"metric,omitempty"` // absent where the target as a whole cannot be compared
	Class     string  `json:"class,omitempty"`  // of the requests, for latencies
	Old       float64 `json:"old,omitempty"`    // median over the valid trials
	New       float64 `json:"new,omitempty"`
	OldTrials int     `json:"old_trials"` // valid ones that have the metric
	NewTrials int     `json:"new_trials"`
	Ratio     float64 `json:"ratio,omitempty"`
	RatioLo   float64 `json:"ratio_lo,omitempty"` // the interval of this comparison alone, noise between runs included
	RatioHi   float64 `json:"ratio_hi,omitempty"`
	PAdjusted float64 `json:"p_adjusted,omitempty"` // Holm's

	// DetectablePct is the change for the worse, in per cent, that a
	// comparison with this noise finds four times in five.
	DetectablePct float64 `json:"detectable_pct,omitempty"`
	Verdict       Verdict `json:"verdict"`
	Reason        string  `json:"reason,omitempty"` // why it is none of better, worse and same

	welch stats.Ratio
}

// Regressions returns the comparisons that came out worse: beyond doubt, and
// by more than the floor.
func (r *Result) Regressions() []Comparison {
	var worse []Comparison
	for _, c := range r.Comparisons {
		if c.Verdict == Worse {
			worse = append(worse, c)
		}
	}
	return worse
}

// metric is how a figure is taken from a trial, and which way is up.
type metric struct {
	name   string
	higher bool // is better
	of     func(*results.Trial) float64
}

var (
	cpu        = metric{CPU, false, func(t *results.Trial) float64 { return t.Server.CPUUSPerRequest }}
	throughput = metric{Throughput, true, func(t *results.Trial) float64 { return t.ThroughputRPS }}
	p50        = metric{P50, false, func(t *results.Trial) float64 { _, q := t.Main(); return q.P50 }}
	p99        = metric{P99, false, func(t *results.Trial) float64 { _, q := t.Main(); return q.P99 }}
)

// metricsOf returns what is compared under a load model. The latency of a
// closed loop is its throughput told again (Little's law); the throughput of
// an open one is the rate that was asked for.
func metricsOf(model string) []metric {
	if model == "open" {
		return []metric{p99, p50, cpu}
	}
	return []metric{cpu, throughput}
}

// Compare judges what changed from old to new. The error is about the options;
// whatever is wrong with the runs is in the result.
func Compare(old, new *results.Run, o Options) (*Result, error) {
	o = o.withDefaults()
	if err := o.check(); err != nil {
		return nil, err
	}
	r := &Result{
		Schema: results.CompareSchema, Old: side(old), New: side(new),
		Floor: o.Floor, Tolerance: o.Tolerance, Confidence: o.Confidence, BetweenRuns: o.BetweenRuns,
		Comparisons: []Comparison{}, Warnings: unlike(old, new), Counts: map[Verdict]int{},
		scenarios: map[string]results.PlanScenario{},
	}
	before, after := group(old), group(new)
	for _, key := range keys(old, new) {
		r.compareTarget(key, before, after, old, new, o)
	}
	for _, run := range []*results.Run{new, old} {
		for _, s := range run.Plan.Scenarios {
			r.scenarios[s.Name] = s
		}
	}
	r.judge(o)
	r.Warnings = append(r.Warnings, leftOut("old", old)...)
	r.Warnings = append(r.Warnings, leftOut("new", new)...)
	r.Warnings = append(r.Warnings, r.commonShift()...)
	for _, c := range r.Comparisons {
		r.Counts[c.Verdict]++
	}
	return r, nil
}

func side(run *results.Run) Side {
	s := Side{ID: run.ID, Created: run.Created, Dyno: run.Dyno, Trials: len(run.Trials)}
	for i := range run.Trials {
		if run.Trials[i].Valid {
			s.Valid++
		}
	}
	return s
}

// key names what is compared with its like.
type key struct{ scenario, target string }

// group returns the trials of run by what they measured.
func group(run *results.Run) map[key][]*results.Trial {
	g := map[key][]*results.Trial{}
	for i := range run.Trials {
		t := &run.Trials[i]
		k := key{t.Scenario, t.Target}
		g[k] = append(g[k], t)
	}
	return g
}

// keys returns all that either run planned or measured: in the order of the
// plans, the old one's first.
func keys(runs ...*results.Run) []key {
	var scenarios, targets []string
	add := func(to *[]string, name string) {
		if !slices.Contains(*to, name) {
			*to = append(*to, name)
		}
	}
	has := map[key]bool{}
	for _, run := range runs {
		for _, s := range run.Plan.Scenarios {
			add(&scenarios, s.Name)
			for _, t := range run.Plan.Targets {
				has[key{s.Name, t.Name}] = true
			}
		}
		for _, t := range run.Plan.Targets {
			add(&targets, t.Name)
		}
		for i := range run.Trials {
			add(&scenarios, run.Trials[i].Scenario)
			add(&targets, run.Trials[i].Target)
			has[key{run.Trials[i].Scenario, run.Trials[i].Target}] = true
		}
	}
	var all []key
	for _, s := range scenarios {
		for _, t := range targets {
			if k := (key{s, t}); has[k] {
				all = append(all, k)
			}
		}
	}
	return all
}

// compareTarget adds the comparisons of one target under one scenario.
func (r *Result) compareTarget(k key, before, after map[key][]*results.Trial, old, new *results.Run, o Options) {
	c := Comparison{Scenario: k.scenario, Target: k.target}
	a, b := before[k], after[k]
	c.OldTrials, c.NewTrials = len(valid(a)), len(valid(b))
	switch {
	case len(a) == 0 && len(b) == 0:
		c.Verdict, c.Reason = Missing, "measured in neither run"
	case len(a) == 0:
		c.Verdict, c.Reason = Missing, "measured in the new run only"+skipped(old, k.target)
	case len(b) == 0:
		c.Verdict, c.Reason = Missing, "measured in the old run only"+skipped(new, k.target)
	}
	if c.Verdict == "" {
		if why := differs(old, new, a[0], b[0]); why != "" {
			c.Verdict, c.Reason = NotComparable, why
		}
	}
	if c.Verdict != "" {
		r.Comparisons = append(r.Comparisons, c)
		return
	}
	for _, m := range metricsOf(a[0].Model) {
		c := c // one for each metric
		c.Metric = m.name
		if strings.HasPrefix(m.name, "latency") {
			c.Class, _ = a[0].Main()
		}
		x, y := figures(a, m), figures(b, m)
		c.OldTrials, c.NewTrials = len(x), len(y)
		if len(x) > 0 {
			c.Old = stats.Median(x)
		}
		if len(y) > 0 {
			c.New = stats.Median(y)
		}
		if c.Old > 0 && c.New > 0 {
			c.Ratio = c.New / c.Old
		}
		if min(len(x), len(y)) < stats.MinTrials {
			c.Verdict = TooFewTrials
			c.Reason = fmt.Sprintf("%d valid trials against %d; an interval needs %d on each side", len(x), len(y), stats.MinTrials)
		}
		c.welch = stats.Welch(y, x, o.Confidence, o.BetweenRuns[m.name])
		if c.welch.Known {
			c.RatioLo, c.RatioHi = c.welch.Lo, c.welch.Hi
		}
		r.Comparisons = append(r.Comparisons, c)
	}
}

// valid returns the trials that count.
func valid(trials []*results.Trial) []*results.Trial {
	var v []*results.Trial
	for _, t := range trials {
		if t.Valid {
			v = append(v, t)
		}
	}
	return v
}

// figures returns m of the trials that count and have it.
func figures(trials []*results.Trial, m metric) []float64 {
	var x []float64
	for _, t := range valid(trials) {
		if v := m.of(t); v > 0 {
			x = append(x, v)
		}
	}
	return x
}

// skipped says why run left target out, if it says so.
func skipped(run *results.Run, target string) string {
	for _, s := range run.Plan.Skipped {
		if s.Target == target {
			return ": " + s.Reason
		}
	}
	return ""
}

// power is the chance of finding a change of DetectablePct.
const power = 0.8

// judge turns the p-values into verdicts, all of them as one family.
func (r *Result) judge(o Options) {
	var tested []*Comparison
	var p []float64
	for i := range r.Comparisons {
		if c := &r.Comparisons[i]; c.Verdict == "" {
			tested = append(tested, c)
			p = append(p, c.welch.P)
		}
	}
	r.Tests = len(tested)
	alpha := 1 - o.Confidence
	floor, tolerance := math.Log1p(o.Floor), math.Log1p(o.Tolerance)
	for i, adjusted := range stats.Holm(p) {
		c := tested[i]
		c.PAdjusted = max(adjusted, math.SmallestNonzeroFloat64) // 0 would be absent
		higher := c.Metric == Throughput
		d := c.welch.Detectable(alpha/float64(len(tested)), power)
		if higher {
			d = d / (1 + d) // growing by a factor is what shrinking by it looks like from the other side
		}
		c.DetectablePct = d * 100
		// The medians that a reader sees and the means that the test saw must agree on the change.
		median, mean := math.Log(c.Ratio), c.welch.Log
		moved := median*mean > 0 && min(math.Abs(median), math.Abs(mean)) > floor
		switch {
		case adjusted <= alpha && moved:
			c.Verdict = Worse
			if (mean > 0) == higher {
				c.Verdict = Better
			}
		case math.Log(c.RatioLo) >= -tolerance && math.Log(c.RatioHi) <= tolerance:
			c.Verdict = Same
		default:
			c.Verdict = CannotTell
			if c.welch.P <= alpha && moved {
				c.Reason = fmt.Sprintf("its own interval excludes no change, but among %d comparisons one such turns up by chance", r.Tests)
			}
		}
	}
}
