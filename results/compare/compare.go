// Package compare judges two stored runs of dyno: what became better or worse
// beyond doubt, what did not change, and where the truth is that two runs
// cannot tell.
//
// Two runs are measured at two times, and on a shared machine the time alone
// moves every figure by several per cent. The trials of a run cannot show that,
// so each comparison estimates the noise between runs from what does (noise.go)
// and adds it to what the trials show; and since a comparison of two runs asks
// many questions at once, p-values are Holm's. What remains of the resolution
// is printed with every result. To resolve a few per cent, both versions must
// be measured interleaved in one run.
//
// Silence is no pass: what the old run tells of a target and the new one does
// not makes the comparison inconclusive, and failures that are new are a change
// for the worse whatever the figures say.
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

// Options are the terms of a comparison. Start from Defaults: a zero floor is
// none.
type Options struct {
	Floor        float64  // the smallest change that matters, as a share
	Tolerance    float64  // "same" means that the whole interval is within this share of no change
	Confidence   float64  // over all comparisons together
	Metrics      []string // to be judged, of MetricNames; empty: by the load model
	AllowMissing bool     // what only the old run tells does not make the result inconclusive

	// BetweenRuns is the standard deviation of a run on the log scale, by
	// metric, for a machine that is known. It takes the place of an estimate.
	BetweenRuns map[results.Metric]float64
	// History are other runs, from which the noise between runs is estimated
	// where they are of the same target on the same host.
	History []*results.Run
}

// Defaults are the usual terms.
func Defaults() Options { return Options{Floor: 0.02, Tolerance: 0.05, Confidence: 0.99} }

