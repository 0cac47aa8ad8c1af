// Package tune searches the settings of one engine for those that are fastest
// under a scenario, and says what came of it.
//
// It goes from setting to setting (a coordinate search): all values of one are
// measured beside the best that is known so far, in rounds in which each has
// its turn in random order, and one takes its place only if it is better beyond
// doubt and by more than the floor. What is left in the end is measured against
// the defaults anew, since the best of many looks better than it is: that it
// came out first is in part its luck, which does not come twice. If it does not
// hold, the defaults stay; they are the simpler choice. Before that, each of several
// settings has to show that the others are worse without it.
//
// The package measures nothing and starts nothing: a Measure does. It finds no
// settings that are good only together with each other; trying all combinations
// takes more time than the noise of most machines leaves.
package tune

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/dynobench/dyno/results"
	"github.com/dynobench/dyno/results/compare"
	"github.com/dynobench/dyno/results/stats"
)

// Objective is what is to be as good as possible.
type Objective string

// The objectives.
const (
	CPU        Objective = "cpu"        // time of the server's process tree per request
	Throughput Objective = "throughput" // right answers per second
	P99        Objective = "p99"        // of the latency, of the scenario's main class
)

// Objectives lists them.
var Objectives = []Objective{CPU, Throughput, P99}

// DefaultObjective is the one that a load model asks about. The rate of an open
// loop is given, so what differs is what it costs; in a closed loop the cost
// alone would praise a setting that has most requests wait.
func DefaultObjective(model string) Objective {
	if model == "open" {
		return CPU
	}
	return Throughput
}

// Metric is the objective's figure.
func (o Objective) Metric() results.Metric {
	return map[Objective]results.Metric{CPU: results.CPU, Throughput: results.Throughput, P99: results.P99}[o]
}

// Of is the objective's figure of a trial, 0 if it has none.
func (o Objective) Of(t *results.Trial) float64 { return o.Metric().Of(t, "") }

// Knob is a setting and what to try.
type Knob struct {
	Key      string   `json:"key"`
	Default  string   `json:"default"`
	Variable bool     `json:"variable,omitempty"` // of the environment; else of the engine
	Values   []string `json:"values"`             // to try beside the default
}

// Setting is one value that is not the default.
type Setting struct {
	Key      string `json:"key"`
	Value    string `json:"value"`
	Variable bool   `json:"variable,omitempty"`
}

// Candidate is the engine with some settings, in the order of the knobs. The
// empty one has the defaults.
type Candidate []Setting

// with returns c with one more setting.
func (c Candidate) with(k Knob, value string) Candidate {
	return append(slices.Clone(c), Setting{k.Key, value, k.Variable})
}

// Spec is the engine spec of c from the one that was asked about.
func (c Candidate) Spec(engine string) string {
	for _, s := range c {
		if !s.Variable {
			engine += "," + s.Key + "=" + s.Value
		}
	}
	return engine
}

// Env is what c sets in the environment.
func (c Candidate) Env() map[string]string {
	env := map[string]string{}
	for _, s := range c {
		if s.Variable {
			env[s.Key] = s.Value
		}
	}
	return env
}

// Name tells c from all others of the same engine.
func (c Candidate) Name(engine string) string {
	var b strings.Builder
	for _, s := range c {
		if s.Variable {
			b.WriteString(s.Key + "=" + s.Value + " ")
		}
	}
	return b.String() + c.Spec(engine)
}

// Terms are what is searched and how.
type Terms struct {
	Engine    string    `json:"engine"` // the spec that was asked about; what it sets stays set
	Objective Objective `json:"objective"`
	Knobs     []Knob    `json:"knobs"`
	Rounds    int       `json:"rounds"` // trials of each candidate in a sweep; in the confirmation twice as many
	Floor     float64   `json:"floor"`  // the smallest improvement that matters, as a share
}

