package compare

import (
	"slices"

	"github.com/dynobench/dyno/results"
)

// Failures is the share of all requests that failed, in per cent, over the trials
// of a side; always judged.
const Failures results.Metric = "failed_pct"

// MetricNames are what can be judged, as options name it.
var MetricNames = []string{"cpu", "throughput", "p50", "p99", "memory"}

// metric is one figure that is compared.
type metric struct {
	results.Metric
	class  string // of the requests, for a latency
	judged bool   // else it informs
}

// metricsOf returns what is compared of trials like t: what was asked for, or
// what the load model is about, and beside it what informs.
//
// The median latency of a closed loop is its throughput told again (Little's
// law); its p99 is not, but says little of what a user waits, since a server
// that stalls is asked less. The throughput of an open loop is the rate that was
// asked for. Memory is cheap for some and dear for others.
func metricsOf(t *results.Trial, asked []string) []metric {
	cpu, throughput := metric{Metric: results.CPU}, metric{Metric: results.Throughput}
	var memory []metric
	for _, m := range []results.Metric{results.PSS, results.RSS} {
		if m.Of(t, "") > 0 {
			memory = append(memory, metric{Metric: m})
		}
	}
	p50, p99 := latencies(results.P50, t), latencies(results.P99, t)

	judged, informs := []metric{cpu, throughput}, slices.Concat(p99, memory)
	if t.Model == "open" {
		judged, informs = []metric{p99[0], p50[0], cpu}, slices.Concat(p99[1:], memory)
	}
	if len(asked) > 0 {
		by := map[string][]metric{"cpu": {cpu}, "throughput": {throughput}, "p50": p50, "p99": p99, "memory": memory[:min(1, len(memory))]}
		all := slices.Concat(judged, informs)
		judged = nil
		for _, name := range MetricNames {
			if slices.Contains(asked, name) {
				judged = append(judged, by[name]...)
			}
		}
		informs = slices.DeleteFunc(all, func(m metric) bool {
			return slices.ContainsFunc(judged, func(j metric) bool { return j.Metric == m.Metric && j.class == m.class })
		})
	}
	for i := range judged {
		judged[i].judged = true
	}
	return append(judged, informs...)
}

// latencies are the metrics of a percentile, one for each class of requests, the
// main one first.
func latencies(m results.Metric, t *results.Trial) []metric {
	main, _ := t.Main()
	all := []metric{{Metric: m, class: main}}
	for _, c := range t.Classes {
		if c.Class != main && main != "" {
			all = append(all, metric{Metric: m, class: c.Class})
		}
	}
	return all
}