// check reports which option makes no sense.
func (o Options) check() error {
	switch {
	case !(o.Floor >= 0 && o.Floor < 10):
		return fmt.Errorf("the floor must be a share from 0 to 10, 0.02 for 2 %%; it is %v", o.Floor)
	case !(o.Tolerance > 0 && o.Tolerance < 10):
		return fmt.Errorf("the tolerance must be a share from 0 to 10, 0.05 for 5 %%; it is %v", o.Tolerance)
	case !(o.Confidence > 0.5 && o.Confidence < 1):
		return fmt.Errorf("the confidence must be between 0.5 and 1, as 0.99; it is %v", o.Confidence)
	}
	for metric, sd := range o.BetweenRuns {
		if !(sd >= 0) || math.IsInf(sd, 0) {
			return fmt.Errorf("the standard deviation between runs of %s must be 0 or more; it is %v", metric, sd)
		}
	}
	for _, name := range o.Metrics {
		if !slices.Contains(MetricNames, name) {
			return fmt.Errorf("unknown metric %q (known: %s)", name, strings.Join(MetricNames, ", "))
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

// Conclusion is what all verdicts together come to.
type Conclusion string

// The conclusions.
const (
	Regression   Conclusion = "regression"    // something became worse
	Inconclusive Conclusion = "inconclusive"  // nothing did that could be judged, but not all could be
	NoRegression Conclusion = "no regression" // nothing did beyond doubt and above the floor
)

// Result is the document dyno.compare/1.
type Result struct {
	Schema      string                     `json:"schema"`
	Old         Side                       `json:"old"`
	New         Side                       `json:"new"`
	Floor       float64                    `json:"floor"`
	Tolerance   float64                    `json:"tolerance"`
	Confidence  float64                    `json:"confidence"`
	BetweenRuns map[results.Metric]float64 `json:"between_runs_sd"` // by metric, on the log scale: assumed where nothing shows it
	Comparisons []Comparison               `json:"comparisons"`
	Warnings    []results.Warning          `json:"warnings,omitempty"`
	Counts      map[Verdict]int            `json:"counts"` // of what is judged
	Tests       int                        `json:"tests"`  // comparisons that were tested, the family of Holm's correction
	Conclusion  Conclusion                 `json:"conclusion"`
	Reasons     []string                   `json:"reasons,omitempty"` // why it is inconclusive

	scenarios map[string]results.PlanScenario
}

// Side is one of the two runs.
type Side struct {
	ID      string        `json:"id"`
	Created time.Time     `json:"created"`
	Dyno    results.Build `json:"dyno"`
	Planned int           `json:"planned,omitempty"` // trials; absent where the run does not tell
	Trials  int           `json:"trials"`            // that ran
	Valid   int           `json:"valid"`
}

// Comparison is one metric of one target under one scenario. Ratios are
// new/old.
type Comparison struct {
	Scenario  string         `json:"scenario"`
	Target    string         `json:"target"`
	Metric    results.Metric `json:"metric,omitempty"` // absent where the target as a whole cannot be compared
	Class     string         `json:"class,omitempty"`  // of the requests, for latencies
	Judged    bool           `json:"judged"`           // false: it informs, and is not part of the conclusion
	Old       float64        `json:"old,omitempty"`    // median over the valid trials; of failures, over all trials
	New       float64        `json:"new,omitempty"`
	OldTrials int            `json:"old_trials"` // valid ones that have the metric
	NewTrials int            `json:"new_trials"`
	Ratio     float64        `json:"ratio,omitempty"`
	RatioLo   float64        `json:"ratio_lo,omitempty"` // the interval of this comparison alone, noise between runs included
	RatioHi   float64        `json:"ratio_hi,omitempty"`
	PAdjusted float64        `json:"p_adjusted,omitempty"` // Holm's; of what is not judged, its own

	// The noise between runs that was added: of one run on the log scale, where
	// it is known from, and the degrees of freedom of an estimate.
	BetweenRunsSD   float64 `json:"between_runs_sd,omitempty"`
	BetweenRunsFrom Source  `json:"between_runs_from,omitempty"`
	BetweenRunsDF   float64 `json:"between_runs_df,omitempty"`

	// DetectablePct is the minimum detectable effect: the change for the worse,
	// in per cent, that a comparison with this noise finds four times in five.
	DetectablePct float64 `json:"detectable_pct,omitempty"`
	Verdict       Verdict `json:"verdict"`
	Reason        string  `json:"reason,omitempty"` // what else there is to say of it

	tested  bool
	lost    bool // the old run, or its plan, tells of what the new one does not
	welch   stats.Ratio
	bounded [2]string // why the new figure is a lower bound, and why the old one
}

// Regressions returns the comparisons that came out worse: beyond doubt, and
// by more than the floor.
func (r *Result) Regressions() []Comparison {
	var worse []Comparison
	for _, c := range r.Comparisons {
		if c.Verdict == Worse && c.Judged {
			worse = append(worse, c)
		}
	}
	return worse
}

// Compare judges what changed from old to new. The error is about the options;
// whatever is wrong with the runs is in the result.
func Compare(old, new *results.Run, o Options) (*Result, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	old, new = results.Printable(old), results.Printable(new)
	r := &Result{
		Schema: results.CompareSchema, Old: side(old), New: side(new),
		Floor: o.Floor, Tolerance: o.Tolerance, Confidence: o.Confidence, BetweenRuns: assumed(o),
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
	r.addNoise(old, new, o)
	r.judge(o)
	r.Warnings = append(r.Warnings, leftOut("old", old)...)
	r.Warnings = append(r.Warnings, leftOut("new", new)...)
	r.Warnings = append(r.Warnings, r.commonShift()...)
	r.conclude(o)
	return r, nil
}

// conclude counts the verdicts and says what they come to.
func (r *Result) conclude(o Options) {
	for _, c := range r.Comparisons {
		if c.Judged {
			r.Counts[c.Verdict]++
		}
	}
	r.Conclusion = NoRegression
	if r.Old.ID == r.New.ID {
		r.Reasons = append(r.Reasons, "both sides are run "+r.Old.ID)
	}
	if r.Tests == 0 {
		r.Reasons = append(r.Reasons, "nothing could be compared")
	}
	var noted []string
	for _, c := range r.Comparisons {
		if !c.Judged || !c.lost || r.Tests > 0 && o.AllowMissing {
			continue
		}
		// Once for a target, however many of its metrics.
		if reason := fmt.Sprintf("%s, %s: %s", c.Scenario, c.Target, c.Reason); !slices.Contains(noted, reason) {
			noted = append(noted, reason)
		}
	}
	r.Reasons = append(r.Reasons, noted...)
	if len(r.Reasons) > 0 {
		r.Conclusion = Inconclusive
	}
	if len(r.Regressions()) > 0 {
		r.Conclusion = Regression
	}
}

func side(run *results.Run) Side {
	t := run.Tally()
	return Side{ID: run.ID, Created: run.Created, Dyno: run.Dyno, Planned: t.Planned, Trials: t.Ran, Valid: t.Valid}
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
	c := Comparison{Scenario: k.scenario, Target: k.target, Judged: true}
	a, b := before[k], after[k]
	c.OldTrials, c.NewTrials = len(valid(a)), len(valid(b))
	switch {
	case len(a) == 0 && len(b) == 0:
		c.Verdict, c.Reason, c.lost = Missing, "planned, and measured in neither run", plans(old, k)
	case len(a) == 0:
		c.Verdict, c.Reason = Missing, "measured in the new run only"+skipped(old, k.target)
	case len(b) == 0 && len(valid(a)) > 0 && refused(old, new, k.target):
		c.Metric, c.Verdict, c.Reason = Failures, Worse, "refused"+skipped(new, k.target)
		c.Old, c.New = 100*failures(a).share(), 100
	case len(b) == 0:
		c.Verdict, c.Reason, c.lost = Missing, "measured in the old run only"+skipped(new, k.target), true
	}
	if c.Verdict == "" {
		if why := differs(old, new, a[0], b[0]); why != "" {
			c.Verdict, c.Reason, c.lost = NotComparable, why, true
		}
	}
	if c.Verdict != "" {
		r.Comparisons = append(r.Comparisons, c)
		return
	}
	if failures, any := compareFailures(c, a, b, o); any {
		r.Comparisons = append(r.Comparisons, failures)
	}
	for _, m := range metricsOf(a[0], o.Metrics) {
		c := c // one for each metric
		c.Metric, c.Class, c.Judged = m.Metric, m.class, m.judged
		x, y := m.Values(valid(a), m.class), m.Values(valid(b), m.class)
		if len(x)+len(y) == 0 && !c.Judged {
			continue
		}
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
			c.Verdict, c.lost = TooFewTrials, len(x) >= stats.MinTrials
			c.Reason = fmt.Sprintf("%d valid trials against %d; an interval needs %d on each side", len(x), len(y), stats.MinTrials)
		}
		if m.Metric == results.Throughput {
			c.bounded = [2]string{lowerBound("new", b), lowerBound("old", a)}
		}
		c.welch = stats.Welch(y, x, o.Confidence, stats.Noise{})
		r.Comparisons = append(r.Comparisons, c)
	}
}

// plans tells whether run was to measure k.
func plans(run *results.Run, k key) bool {
	return slices.ContainsFunc(run.Plan.Scenarios, func(s results.PlanScenario) bool { return s.Name == k.scenario }) &&
		slices.ContainsFunc(run.Plan.Targets, func(t results.PlanTarget) bool { return t.Name == k.target })
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

// lowerBound says that the throughput of a side is at least what was seen.
func lowerBound(side string, trials []*results.Trial) string {
	if slices.ContainsFunc(valid(trials), func(t *results.Trial) bool { return t.AtLeast }) {
		return "the throughput of the " + side + " run is a lower bound because the generator was the limit: compare CPU per request, or give the generator more CPUs"
	}
	return ""
}

func one(yes bool) int {
	if yes {
		return 1
	}
	return 0
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

// judge turns the p-values into verdicts, all that are judged as one family,
// the others each by itself.
func (r *Result) judge(o Options) {
	var tested, others []*Comparison
	var p, own []float64
	for i := range r.Comparisons {
		switch c := &r.Comparisons[i]; {
		case !c.tested:
		case c.Judged:
			tested, p = append(tested, c), append(p, c.welch.P)
		default:
			others, own = append(others, c), append(own, c.welch.P)
		}
	}
	r.Tests = len(tested)
	for i, adjusted := range stats.Holm(p) {
		tested[i].judge(adjusted, r.Tests, o)
	}
	for i, c := range others {
		c.judge(own[i], 1, o)
	}
}

// judge makes the verdict on one of so many comparisons from its p-value.
func (c *Comparison) judge(p float64, of int, o Options) {
	alpha := 1 - o.Confidence
	floor, tolerance := math.Log1p(o.Floor), math.Log1p(o.Tolerance)
	c.PAdjusted = max(p, math.SmallestNonzeroFloat64) // 0 would be absent
	// Found means beyond doubt and above the floor.
	d := max(c.welch.Detectable(alpha/float64(of), power), math.Expm1(floor+c.welch.Above(power)))
	if c.Metric.HigherIsBetter() {
		d = d / (1 + d) // growing by a factor is what shrinking by it looks like from the other side
	}
	if !math.IsInf(d, 1) {
		c.DetectablePct = d * 100
	}
	// The medians that a reader sees and the means that the test saw must agree on the
	// change.
	median, mean := math.Log(c.Ratio), c.welch.Log
	moved := median*mean > 0 && min(math.Abs(median), math.Abs(mean)) > floor
	switch {
	case p <= alpha && moved:
		c.Verdict = Worse
		if (mean > 0) == c.Metric.HigherIsBetter() {
			c.Verdict = Better
		}
		if bounded := c.bounded[one(mean > 0)]; bounded != "" { // the smaller side may be as large
			c.Verdict, c.Reason = CannotTell, bounded
		}
	case math.Log(c.RatioLo) >= -tolerance && math.Log(c.RatioHi) <= tolerance:
		c.Verdict = Same
	default:
		c.Verdict = CannotTell
		if c.welch.P <= alpha && moved {
			c.Reason = fmt.Sprintf("its own interval excludes no change, but among %d comparisons one such result is expected by chance", of)
		}
	}
}
