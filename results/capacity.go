package results

// Capacity is what a search for the highest rate that keeps an objective has
// found, or a sweep over given rates has seen: the document dyno.capacity/1.
type Capacity struct {
	Schema      string `json:"schema"`
	URL         string `json:"url"`
	Generator   string `json:"generator"`
	Arrivals    string `json:"arrivals"`
	Seed        uint64 `json:"seed"` // of the search, which gives every probe one of its own
	Connections int    `json:"connections"`
	Threads     int    `json:"threads"`

	Objective string        `json:"objective,omitempty"` // as it was held against the probes; a sweep may have none
	Bound     *LatencyBound `json:"bound,omitempty"`     // its first one on a latency, for plots
	// CapacityRPS is the rate at which the objective is as likely kept as not,
	// in windows as long as those of the search. It is absent where the
	// objective was kept at no rate, and in a sweep.
	CapacityRPS float64   `json:"capacity_rps,omitempty"`
	Interval    *Interval `json:"interval,omitempty"`
	// AtLeast says that the server was not the limit: CapacityRPS is the
	// highest rate at which it kept the objective, and it may do more.
	AtLeast bool `json:"at_least,omitempty"`
	// SpreadPct is how much the limit moves from window to window, one standard
	// deviation.
	SpreadPct float64 `json:"spread_pct,omitempty"`
	ClosedRPS float64 `json:"closed_rps,omitempty"` // what the closed loop got on the same connections
	Knee      *Knee   `json:"knee,omitempty"`

	Points []CapacityPoint `json:"points"` // the curve, by rate
	Probes []Probe         `json:"probes"` // in the order in which they ran

	TimeoutS    float64   `json:"timeout_s,omitempty"` // a request without an answer was given up after so long
	BudgetS     float64   `json:"budget_s,omitempty"`
	DurationS   float64   `json:"duration_s"` // of the whole search
	Interrupted bool      `json:"interrupted,omitempty"`
	Warnings    []Warning `json:"warnings,omitempty"`
}

// LatencyBound is an objective's bound on a latency from when a request was due.
type LatencyBound struct {
	Figure string  `json:"figure"` // as "p99"
	US     float64 `json:"us"`
}

// Interval holds the capacity in a share Confidence of searches at least: see
// docs/capacity.md for what was simulated. High is absent where nothing bounds it.
type Interval struct {
	LowRPS     float64 `json:"low_rps"`
	HighRPS    float64 `json:"high_rps,omitempty"`
	Confidence float64 `json:"confidence"` // 0.95 for 95 %
}

// Knee is the point of a curve with the most throughput for its latency:
// throughput over mean latency, Kleinrock's power, is highest there. It is absent
// where fewer than three points count, or the curve ends before it.
type Knee struct {
	RateRPS       float64 `json:"rate_rps"`
	ThroughputRPS float64 `json:"throughput_rps"`
	LatencyMeanUS float64 `json:"latency_mean_us"`
}

// CapacityPoint is what all windows at one rate saw together.
type CapacityPoint struct {
	RateRPS       float64    `json:"rate_rps"`       // offered
	ThroughputRPS float64    `json:"throughput_rps"` // right answers
	Windows       int        `json:"windows"`        // that are merged here
	Kept          int        `json:"kept"`           // of them, those that kept the objective alone
	Valid         bool       `json:"valid"`          // the windows count; else there was none at this rate that did
	DurationS     float64    `json:"duration_s"`
	Requests      int64      `json:"requests"`
	Errors        Errors     `json:"errors"`
	LatencyUS     Quantiles  `json:"latency_us"` // of the merged histogram
	Objective     *Objective `json:"objective,omitempty"`
	Histogram     string     `json:"histogram"` // of latency in ns
}

// Probe is one window at one rate.
type Probe struct {
	Purpose       string     `json:"purpose"`            // closed, search or curve
	RateRPS       float64    `json:"rate_rps,omitempty"` // offered; absent in the closed loop
	Seed          uint64     `json:"seed"`
	WarmupS       float64    `json:"warmup_s"`
	DurationS     float64    `json:"duration_s"`
	Requests      int64      `json:"requests"`
	WindowAnswers float64    `json:"window_answers,omitempty"` // as in Load
	ThroughputRPS float64    `json:"throughput_rps"`
	Errors        Errors     `json:"errors"`
	LatencyUS     Quantiles  `json:"latency_us"`
	Utilisation   float64    `json:"generator_cpu_utilisation,omitempty"`
	Verdict       string     `json:"verdict,omitempty"` // kept, missed, unknown: too few samples, or spoiled: not by the server's doing
	Objective     *Objective `json:"objective,omitempty"`
	Valid         bool       `json:"valid"`
	Warnings      []Warning  `json:"warnings,omitempty"`
}

// Verdicts about a Probe.
const (
	VerdictKept    = "kept"
	VerdictMissed  = "missed"
	VerdictUnknown = "unknown"
	VerdictSpoiled = "spoiled"
)
