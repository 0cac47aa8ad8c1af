// Package engines is what a concurrency model has to be for dyno: an Engine
// that serves a protocol.Service on a Socket, made from a Spec, watched by its
// Stats. The models themselves are the sub-packages, listed by
// engines/catalog; engines/enginetest holds what all of them must keep.
//
// Engines never know that they are measured: nothing below this folder imports
// the harness.
package engines

import (
	"context"

	"github.com/dynobench/dyno/protocol"
)

// Engine is one concurrency model.
//
// Serve accepts connections on sock and talks to them with Sessions of svc
// until ctx ends. Then it drains: it stops accepting, lets the requests in
// flight finish and their answers leave, closes idle connections, and returns
// nil with no goroutine, descriptor or process of its own left. What is still
// in flight svc.DrainTime after the end of ctx is cut off: its Context ends,
// its connection is closed, and Serve returns ErrDrainTimeout. Any other error
// means that the engine could not start or could not go on.
//
// Serve is called once. It owns sock and closes it. Stats may be called at any
// time from any goroutine.
type Engine interface {
	Serve(ctx context.Context, sock *Socket, svc *protocol.Service) error
	Stats() Stats
}

// Stats is an engine at one moment. What an engine cannot know is −1.
type Stats struct {
	Slots     int64 `json:"slots"`     // requests (or connections) that it can have in flight; 0 unbounded
	Busy      int64 `json:"busy"`      // slots in use
	Queue     int64 `json:"queue"`     // connections accepted and waiting for a slot
	Accepted  int64 `json:"accepted"`  // connections, since the start
	Requests  int64 `json:"requests"`  // answered, since the start
	Errors    int64 `json:"errors"`    // refused or broken off, since the start
	Processes int64 `json:"processes"` // that serve; 1 but for prefork
	Respawns  int64 `json:"respawns"`  // workers that ended unasked and were replaced
	Held      int64 `json:"held"`      // bytes that requests hold, of those that count: see protocol.Service.Hold

	Failed  Failed                 `json:"failed,omitzero"`  // the Errors whose kind is known
	Latency protocol.LatencyCounts `json:"latency,omitzero"` // of a Service that is Timed
}

// Failed are errors by kind, see protocol.Counters.
type Failed struct {
	BadRequest int64 `json:"bad_request"`
	Timeout    int64 `json:"timeout"`
	ClientGone int64 `json:"client_gone"`
	AppFailed  int64 `json:"app_failed"`
	Shed       int64 `json:"shed"` // answered 503
}

// AddCounts adds what o has counted since its start, and none of what o is at
// the moment.
func (s *Stats) AddCounts(o *Stats) {
	s.Accepted += o.Accepted
	s.Requests += o.Requests
	s.Errors += o.Errors
	s.Failed.BadRequest += o.Failed.BadRequest
	s.Failed.Timeout += o.Failed.Timeout
	s.Failed.ClientGone += o.Failed.ClientGone
	s.Failed.AppFailed += o.Failed.AppFailed
	s.Failed.Shed += o.Failed.Shed
	s.Latency.Add(o.Latency)
}
