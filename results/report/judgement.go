package report

import (
	"time"

	"github.com/dynobench/dyno/results"
)

// Judgement is what a run's trials say about who is best, for a program to
// read: the document dyno.verdict/1. Everything in it is derived from the run.
type Judgement struct {
	Schema     string              `json:"schema"`
	Run        string              `json:"run"`        // its ID
	Created    time.Time           `json:"created"`    // the run
	Trials     results.Tally       `json:"trials"`     // what became of its plan
	Skipped    []results.Skip      `json:"skipped"`    // targets that took no part
	Notices    []results.Warning   `json:"notices"`    // about the whole run
	Confidence float64             `json:"confidence"` // of each verdict, and of each interval in it
	Scenarios  []ScenarioJudgement `json:"scenarios"`
}

// ScenarioJudgement holds the verdicts on one scenario, its main metric first.
type ScenarioJudgement struct {
	Scenario string            `json:"scenario"`
	Model    string            `json:"model"`
	Verdicts []Verdict         `json:"verdicts"`
	Figures  []TargetFigures   `json:"figures"`  // of all targets, in the table's order
	Warnings []results.Warning `json:"warnings"` // of the trials: the worst of each code
}

// Outcome is what a verdict came to.
type Outcome string

// The outcomes.
const (
	Winner    Outcome = "winner"     // one target is the best
	Tied      Outcome = "tie"        // several may be, and nothing tells them apart
	Alone     Outcome = "alone"      // one target could be measured, and no other to compare it with
	NoRanking Outcome = "no ranking" // there are too few valid trials, or all are too erratic
)

// Verdict ranks the targets of a scenario by one metric.
type Verdict struct {
	Metric   results.Metric `json:"metric"`          // throughput_rps, cpu_us_per_request or latency_p99_us
	Class    string         `json:"class,omitempty"` // of the requests that the latency is of, where there are several
	Outcome  Outcome        `json:"outcome"`
	Leads    []string       `json:"leads"`    // the targets that may be the best: a winner, or those that are tied
	Rounds   int            `json:"rounds"`   // of trials that the targets were compared within
	Targets  []Standing     `json:"targets"`  // those that were ranked, in the table's order
	Erratic  []string       `json:"erratic"`  // too noisy beside the others to be ranked
	Unranked []string       `json:"unranked"` // with too few valid trials in the rounds of the others
	Text     string         `json:"text"`     // all of it in a sentence or two

	// DetectablePct is the minimum detectable effect in per cent: a target so
	// much worse than the best is told from it with the probability Power. It is
	// absent where nothing was compared.
	DetectablePct float64 `json:"detectable_pct,omitempty"`
	Power         float64 `json:"power,omitempty"`
	// Dependence is the correlation of successive rounds beyond what hits all
	// targets alike, from 0 to 1. Intervals are widened for it.
	Dependence float64 `json:"dependence,omitempty"`
}

// Standing is one target in a ranking. Value is in the metric's unit, ratios
// are of the metric itself: 0.8 of a throughput is a fifth less.
type Standing struct {
	Target string  `json:"target"`
	Trials int     `json:"trials"` // valid ones that have the metric
	Value  float64 `json:"value"`  // median over them; of a latency, of the merged samples
	Lead   bool    `json:"lead"`   // may be the best
	// Against is the target that the ratio is to: for one that is behind the
	// one that it lost to, else the leader. It is absent for the leader itself.
	Against string  `json:"against,omitempty"`
	Ratio   float64 `json:"ratio,omitempty"` // within the rounds
	RatioLo float64 `json:"ratio_lo,omitempty"`
	RatioHi float64 `json:"ratio_hi,omitempty"`
}

// Judge ranks the targets of a run.
func Judge(run *results.Run) *Judgement { return Build(run).Judgement() }

// Judgement returns the verdicts of the report.
func (r *Report) Judgement() *Judgement {
	j := &Judgement{
		Schema: results.VerdictSchema, Run: r.Run.ID, Created: r.Run.Created, Trials: r.Tally,
		Skipped: append([]results.Skip{}, r.Run.Plan.Skipped...), Notices: warnings(r.Notices), Confidence: Confidence, Scenarios: []ScenarioJudgement{},
	}
	for i := range r.Scenarios {
		s := &r.Scenarios[i]
		j.Scenarios = append(j.Scenarios, ScenarioJudgement{s.Plan.Name, s.Plan.Model, s.Verdicts, s.rows(), warnings(s.Notices)})
	}
	return j
}
