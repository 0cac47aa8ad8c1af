package record

import (
	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/dynobench/dyno/results"
	"github.com/dynobench/dyno/scenarios/workload"
)

// A Group counts what the connections of one group saw in the window.
type Group struct {
	Group                             *workload.Group
	opened, Refused, Unopened, closed int64
	Standing                          int64 // at the end of the window
	requests, Errors                  int64
	BytesSent, BytesRead              int64
	latency, connect, held            *hdrhistogram.Histogram
	Refusal                           error // the last one, also of before the window
}

// Init makes the record ready for g.
func (r *Group) Init(g *workload.Group) {
	r.Group = g
	r.latency, r.connect, r.held = results.NewHistogram(), results.NewHistogram(), results.NewHistogram()
}

// Open records a connection that took so many ns to make.
func (r *Group) Open(took int64) {
	r.opened++
	results.RecordNS(r.connect, took)
}

// Refuse records a connection that could not be made, and counts it where counting.
func (r *Group) Refuse(err error, counting bool) {
	r.Refusal = err
	if counting {
		r.Refused++
	}
}

// Close records the end of a connection that was held for so many ns.
func (r *Group) Close(held int64) {
	r.closed++
	results.RecordNS(r.held, held)
}

// Answer records an answer.
func (r *Group) Answer(latency int64, right bool) {
	r.requests++
	if !right {
		r.Errors++
	}
	results.RecordNS(r.latency, latency)
}

// Result is the record as it is stored.
func (r *Group) Result() results.Group {
	g := r.Group
	return results.Group{
		Name: g.Name, Kind: string(g.Kind), Spec: g.String(), Connections: g.Connections,
		Opened: r.opened, Refused: r.Refused, Unopened: r.Unopened, Closed: r.closed, Standing: r.Standing,
		Requests: r.requests, Errors: r.Errors, BytesSent: r.BytesSent, BytesRead: r.BytesRead,
		LatencyUS: results.QuantilesOf(r.latency), ConnectUS: results.QuantilesOf(r.connect), HeldUS: results.QuantilesOf(r.held),
	}
}
