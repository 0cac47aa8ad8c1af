// Package load is the generator: it offers requests to a server, closed loop
// or open loop, and records what came back and when. It runs as its own
// process (dyno load), pinned apart from the server.
//
// Every request has three clocks: intended (when the model says that it is
// due), sent and done. Latency counts from intended, so that a server that
// stalls cannot hide the requests that it kept from being sent.
//
// A request belongs to the measured window if it is due in it. The window has
// its own schedule, which depends on nothing but the seed: every server is
// asked the same at the same moments, whatever it did in the warm-up. Each
// request of the window ends in exactly one of answered, failed (by kind) and
// unsent. After the window nothing new is sent; what is outstanding is waited
// for, until it is answered or its Timeout is over.
//
// Beside the busy connections there may be groups of others (Group): idle,
// slow, or coming and going in storms.
//
// Two generators share Config and the result: native, locked threads on raw
// epoll (Linux), and vegeta, the well-known library, kept as a cross-check.
package load

import (
	"context"
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

	// What makes the answer right. Status 0 means any 2xx. Length is that of
	// the body and checked on every answer, −1 means any. Want nil means any
	// bytes; otherwise the length of every answer is checked against it, and
	// a sample is compared byte by byte: the first of the class on each
	// connection and every 64th answer there.
	Status int
	Length int64
	Want   []byte
	SHA256 string // of the body, lower-case hex; checked on the same sample where Want is nil
}

// Config is one run of the generator. Zero values mean the defaults; URL has
// none.
type Config struct {
	URL         string // http://host:port/path, http://[v6]:port or unix:/socket:/path; its path is used where Requests is empty
	Requests    []Request
	Groups      []Group       // connections beside the busy ones; native generator
	Model       Model         // default Closed
	Rate        float64       // requests per second, open model
	Arrivals    Arrivals      // open model; default Constant
	Connections int           // each with one request outstanding at most; default 64
	Threads     int           // native: locked threads, each with its share of the connections; default 1
	Duration    time.Duration // the measured window; default 10 s
	Warmup      time.Duration // at most; the warm-up ends earlier once the rate is steady, 0 means none
	Timeout     time.Duration // of one request, from intended; default 10 s
	Seed        uint64        // of the schedule and the choice of classes; default 1
	Generator   string        // "native" (default) or "vegeta"

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

// Run offers the load and returns what was seen. It returns early with
// Interrupted set, and no error, when ctx ends. An error means that nothing
// was measured: a bad Config (*ConfigError), a limit of this process, or a
// server that could not be reached at all.
func Run(ctx context.Context, c Config) (*results.Load, error) {
	c, err := c.withDefaults()
	if err != nil {
		return nil, err
	}
	to, err := c.resolve(ctx)
	if err != nil {
		return nil, err
	}
	if c.Generator == "vegeta" {
		return runVegeta(ctx, &c, to)
	}
	return runNative(ctx, &c, to)
}