// Candidates is how many are measured in the sweeps: in each the best so far and
// the values to try.
func (t Terms) Candidates() int {
	n := 0
	for _, k := range t.Knobs {
		if len(k.Values) > 0 {
			n += 1 + len(k.Values)
		}
	}
	return n
}

// Trials is how many there are at most, with each setting left out, and with the
// confirmation.
func (t Terms) Trials() int { return t.Rounds * (t.Candidates() + t.withouts() + 2*confirming) }

// withouts is how many candidates are measured at most to see whether each
// setting is needed.
func (t Terms) withouts() int {
	n := 0
	for _, k := range t.Knobs {
		if len(k.Values) > 0 {
			n++
		}
	}
	if n < 2 {
		return 0
	}
	return 1 + n
}

// confirming is how many times as many rounds a confirmation has as a sweep: it
// decides alone, and measures but two candidates.
const confirming = 2

// Alpha is the chance that a sweep takes a value for better that is not, all of
// its values together, and that a confirmation does. Nothing is chosen unless
// both do.
const Alpha = 0.05

// shown is the confidence of the intervals that are printed.
const shown = 0.95

// Measure measures candidates beside each other in so many rounds and returns
// the trials, in any order, each with Trial set to its round and Target to the
// name of its candidate. Trials that do not count are among them, marked. A
// candidate without trials could not be measured. An error ends the search;
// what was measured until then is returned with it.
type Measure func(ctx context.Context, all []Candidate, rounds int) ([]results.Trial, error)

// Search measures what t asks for. What is measured when an error ends it is in
// the Result all the same.
func Search(ctx context.Context, t Terms, measure Measure) (*Result, error) {
	r := newResult(t)
	var best Candidate
	for _, k := range t.Knobs {
		if len(k.Values) == 0 {
			continue
		}
		sweep, err := r.compare(ctx, k.Key, values(best, k), measure, t.Rounds, Alpha/float64(len(k.Values)))
		sweep.label(k)
		r.Sweeps = append(r.Sweeps, sweep)
		if err != nil {
			return r, err
		}
		best = sweep.Candidates[sweep.Best].Settings
	}
	best, err := r.needed(ctx, best, measure)
	if err != nil {
		return r, err
	}
	r.Complete = len(best) == 0
	if r.Complete {
		return r, nil
	}
	confirmation, err := r.compare(ctx, "", []Candidate{nil, best}, measure, confirming*t.Rounds, Alpha)
	r.Confirmation = &confirmation
	if err != nil {
		return r, err
	}
	r.Complete = true
	if confirmation.Best > 0 {
		r.Chosen = best
	}
	return r, nil
}

// needed returns those settings of best without which it is worse. Where several
// were found, one that does nothing may have come along by its luck in its sweep,
// and beside a good one the confirmation would not notice. So best is measured
// beside what it is without each of them; a setting stays if leaving it out is worse
// beyond doubt, for the default is the simpler choice.
func (r *Result) needed(ctx context.Context, best Candidate, measure Measure) (Candidate, error) {
	if len(best) < 2 {
		return best, nil
	}
	all := []Candidate{best}
	for i := range best {
		all = append(all, slices.Delete(slices.Clone(best), i, i+1))
	}
	without, err := r.compare(ctx, "", all, measure, r.Rounds, Alpha)
	r.Without = &without
	if err != nil {
		return nil, err
	}
	var kept Candidate
	without.Candidates[0].Value = "all"
	for i, s := range best {
		without.Candidates[i+1].Value = "without " + s.Key + "=" + s.Value
		if without.Candidates[i+1].Verdict == compare.Worse {
			kept = append(kept, s)
		}
	}
	return kept, nil
}

// values are the candidates of a sweep of k, the best so far first.
func values(best Candidate, k Knob) []Candidate {
	all := []Candidate{best}
	for _, v := range k.Values {
		all = append(all, best.with(k, v))
	}
	return all
}

