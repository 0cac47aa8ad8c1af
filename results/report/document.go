package report

import (
	"encoding/json"
	"io"
	"math"
	"slices"

	"github.com/dynobench/dyno/results"
	"github.com/dynobench/dyno/results/stats"
)

// TargetFigures is a row of a scenario's table.
type TargetFigures struct {
	Target          string           `json:"target"`
	Ran             int              `json:"ran"`
	Valid           int              `json:"valid"`
	Missing         int              `json:"missing"` // planned trials that did not run
	Throughput      *Figure          `json:"throughput_rps,omitempty"`
	CPU             *Figure          `json:"cpu_us_per_request,omitempty"`
	Latency         []LatencyFigures `json:"latency"` // of each class; the verdicts are about the first
	MemoryPeakBytes int64            `json:"memory_peak_bytes,omitempty"`
	MemoryKind      results.Metric   `json:"memory_kind,omitempty"` // the field of the trials that it is the peak of
	Errors          int64            `json:"errors"`                // over all trials that ran
}

// Figure is the median over the valid trials, and the lowest and the highest of
// them.
type Figure struct {
	Median float64 `json:"median"`
	Lo     float64 `json:"lo"`
	Hi     float64 `json:"hi"`
}

// LatencyFigures is a merged distribution in µs. A percentile that the samples
// do not support is absent; so is the range of one that no trial supports.
type LatencyFigures struct {
	Class      string  `json:"class,omitempty"`
	Samples    int64   `json:"samples"`
	P50        float64 `json:"p50_us,omitempty"`
	P90        float64 `json:"p90_us,omitempty"`
	P99        float64 `json:"p99_us,omitempty"`
	P999       float64 `json:"p99_9_us,omitempty"`
	Max        float64 `json:"max_us,omitempty"`
	P50Trials  *Figure `json:"p50_over_trials_us,omitempty"`
	P99Trials  *Figure `json:"p99_over_trials_us,omitempty"`
	P999Trials *Figure `json:"p99_9_over_trials_us,omitempty"`
}

// rows returns the rows of the table.
func (s *Scenario) rows() []TargetFigures {
	all := []TargetFigures{}
	for i := range s.Rows {
		r := &s.Rows[i]
		f := TargetFigures{
			Target: r.name(), Ran: len(r.Trials), Valid: len(r.Valid), Missing: r.missing, Throughput: figureOf(r.Throughput), CPU: figureOf(r.CPU),
			Latency: []LatencyFigures{}, MemoryPeakBytes: r.MemoryBytes, MemoryKind: s.memory, Errors: r.Errors.Total(),
		}
		for _, l := range r.shown() {
			f.Latency = append(f.Latency, LatencyFigures{
				Class: l.Class, Samples: l.Samples, P50: l.P50, P90: l.P90, P99: l.P99, P999: l.P999, Max: l.Max,
				P50Trials: figureOf(l.Trials.P50), P99Trials: figureOf(l.Trials.P99), P999Trials: figureOf(l.Trials.P999),
			})
		}
		all = append(all, f)
	}
	return all
}

func figureOf(e stats.Estimate) *Figure {
	if e.N == 0 || slices.ContainsFunc([]float64{e.Centre, e.Lo, e.Hi}, func(v float64) bool { return math.IsNaN(v) || math.IsInf(v, 0) }) {
		return nil
	}
	return &Figure{e.Centre, e.Lo, e.Hi}
}

// warnings are notices as they are stored, with all that their sentences say.
func warnings(notices []Notice) []results.Warning {
	all := []results.Warning{}
	for _, n := range notices {
		w := n.Warning
		w.Message = n.Text()
		all = append(all, w)
	}
	return all
}

// WriteJSON writes the Judgement.
func (r *Report) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", " ")
	return e.Encode(r.Judgement())
}
