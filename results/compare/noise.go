package compare

import (
	"math"

	"github.com/dynobench/dyno/results"
	"github.com/dynobench/dyno/results/stats"
)

// BetweenRuns is the typical standard deviation on the log scale by which one
// whole run of an unchanged server is off, drawn anew for each run.
//
// On 2-core shared virtual machines the difference of two neighbouring blocks
// of an unchanged server had a standard deviation of 8–10 % for throughput
// and for CPU per request and of 12–35 % for p99, part of which the spread of
// the trials shows as well; a difference holds the noise of two runs, so one
// run has 1/√2 of it. CPU per request moves least because waiting does not
// count in it.
//
// Typical is not good enough: on a machine with twice as much, a test that takes
// it for granted is wrong in every third pair of runs. So it is only the measure
// of two bounds: of what is assumed where nothing shows the noise (a throughput
// three times as high minutes later was seen), and of the least that is believed
// of targets that happened to agree.
var BetweenRuns = map[results.Metric]float64{results.CPU: 0.05, results.Throughput: 0.08, results.P50: 0.08, results.P99: 0.15, results.PSS: 0.05, results.RSS: 0.05}

const (
	mostNoise  = 4.0 // times the typical noise is assumed where nothing shows it
	beyond     = 5.0 // times is what no noise does, whatever the other targets show
	leastNoise = 0.5 // times is the least that other targets are believed to show
	fewest     = 4   // runs of a target, or targets, that show the noise: three degrees of freedom
)

// Source is what the noise between runs is known from.
type Source string

// The sources, the best first.
const (
	Given       Source = "given"         // by Options.BetweenRuns
	FromRuns    Source = "stored runs"   // of this target on this host
	FromTargets Source = "other targets" // how far they moved from the one run to the other
	Assumed     Source = "assumed"       // nothing shows it
)

// assumed is the noise by metric where nothing shows it.
func assumed(o Options) map[results.Metric]float64 {
	sd := map[results.Metric]float64{}
	for metric, typical := range BetweenRuns {
		sd[metric] = mostNoise * typical
		if given, ok := o.BetweenRuns[metric]; ok {
			sd[metric] = given
		}
	}
	return sd
}

// addNoise adds the noise between runs to the comparisons that can be tested.
func (r *Result) addNoise(old, new *results.Run, o Options) {
	h := newHistory(old, new, o)
	for i := range r.Comparisons {
		c := &r.Comparisons[i]
		if c.Verdict != "" || c.Metric == Failures {
			continue
		}
		noise, from := r.noise(i, h, o)
		old, new := h.figures(old, c), h.figures(new, c)
		c.welch = stats.Welch(new, old, o.Confidence, noise)
		c.tested = c.welch.Known
		if c.welch.Known {
			c.RatioLo, c.RatioHi = c.welch.Lo, c.welch.Hi
		}
		c.BetweenRunsSD, c.BetweenRunsFrom, c.BetweenRunsDF = noise.SD(), from, noise.DF
	}
}

// noise returns by how much two runs of the target of comparison i differ if it
// did not change, by the best source that there is.
//
// Stored runs of the same target on this host say it directly. Else the other
// targets of the two runs do, if most of them did not change: all of them moved
// by the noise alone, each as far as this one would have. They are measured from
// no change, not from their mean, so that a machine that became slower for all
// is noise, too: two runs cannot tell it from a change in all targets, unless it
// is beyond what noise was ever seen to do.
func (r *Result) noise(i int, h *history, o Options) (stats.Noise, Source) {
	c := &r.Comparisons[i]
	if sd, ok := o.BetweenRuns[c.Metric]; ok {
		return stats.Noise{Variance: 2 * sd * sd}, Given
	}
	if n, ok := h.noise(c); ok {
		return n, FromRuns
	}
	var moved []float64
	within := 0.0
	for j := range r.Comparisons {
		if x := &r.Comparisons[j]; j != i && x.Scenario == c.Scenario && x.Metric == c.Metric && x.Class == c.Class && x.welch.Known {
			moved, within = append(moved, x.welch.Log), within+x.welch.Within
		}
	}
	typical := 2 * BetweenRuns[c.Metric] * BetweenRuns[c.Metric]
	if len(moved) < fewest-1 {
		return stats.Noise{Variance: mostNoise * mostNoise * typical}, Assumed
	}
	shown := stats.NoiseOf(moved)
	shown.Trials = within / float64(len(moved))
	shown.Variance = max(shown.Variance, leastNoise*leastNoise*typical)
	// Few targets show so little that a bound on what noise does tells more.
	most := stats.Noise{Variance: beyond * beyond * typical}
	if alpha := (1 - o.Confidence) / float64(len(r.Comparisons)); most.Bar(alpha) < shown.Bar(alpha) {
		return most, Assumed
	}
	return shown, FromTargets
}

// history are the runs that show how much runs differ on this host: the old one,
// and those of Options.History that are like it, without the new one.
type history struct {
	old  *results.Run
	runs []*results.Run
	by   map[*results.Run]map[key][]*results.Trial
}

func newHistory(old, new *results.Run, o Options) *history {
	h := &history{old: old, by: map[*results.Run]map[key][]*results.Trial{old: group(old), new: group(new)}}
	seen := map[string]bool{old.ID: true, new.ID: true}
	h.runs = append(h.runs, old)
	for _, run := range o.History {
		if !seen[run.ID] && len(otherHost(old, run)) == 0 {
			seen[run.ID] = true
			h.runs = append(h.runs, run)
			h.by[run] = group(run)
		}
	}
	return h
}

// metric returns how the figure of c is taken from trials like t.
func (c *Comparison) metricOf(t *results.Trial) (metric, bool) {
	for _, m := range metricsOf(t, MetricNames) {
		if m.Metric == c.Metric && m.class == c.Class {
			return m, true
		}
	}
	return metric{}, false
}

// figures returns the figures of c in run.
func (h *history) figures(run *results.Run, c *Comparison) []float64 {
	trials := h.by[run][key{c.Scenario, c.Target}]
	if len(trials) == 0 {
		return nil
	}
	m, ok := c.metricOf(trials[0])
	if !ok {
		return nil
	}
	return m.Values(valid(trials), m.class)
}

// noise estimates the noise of c from the means of the runs that measured the
// same: the same question asked of the same command line.
func (h *history) noise(c *Comparison) (stats.Noise, bool) {
	k := key{c.Scenario, c.Target}
	first := h.by[h.old][k]
	var means []float64
	within := 0.0
	for _, run := range h.runs {
		trials := h.by[run][k]
		if len(trials) == 0 || differs(h.old, run, first[0], trials[0]) != "" || otherCommand(h.old, run, c.Target) {
			continue
		}
		x := h.figures(run, c)
		if len(x) < stats.MinTrials {
			continue
		}
		logs := make([]float64, len(x))
		for i, v := range x {
			logs[i] = math.Log(v)
		}
		means = append(means, stats.Mean(logs))
		within += stats.Variance(logs) / float64(len(logs))
	}
	n := float64(len(means))
	if len(means) < fewest {
		return stats.Noise{}, false
	}
	return stats.Noise{Variance: 2 * stats.Variance(means), Trials: 2 * within / n, DF: n - 1}, true
}
