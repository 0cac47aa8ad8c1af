package results

import "github.com/dynobench/dyno/internal/format"

// A Metric is a figure of a trial that can be compared. Its text is its name in
// every document.
type Metric string

// The metrics.
const (
	Throughput Metric = "throughput_rps"
	CPU        Metric = "cpu_us_per_request"
	P50        Metric = "latency_p50_us"
	P99        Metric = "latency_p99_us"
	PSS        Metric = "pss_peak_bytes" // proportional set size: a page that n processes share counts as an nth in each
	RSS        Metric = "rss_peak_bytes" // resident set size: it counts in full in each
)

// Of is the figure of a trial, 0 where it is not known. A latency is that of
// the class of requests, or of the main one where class is empty.
func (m Metric) Of(t *Trial, class string) float64 {
	switch m {
	case Throughput:
		return t.ThroughputRPS
	case CPU:
		return t.Server.CPUUSPerRequest
	case P50:
		return t.latency(class).P50
	case P99:
		return t.latency(class).P99
	case PSS:
		return float64(t.Server.PSSPeakBytes)
	case RSS:
		return float64(t.Server.RSSPeakBytes)
	}
	return 0
}

func (t *Trial) latency(class string) Quantiles {
	main, latency := t.Main()
	if class == "" || class == main {
		return latency
	}
	for _, c := range t.Classes {
		if c.Class == class {
			return c.LatencyUS
		}
	}
	return Quantiles{}
}

// HigherIsBetter tells which way is up.
func (m Metric) HigherIsBetter() bool { return m == Throughput }

// Name is the metric in words.
func (m Metric) Name() string {
	return map[Metric]string{Throughput: "throughput", CPU: "CPU per request", P50: "p50 latency", P99: "p99 latency", PSS: "PSS memory", RSS: "RSS memory"}[m]
}

// Short is the metric above a column.
func (m Metric) Short() string {
	return map[Metric]string{Throughput: "req/s", CPU: "CPU/req", P50: "p50", P99: "p99", PSS: "PSS", RSS: "RSS"}[m]
}

// Figure prints a value with its unit, which the name in a column makes needless
// for Throughput alone.
func (m Metric) Figure(v float64) string {
	switch {
	case v == 0:
		return format.None
	case m == Throughput:
		return format.Significant(v, 3)
	case m == PSS, m == RSS:
		return format.Bytes(int64(v))
	}
	return format.Duration(v)
}

// Values are the figures that trials have.
func (m Metric) Values(trials []*Trial, class string) []float64 {
	var x []float64
	for _, t := range trials {
		if v := m.Of(t, class); v > 0 {
			x = append(x, v)
		}
	}
	return x
}

// MemoryOf is how the memory of all valid trials of run was counted, so that the
// figures of a table are of one kind: PSS, unless it could not be read, or was
// not yet when the run was made.
func MemoryOf(run *Run) Metric {
	for i := range run.Trials {
		if t := &run.Trials[i]; t.Valid && t.Server.PSSPeakBytes == 0 {
			return RSS
		}
	}
	return PSS
}

// ExplainMemory says what the figures of memory are that PSS or RSS counts.
func ExplainMemory(m Metric) string {
	if m == PSS {
		return "Memory is the highest peak of the server's proportional set size (PSS): a page shared by its processes counts once."
	}
	return "Memory is the highest peak of the server's resident set size (RSS), summed over its processes: a shared page counts in each, because PSS was not available."
}
