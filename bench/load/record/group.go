package record

import (
	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/dynobench/dyno/results"
	"github.com/dynobench/dyno/scenarios/workload"
)

// A groupRecord counts what the connections of one group saw in the window.
type GroupRecord struct {
	Group                             *workload.Group
	opened, Refused, Unopened, closed int64
	Standing                          int64 // at the end of the window
	requests, Errors                  int64
	BytesSent, BytesRead              int64
	latency, connect, held            *hdrhistogram.Histogram
	Refusal                           error // the last one, also of before the window
}

func (r *GroupRecord) Init(g *workload.Group) {
	r.Group = g
	r.latency, r.connect, r.held = results.NewHistogram(), results.NewHistogram(), results.NewHistogram()
}

func (r *GroupRecord) Open(took int64) {
	r.opened++
	results.RecordNS(r.connect, took)
}

func (r *GroupRecord) Refuse(err error, counting bool) {
	r.Refusal = err
	if counting {
		r.Refused++
	}
}

func (r *GroupRecord) Close(held int64) {
	r.closed++
	results.RecordNS(r.held, held)
}

func (r *GroupRecord) Answer(latency int64, right bool) {
	r.requests++
	if !right {
		r.Errors++
	}
	results.RecordNS(r.latency, latency)
}

// result is the record as it is stored.
func (r *GroupRecord) Result() results.Group {
	g := r.Group
	return results.Group{
		Name: g.Name, Kind: string(g.Kind), Spec: g.String(), Connections: g.Connections,
		Opened: r.opened, Refused: r.Refused, Unopened: r.Unopened, Closed: r.closed, Standing: r.Standing,
		Requests: r.requests, Errors: r.Errors, BytesSent: r.BytesSent, BytesRead: r.BytesRead,
		LatencyUS: results.QuantilesOf(r.latency), ConnectUS: results.QuantilesOf(r.connect), HeldUS: results.QuantilesOf(r.held),
	}
}
