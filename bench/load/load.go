// Package load is the generator: it offers requests to a server, closed loop
// or open loop, and records what came back and when. It runs as its own
// process (dyno load), pinned apart from the server.
//
// Every request has three clocks: intended (when the model says that it is
// due), sent and done. Latency counts from intended, so that a server that
// stalls cannot hide the requests that it kept from being sent.
//
// Two generators share Config and the result: native, locked threads on raw
// epoll (Linux), and vegeta, the well-known library, kept as a cross-check.
package load

import (
	"context"
	"fmt"
	"time"

	"github.com/dynobench/dyno/results"
)

// Model says what makes a request due.
type Model string

const (
	Closed Model = "closed" // the answer to the one before on the same connection
	Open   Model = "open"   // the clock
)

// Arrivals is the schedule of the open model.
type Arrivals string

const (
	Constant Arrivals = "constant" // evenly spaced
	Poisson  Arrivals = "poisson"  // exponential gaps, from Config.Seed
)

// Request is one class of requests, formatted once before the run.
type Request struct {
	Class  string // classes of the same name share a histogram
	Weight int    // relative share, at least 1
	Method string // GET when empty
	Path   string // origin form with query
	Header [][2]string
	Body   []byte

	// What makes the answer right. Status 0 means any 2xx. Length −1 means
	// any. Body nil means any bytes; otherwise a sample of the answers is
	// compared byte by byte and the length of every one is checked.
	Status int
	Length int64
	Want   []byte
	SHA256 string // lower-case hex; checked on a sample where Want is nil
}

// Config is one run of the generator.
type Config struct {
	URL         string // http://host:port, http://[v6]:port or unix:/path; its path is used where Requests is empty
	Requests    []Request
	Model       Model
	Rate        float64 // requests per second, open model
	Arrivals    Arrivals
	Connections int
	Threads     int           // native: locked threads, each with its share of the connections
	Duration    time.Duration // the measured window
	Warmup      time.Duration // at most; the warm-up ends earlier once the rate is steady, 0 means none
	Timeout     time.Duration // of one request, from intended
	Seed        uint64
	Generator   string // "native" or "vegeta"

	// Phase, where not nil, is called at the edges of the measured window,
	// as close to them as the clock allows and never on the hot path: once
	// with MeasureStart, once with MeasureEnd.
	Phase func(Phase)
	// Progress, where not nil, is called a few times a second.
	Progress func(elapsed, total time.Duration, rate float64)
}

// Phase is an edge of the measured window.
type Phase string

const (
	MeasureStart Phase = "measure-start"
	MeasureEnd   Phase = "measure-end"
)

// PhaseFD is the environment variable by which a parent process gives the
// generator a descriptor to announce phases on: one line each, the phase and
// CLOCK_MONOTONIC in nanoseconds, separated by a space.
const PhaseFD = "DYNO_LOAD_PHASE_FD"

// Run offers the load and returns what was seen. It returns early with
// Interrupted set, and no error, when ctx ends. An error means that nothing
// was measured: a bad Config, or a server that could not be reached at all.
func Run(ctx context.Context, c Config) (*results.Load, error) {
	c, err := c.withDefaults()
	if err != nil {
		return nil, err
	}
	switch c.Generator {
	case "native":
		return runNative(ctx, c)
	case "vegeta":
		return runVegeta(ctx, c)
	}
	return nil, fmt.Errorf("unknown generator %q (known: native, vegeta)", c.Generator)
}
