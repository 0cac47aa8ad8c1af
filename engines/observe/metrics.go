package observe

import (
	"strconv"

	"github.com/dynobench/dyno/engines/supervise"
	"github.com/dynobench/dyno/protocol"
)

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

func (s *Server) writeErrors(say func(string, ...any)) {
	say("# HELP dyno_errors_total Requests refused or broken off, by kind: shed is answered 503 for want of a slot or of time, other is closed or cut off by the engine, or not told apart.\n# TYPE dyno_errors_total counter\n")
	for i := range s.Workers {
		for _, k := range kinds {
			say("dyno_errors_total{worker=\"%d\",kind=\"%s\"} %d\n", s.Workers[i].ID, k.name, k.of(&s.Workers[i]))
		}
	}
}

func (s *Server) writeLatency(say func(string, ...any)) {
	const name = "dyno_request_duration_seconds"
	say("# HELP %s From the last byte of a request to the last piece of its answer by the app; earlier pieces have been written to the socket by then, the last has not.\n# TYPE %s histogram\n", name, name)
	for i := range s.Workers {
		v := &s.Workers[i]
		sum := int64(0)
		for j, n := range v.Latency.Buckets {
			le := "+Inf"
			if j < len(protocol.LatencyBounds) {
				le = strconv.FormatFloat(protocol.LatencyBounds[j].Seconds(), 'g', -1, 64)
			}
			sum += n
			say("%s_bucket{worker=\"%d\",le=\"%s\"} %d\n", name, v.ID, le, sum)
		}
		say("%s_sum{worker=\"%d\"} %g\n%s_count{worker=\"%d\"} %d\n", name, v.ID, float64(v.Latency.SumNS)/1e9, name, v.ID, sum)
	}
}
