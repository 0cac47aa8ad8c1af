package compare

import (
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"

	"github.com/dynobench/dyno/internal/format"
	"github.com/dynobench/dyno/results"
	"github.com/dynobench/dyno/results/stats"
)

// serverFailed are the codes of trials that do not count through the server's
// doing: a change for the worse where there were none.
var serverFailed = []string{results.CodeErrors, results.CodeWrongBytes, results.CodeServerDied, results.CodeTreeChanged, results.CodeNoAnswers}

// failed is what went wrong in some trials.
type failed struct {
	trials, of int      // failed trials, of how many
	codes      []string // of them
	errors     results.Errors
	requests   int64
	each       []float64 // failed requests by trial
	asked      []float64 // requests by trial
}

func failures(trials []*results.Trial) failed {
	f := failed{of: len(trials)}
	for _, t := range trials {
		here := false
		// A standstill is the server's where nothing else was found that may have caused
		// it.
		alone := !slices.ContainsFunc(t.Warnings, func(w results.Warning) bool { return w.Code != results.CodeStalled && (w.Invalid || w.Tolerated) })
		for _, w := range t.Warnings {
			if w.Invalid && (slices.Contains(serverFailed, w.Code) || w.Code == results.CodeStalled && alone) {
				here = true
				if !slices.Contains(f.codes, w.Code) {
					f.codes = append(f.codes, w.Code)
				}
			}
		}
		if here {
			f.trials++
		}
		e := t.Errors
		n := e.Total()
		// Requests counts answers; what got none is asked for all the same.
		asked := t.Requests + n - e.Status - e.Body
		f.requests += asked
		f.each, f.asked = append(f.each, float64(n)), append(f.asked, float64(asked))
		f.errors = results.Errors{Connect: f.errors.Connect + e.Connect, Read: f.errors.Read + e.Read, Write: f.errors.Write + e.Write,
			Timeout: f.errors.Timeout + e.Timeout, Status: f.errors.Status + e.Status, Body: f.errors.Body + e.Body, Unsent: f.errors.Unsent + e.Unsent}
	}
	return f
}

// wrong is how many answers were not what was asked for.
func (f failed) wrong() int64 { return f.errors.Status + f.errors.Body }

// share is the failed part of all requests.
func (f failed) share() float64 {
	if f.requests == 0 {
		return 0
	}
	return float64(f.errors.Total()) / float64(f.requests)
}

// String says what failed.
func (f failed) String() string {
	var parts []string
	if n := f.errors.Total(); n > 0 {
		var kinds []string
		for _, k := range f.errors.Kinds() {
			kinds = append(kinds, fmt.Sprintf("%s %s", format.Count(k.N), k.Kind))
		}
		parts = append(parts, fmt.Sprintf("%s of %s requests failed (%s)", format.Count(n), format.Count(f.requests), strings.Join(kinds, ", ")))
	}
	if f.trials > 0 {
		parts = append(parts, fmt.Sprintf("%d of %d trials failed (%s)", f.trials, f.of, strings.Join(f.codes, ", ")))
	}
	if len(parts) == 0 {
		return fmt.Sprintf("none of %s requests failed", format.Count(f.requests))
	}
	return strings.Join(parts, ", ")
}

// compareFailures judges the failures of the old and the new trials, those that
// do not count included, and reports whether there are any.
//
// Failures where there were none are worse by themselves, and so are wrong
// answers where there were none: a server does not start to fail by chance.
// Where both runs have failures, their number is as noisy as what causes it, and
// only a share that doubled, beyond what differs from trial to trial, is worse.
func compareFailures(c Comparison, a, b []*results.Trial, o Options) (Comparison, bool) {
	x, y := failures(a), failures(b)
	c.Metric, c.OldTrials, c.NewTrials = Failures, x.of, y.of
	c.Old, c.New = 100*x.share(), 100*y.share()
	if x.errors.Total()+y.errors.Total() == 0 && x.trials+y.trials == 0 {
		return c, false
	}
	c.Reason = y.String() + "; before, " + x.String()
	none := func(f failed) bool { return f.errors.Total() == 0 && f.trials == 0 }
	switch {
	case none(x), x.wrong() == 0 && y.wrong() > 0, x.trials == 0 && y.trials > 0:
		c.Verdict = Worse
	case none(y) && float64(y.requests)*x.share() >= 5 && y.of >= stats.MinTrials:
		c.Verdict = Better
	case c.Old > 0 && c.New > 0:
		c.Ratio = c.New / c.Old
		c.Verdict = CannotTell
		if c.Ratio >= 2 && x.less(y) <= 1-o.Confidence {
			c.Verdict = Worse
		}
	default:
		c.Verdict = CannotTell
	}
	return c, true
}

// refused tells whether target fails in new what it passed in old: the same
// questions and answers, asked in the same way.
func refused(old, new *results.Run, target string) bool {
	if !slices.ContainsFunc(new.Plan.Skipped, func(s results.Skip) bool { return s.Target == target && s.Refused }) {
		return false
	}
	protocol := func(run *results.Run) string {
		i := slices.IndexFunc(run.Plan.Targets, func(t results.PlanTarget) bool { return t.Name == target })
		if i < 0 {
			return ""
		}
		return run.Plan.Targets[i].Protocol
	}
	// A target is refused for any of the scenarios.
	for _, s := range new.Plan.Scenarios {
		if !slices.ContainsFunc(old.Plan.Scenarios, func(o results.PlanScenario) bool { return o.Name == s.Name && o.Definition == s.Definition }) {
			return false
		}
	}
	return protocol(old) == protocol(new) && reflect.DeepEqual(old.Plan.Trust, new.Plan.Trust) && old.Plan.ReadyTimeoutS <= new.Plan.ReadyTimeoutS
}

// less returns the one-sided probability of so much higher a share of failures
// in y if it were that of x, by Poisson counts that are as much more scattered
// over the trials as these are.
func (x failed) less(y failed) float64 {
	df := float64(len(x.each) + len(y.each) - 2)
	if df < 1 {
		return 1
	}
	scatter := 0.0
	for _, f := range []failed{x, y} {
		for i, n := range f.each {
			if expected := f.share() * f.asked[i]; expected > 0 {
				scatter += (n - expected) * (n - expected) / expected
			}
		}
	}
	se := math.Sqrt(max(1, scatter/df) * (1/float64(x.errors.Total()) + 1/float64(y.errors.Total())))
	return stats.SurvivalT(math.Log(y.share()/x.share())/se, df)
}
