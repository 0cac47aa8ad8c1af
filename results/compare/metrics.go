package compare

import (
	"slices"

	"github.com/dynobench/dyno/results"
)

// The metrics by their names in the documents.
const (
	CPU        = "cpu_us_per_request"
	Throughput = "throughput_rps"
	P50        = "latency_p50_us"
	P99        = "latency_p99_us"
	Memory     = string(results.PSS)
	RSS        = string(results.RSS) // beside it, and in its place where PSS was not read
	Failures   = "failed_pct"        // of all requests; always judged
)

// MetricNames are what can be judged, as options name it.
var MetricNames = []string{"cpu", "throughput", "p50", "p99", "memory"}

// metric is how a figure is taken from a trial, and which way is up.
type metric struct {
	name   string
	class  string // of the requests, for a latency
	higher bool   // is better
	judged bool   // else it informs
	of     func(*results.Trial) float64
}

// metricsOf returns what is compared of trials like t: what was asked for, or
// what the load model is about, and beside it what informs.
//
// The median latency of a closed loop is its throughput told again (Little's
// law); its p99 is not, but says little of what a user waits, since a server
// that stalls is asked less. The throughput of an open loop is the rate that was
// asked for. Memory is cheap for some and dear for others.
func metricsOf(t *results.Trial, asked []string) []metric {
	cpu := metric{name: CPU, of: func(t *results.Trial) float64 { return t.Server.CPUUSPerRequest }}
	throughput := metric{name: Throughput, higher: true, of: func(t *results.Trial) float64 { return t.ThroughputRPS }}
	var memory []metric
	for _, kind := range []results.MemoryKind{results.PSS, results.RSS} {
		if kind.Of(t) > 0 {
			memory = append(memory, metric{name: string(kind), of: func(t *results.Trial) float64 { return float64(kind.Of(t)) }})
		}
	}
	p50 := latencies(P50, t, func(q results.Quantiles) float64 { return q.P50 })
	p99 := latencies(P99, t, func(q results.Quantiles) float64 { return q.P99 })

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
			return slices.ContainsFunc(judged, func(j metric) bool { return j.name == m.name && j.class == m.class })
		})
	}
	for i := range judged {
		judged[i].judged = true
	}
	return append(judged, informs...)
}

// latencies are the metrics of a percentile, one for each class of requests, the
// main one first.
func latencies(name string, t *results.Trial, take func(results.Quantiles) float64) []metric {
	main, _ := t.Main()
	all := []metric{{name: name, class: main, of: func(t *results.Trial) float64 { _, q := t.Main(); return take(q) }}}
	for _, c := range t.Classes {
		if c.Class == main || main == "" {
			continue
		}
		all = append(all, metric{name: name, class: c.Class, of: func(t *results.Trial) float64 {
			for _, own := range t.Classes {
				if own.Class == c.Class {
					return take(own.LatencyUS)
				}
			}
			return 0
		}})
	}
	return all
}