// compare measures candidates in so many rounds and judges all of them against
// the first, each by a one-sided test at the level alpha.
func (r *Result) compare(ctx context.Context, knob string, all []Candidate, measure Measure, rounds int, alpha float64) (Sweep, error) {
	trials, err := measure(ctx, all, rounds)
	s := Sweep{Knob: knob}
	figures := make([][]float64, len(all))
	for i, c := range all {
		m := Measured{Settings: c, Name: c.Name(r.Engine)}
		figures[i] = m.take(trials, r.Objective, rounds)
		s.Candidates = append(s.Candidates, m)
	}
	s.judge(figures, r.Objective, r.Floor, alpha)
	return s, err
}

// take fills in what the trials of m say, and returns the objective's figure in
// each round, the lower the better, 0 where there is none.
func (m *Measured) take(trials []results.Trial, o Objective, rounds int) []float64 {
	figures := make([]float64, rounds)
	var own, cpu, rate, p99, memory, pss []float64
	keep := func(to *[]float64, v float64) {
		if v > 0 {
			*to = append(*to, v)
		}
	}
	for i := range trials {
		t := &trials[i]
		if t.Target != m.Name {
			continue
		}
		m.Trials++
		v := o.Of(t)
		if !t.Valid || v <= 0 || t.Trial < 1 || t.Trial > rounds {
			continue
		}
		m.Valid++
		keep(&own, v)
		keep(&cpu, CPU.Of(t))
		keep(&rate, Throughput.Of(t))
		keep(&p99, P99.Of(t))
		keep(&memory, float64(t.Server.RSSPeakBytes))
		keep(&pss, float64(t.Server.PSSPeakBytes))
		if o == Throughput {
			v = 1 / v
		}
		figures[t.Trial-1] = v
	}
	median := func(x []float64) float64 {
		if len(x) == 0 {
			return 0 // absent in the document
		}
		return stats.Median(x)
	}
	m.Median = median(own)
	m.CPUUSPerRequest, m.ThroughputRPS, m.P99US, m.RSSPeakBytes = median(cpu), median(rate), median(p99), int64(median(memory))
	if len(pss) == len(memory) {
		m.PSSPeakBytes = int64(median(pss))
	}
	return figures
}

// judge compares all candidates with the first. Best is the one with the best
// ratio of those that are better beyond doubt, else the first.
//
// The rounds are stats.Blocks: what the host does to a round it does to all of
// it. The intervals are each candidate's own; the verdicts allow for how many
// were tried, and none contradicts its interval.
func (s *Sweep) judge(figures [][]float64, o Objective, floor, alpha float64) {
	blocks := stats.NewBlocks(figures, shown)
	least := 1.0
	for i := range s.Candidates {
		m := &s.Candidates[i]
		if i == 0 {
			continue
		}
		ratio := blocks.Ratio(i, 0)
		if !ratio.Known {
			m.Verdict = compare.TooFewTrials
			m.Reason = fmt.Sprintf("%d of its rounds are valid together with those of %s; an interval needs %d", ratio.N, s.Candidates[0].Name, stats.MinTrials)
			continue
		}
		m.Ratio, m.Lo, m.Hi = ratio.Ratio, ratio.Lo, ratio.Hi
		if o == Throughput { // the figures are reciprocals
			m.Ratio, m.Lo, m.Hi = 1/ratio.Ratio, 1/ratio.Hi, 1/ratio.Lo
		}
		sure := ratio.P/2 <= alpha && ratio.P <= 1-shown
		switch {
		case sure && ratio.Ratio <= 1/(1+floor):
			m.Verdict = compare.Better
			if ratio.Ratio < least {
				least, s.Best = ratio.Ratio, i
			}
		case sure && ratio.Ratio >= 1+floor:
			m.Verdict = compare.Worse
		default:
			m.Verdict = compare.CannotTell
		}
	}
}
