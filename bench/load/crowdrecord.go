package load

import (
	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/dynobench/dyno/results"
	"github.com/dynobench/dyno/scenarios/workload"
)

// A groupRecord counts what the connections of one group saw in the window.
type groupRecord struct {
	group                             *workload.Group
	opened, refused, unopened, closed int64
	standing                          int64 // at the end of the window
	requests, errors                  int64
	bytesSent, bytesRead              int64
	latency, connect, held            *hdrhistogram.Histogram
	refusal                           error // the last one, also of before the window
}

func (r *groupRecord) init(g *workload.Group) {
	r.group = g
	r.latency, r.connect, r.held = results.NewHistogram(), results.NewHistogram(), results.NewHistogram()
}

func (r *groupRecord) open(took int64) {
	r.opened++
	results.RecordNS(r.connect, took)
}

func (r *groupRecord) refuse(err error, counting bool) {
	r.refusal = err
	if counting {
		r.refused++
	}
}

func (r *groupRecord) close(held int64) {
	r.closed++
	results.RecordNS(r.held, held)
}

func (r *groupRecord) answer(latency int64, right bool) {
	r.requests++
	if !right {
		r.errors++
	}
	results.RecordNS(r.latency, latency)
}

// result is the record as it is stored.
func (r *groupRecord) result() results.Group {
	g := r.group
	return results.Group{
		Name: g.Name, Kind: string(g.Kind), Spec: g.String(), Connections: g.Connections,
		Opened: r.opened, Refused: r.refused, Unopened: r.unopened, Closed: r.closed, Standing: r.standing,
		Requests: r.requests, Errors: r.errors, BytesSent: r.bytesSent, BytesRead: r.bytesRead,
		LatencyUS: results.QuantilesOf(r.latency), ConnectUS: results.QuantilesOf(r.connect), HeldUS: results.QuantilesOf(r.held),
	}
}
