package observe

import (
	"io"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"

	"github.com/dynobench/dyno/engines/supervise"
	"github.com/dynobench/dyno/protocol"
)

// textFormat is what /metrics speaks.
var textFormat = expfmt.NewFormat(expfmt.TypeTextPlain)

// WriteMetrics writes s as Prometheus text. What is not known is left out.
func (s *Server) WriteMetrics(w io.Writer) error {
	registry := prometheus.NewRegistry()
	if err := registry.Register((*collector)(s)); err != nil {
		return err
	}
	families, err := registry.Gather()
	if err != nil {
		return err
	}
	to := expfmt.NewEncoder(w, textFormat)
	for _, f := range families {
		if err := to.Encode(f); err != nil {
			return err
		}
	}
	return nil
}

// collector is a Server at one moment: its metrics are constant.
type collector Server

var _ prometheus.Collector = (*collector)(nil)

// metric is a family of one value for each of what it is read from.
type metric[of any] struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
	read func(*of) int64 // negative: not known
}

func describe[of any](name string, kind prometheus.ValueType, help string, read func(*of) int64, labels ...string) metric[of] {
	return metric[of]{prometheus.NewDesc("dyno_"+name, help, labels, nil), kind, read}
}

func (m metric[of]) collect(ch chan<- prometheus.Metric, from *of, labels ...string) {
	if v := m.read(from); v >= 0 {
		ch <- prometheus.MustNewConstMetric(m.desc, m.kind, float64(v), labels...)
	}
}

// ofWorker is a metric that each worker has.
func ofWorker(name string, kind prometheus.ValueType, help string, read func(*supervise.Worker) int64) metric[supervise.Worker] {
	return describe(name, kind, help, read, "worker")
}

const (
	counter = prometheus.CounterValue
	gauge   = prometheus.GaugeValue
)

var ofWorkers = []metric[supervise.Worker]{
	ofWorker("requests_total", counter, "Requests answered.", func(v *supervise.Worker) int64 { return v.Requests }),
	ofWorker("accepted_total", counter, "Connections accepted.", func(v *supervise.Worker) int64 { return v.Accepted }),
	ofWorker("slots", gauge, "Requests, or connections, that can be in flight; 0: unlimited.", func(v *supervise.Worker) int64 { return v.Slots }),
	ofWorker("slots_busy", gauge, "Slots in use.", func(v *supervise.Worker) int64 { return v.Busy }),
	ofWorker("queue", gauge, "Connections accepted and waiting for a slot.", func(v *supervise.Worker) int64 { return v.Queue }),
	ofWorker("held_bytes", gauge, "Memory of requests that counts against --max-bodies.", func(v *supervise.Worker) int64 { return v.Held }),
	ofWorker("respawns_total", counter, "Worker processes that were replaced, for whatever reason.", func(v *supervise.Worker) int64 { return v.Respawns }),
	ofWorker("harakiri_total", counter, "Worker processes killed for a request that took too long.", func(v *supervise.Worker) int64 { return v.Harakiri }),
	ofWorker("resident_bytes", gauge, "Resident memory of the process.", func(v *supervise.Worker) int64 { return v.RSS }),
	ofWorker("start_time_seconds", gauge, "Start of the process, Unix time.", func(v *supervise.Worker) int64 { return unixTime(v.Began) }),
}

var ofServer = []metric[collector]{
	describe("processes", gauge, "Processes that serve.", func(s *collector) int64 { return s.Total.Processes }),
	describe("listen_queue", gauge, "Connections that wait in the kernel to be accepted.", func(s *collector) int64 { return s.Waiting }),
	describe("listen_queue_max", gauge, "Connections that may wait in the kernel.", func(s *collector) int64 { return s.Backlog }),
}

var failed = prometheus.NewDesc("dyno_errors_total",
	"Requests refused or broken off, by kind: shed is answered 503 for want of a slot, of time or of memory, other is closed or cut off by the engine, or not told apart.",
	[]string{"worker", "kind"}, nil)

// kinds are the labels of errors, and which of a worker's are of each.
var kinds = []struct {
	name string
	of   func(*supervise.Worker) int64
}{
	{"app_failed", func(v *supervise.Worker) int64 { return v.Failed.AppFailed }},
	{"bad_request", func(v *supervise.Worker) int64 { return v.Failed.BadRequest }},
	{"client_gone", func(v *supervise.Worker) int64 { return v.Failed.ClientGone }},
	{"other", func(v *supervise.Worker) int64 {
		f := v.Failed
		return max(0, v.Errors-f.AppFailed-f.BadRequest-f.ClientGone-f.Shed-f.Timeout)
	}},
	{"shed", func(v *supervise.Worker) int64 { return v.Failed.Shed }},
	{"timeout", func(v *supervise.Worker) int64 { return v.Failed.Timeout }},
}

var took = prometheus.NewDesc("dyno_request_duration_seconds",
	"From the last byte of a request to the last piece of its answer by the app; earlier pieces have been written to the socket by then, the last has not.",
	[]string{"worker"}, nil)

// latency is what v has counted, as a histogram.
func latency(v *supervise.Worker, id string) prometheus.Metric {
	sum, buckets := uint64(0), make(map[float64]uint64, len(protocol.LatencyBounds))
	for i, n := range v.Latency.Buckets {
		sum += uint64(n)
		if i < len(protocol.LatencyBounds) {
			buckets[protocol.LatencyBounds[i].Seconds()] = sum
		}
	}
	return prometheus.MustNewConstHistogram(took, sum, float64(v.Latency.SumNS)/1e9, buckets, id)
}

// Describe implements prometheus.Collector.
func (s *collector) Describe(ch chan<- *prometheus.Desc) {
	ch <- failed
	ch <- took
	for _, m := range ofWorkers {
		ch <- m.desc
	}
	for _, m := range ofServer {
		ch <- m.desc
	}
}

// Collect implements prometheus.Collector.
func (s *collector) Collect(ch chan<- prometheus.Metric) {
	for i := range s.Workers {
		v := &s.Workers[i]
		id := strconv.Itoa(v.ID)
		for _, m := range ofWorkers {
			m.collect(ch, v, id)
		}
		for _, k := range kinds {
			ch <- prometheus.MustNewConstMetric(failed, counter, float64(k.of(v)), id, k.name)
		}
		if s.Timed {
			ch <- latency(v, id)
		}
	}
	for _, m := range ofServer {
		m.collect(ch, s)
	}
}
