package tune

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/dynobench/dyno/internal/file"
	"github.com/dynobench/dyno/results"
	"github.com/dynobench/dyno/results/compare"
)

// Result is what a search came to: the document dyno.tune/1. The trials that it
// is derived from are in the run of the same ID.
type Result struct {
	Schema      string              `json:"schema"`
	ID          string              `json:"id"`
	Created     time.Time           `json:"created"`
	Dyno        results.Build       `json:"dyno"`
	Environment results.Environment `json:"environment"`

	Engine    string               `json:"engine"` // the spec that was asked about
	Scenario  results.PlanScenario `json:"scenario"`
	Objective Objective            `json:"objective"`
	Rounds    int                  `json:"rounds"`
	Floor     float64              `json:"floor"`
	Alpha     float64              `json:"alpha"` // chance of a false "better" in a sweep, and in the confirmation
	Knobs     []Knob               `json:"knobs"`

	Sweeps       []Sweep   `json:"sweeps"`
	Without      *Sweep    `json:"without,omitempty"`      // what the sweeps found, and the same without each of its settings; absent where they found less than two
	Confirmation *Sweep    `json:"confirmation,omitempty"` // of what the sweeps found, against the defaults; absent if they found nothing
	Chosen       Candidate `json:"chosen,omitempty"`       // absent: the defaults
	Complete     bool      `json:"complete"`               // false: it ended before its time
	Command      []string  `json:"command"`                // that serves with what was chosen, with env in front where it sets variables
}

// Sweep is some candidates measured beside each other.
type Sweep struct {
	Knob       string     `json:"knob,omitempty"` // absent in the confirmation
	Candidates []Measured `json:"candidates"`     // the first is what the others are compared with
	Best       int        `json:"best"`           // the place of the one that is kept
}

// Measured is a candidate and what was seen of it. Figures are medians over the
// trials that count.
type Measured struct {
	Name     string    `json:"name"` // of the target in the run
	Value    string    `json:"value,omitempty"`
	Settings Candidate `json:"settings,omitempty"`
	Trials   int       `json:"trials"`
	Valid    int       `json:"valid"`
	Median   float64   `json:"median,omitempty"` // of the objective

	Ratio   float64         `json:"ratio,omitempty"` // of the objective to that of the first, within the rounds
	Lo      float64         `json:"ratio_lo,omitempty"`
	Hi      float64         `json:"ratio_hi,omitempty"` // its own interval of 95 %
	Verdict compare.Verdict `json:"verdict,omitempty"`
	Reason  string          `json:"reason,omitempty"`

	CPUUSPerRequest float64 `json:"cpu_us_per_request,omitempty"`
	ThroughputRPS   float64 `json:"throughput_rps,omitempty"`
	P99US           float64 `json:"latency_p99_us,omitempty"`
	PSSPeakBytes    int64   `json:"pss_peak_bytes,omitempty"`
	RSSPeakBytes    int64   `json:"rss_peak_bytes,omitempty"`
}

func newResult(t Terms) *Result {
	return &Result{
		Schema: results.TuneSchema, Engine: t.Engine, Objective: t.Objective, Rounds: t.Rounds, Floor: t.Floor, Alpha: Alpha,
		Knobs: t.Knobs, Sweeps: []Sweep{},
	}
}

// label gives the candidates the values of the knob that is swept.
func (s *Sweep) label(k Knob) {
	for i := range s.Candidates {
		s.Candidates[i].Value = k.Default
		if i > 0 {
			s.Candidates[i].Value = k.Values[i-1]
		}
	}
}

// Judged tells whether anything could be compared at all.
func (r *Result) Judged() bool {
	all := r.Sweeps
	if r.Confirmation != nil {
		all = append(slices.Clone(all), *r.Confirmation)
	}
	return slices.ContainsFunc(all, func(s Sweep) bool {
		return slices.ContainsFunc(s.Candidates, func(m Measured) bool { return m.Verdict != "" && m.Verdict != compare.TooFewTrials })
	})
}

// AtMost is by how much, as a share, a setting may be better than what was kept
// beside it, by the far end of its interval: 0.05 says that none that could be
// compared is better by more than 5 %.
func (r *Result) AtMost() float64 {
	most := 0.0
	for _, s := range r.Sweeps {
		for _, m := range s.Candidates {
			if m.Lo == 0 || m.Hi == 0 {
				continue
			}
			if r.Objective == Throughput {
				most = max(most, m.Hi-1)
			} else {
				most = max(most, 1-m.Lo)
			}
		}
	}
	return most
}

// Write stores the document at path.
func (r *Result) Write(path string) error {
	b, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return fmt.Errorf("encode the tuning of %s: %w", r.Engine, err)
	}
	if err := file.Replace(path, func(w io.Writer) error { _, err := w.Write(append(b, '\n')); return err }); err != nil {
		return fmt.Errorf("cannot store the tuning: %w", err)
	}
	return nil
}
