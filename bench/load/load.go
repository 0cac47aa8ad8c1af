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
// Beside the busy connections there may be groups of others (workload.Group): idle,
// slow, or coming and going in storms.
//
// It speaks http and, to what stands behind a web server, the gateway protocols
// uwsgi, scgi and fastcgi (package protocol/client). The first two of these have
// a connection for each request, as Config.Fresh asks for.
//
// Two generators share Config and the result: native, locked threads on raw
// io_uring or epoll (Linux), and vegeta, the well-known library, kept as a cross-check.
package load

import (
	"context"
	"crypto/tls"
	"net/netip"
	"time"

	"github.com/dynobench/dyno/results"
	"github.com/dynobench/dyno/scenarios/workload"
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
	Recorded Arrivals = "recorded" // those of Config.Trace
)

// Request is one class of requests, formatted once before the run. Its Path, the
// values of its Header and its Body may hold placeholders, as ${seq} or
// ${data.name} (see package template); each request of the class is then
// rendered when it is due. Whatever begins like a placeholder has to be one: a
// slip of the pen that asked a server millions of times for the same wrong thing
// would look like a measurement.
type Request struct {
	Class  string // classes of the same name share a histogram
	Weight int    // relative share, at least 1
	Method string // GET when empty
	Path   string // origin form with query
	Header [][2]string
	Body   []byte

	Verbatim bool // nothing in it is a placeholder

	// What makes the answer right. Status 0 means any 2xx. Length is that of
	// the body, −1 means any. Want nil means any bytes. All three are checked
	// on every answer, but for the bytes by the vegeta generator, which
	// compares a sample.
	Status int
	Length int64
	Want   []byte
	// SHA256 is of the body, lower-case hex, for those too long to be given
	// as Want. It is checked on a sample: the first answer on each connection
	// and every 64th there.
	SHA256 string
}

// Config is one run of the generator. Zero values mean the defaults; URL has
// none.
type Config struct {
	URL         string // http://host:port/path, http://[v6]:port or unix:/socket:/path; its path is used where Requests is empty. uwsgi://host:port/path, uwsgi://unix:/socket:/path, likewise scgi and fastcgi
	Requests    []Request
	Params      [][2]string      // gateway protocols: CGI variables beside the usual ones, such as SCRIPT_FILENAME
	Data        *workload.Data   // rows of which requests take fields; one that none takes a field from is an error
	DataOrder   workload.Order   // default workload.Sequence
	Model       Model            // default Closed
	Rate        float64          // requests per second, open model; Profile and Trace have their own
	Schedule    string           // open model: a rate that changes, as "100..5000" or "500@900ms,5000@100ms"; see workload.Schedule
	Arrivals    Arrivals         // open model; default Constant
	Trace       *Trace           // of Recorded arrivals: it plays once, and the window ends with it
	Speed       float64          // of Recorded arrivals: playback speed; default 1
	Connections int              // default 64
	Groups      []workload.Group // native: connections beside these, the busy ones
	Pipeline    int              // native: requests outstanding on a connection at most; default 1
	Fresh       bool             // native: a new connection for each request, which counts as part of it
	TLS         *tls.Config      // https: whom to trust, under which name, and the client's own certificates; default the system's authorities and the host of URL
	Resume      bool             // native, https: later connections go on with the session of earlier ones; default a full handshake for each
	Spin        time.Duration    // native, open model: how long before a request is due the thread stays awake for it; default 0
	Sources     []netip.Addr     // native: local addresses that connections come from, in turn; default: the system's choice
	Threads     int              // native: locked threads, each with its share of the connections; default 1
	Duration    time.Duration    // the measured window; default 10 s, or the Trace's length
	Warmup      time.Duration    // at most; the warm-up ends earlier once the rate is steady, 0 means none
	Timeout     time.Duration    // of one request, from intended; default 10 s
	Seed        uint64           // of the schedule and the choice of classes; default 1
	Transport   string           // native: "io_uring" or "epoll"; default io_uring where the kernel has it
	Generator   string           // "native" or "vegeta"; default native

	// Phase, where not nil, is called at the edges of the measured window,
	// as close to them as the clock allows and never on the hot path: once
	// with MeasureStart, once with MeasureEnd.
	Phase func(Phase)
	// Progress, where not nil, is called a few times a second.
	Progress func(Progress)
	// Steps asks for a histogram of each step of the series.
	Steps bool
	// Journal, where not nil, gets each request that is due in the window.
	Journal *Journal

	curve *workload.Curve // of Profile, where the rate is not constant
	among [][]uint64      // for each class of Trace, bounds of its mix
}

// Phase is an edge of the measured window.
type Phase string

const (
	MeasureStart Phase = "measure-start"
	MeasureEnd   Phase = "measure-end"
)

// Run offers the load and returns what was seen. It returns early with
// Interrupted set, and no error, when ctx ends, at whatever moment; what is then
// under way counts as cut. An error means that nothing
// was measured: a bad Config (*ConfigError), a limit of this process, or a
// server that could not be reached at all.
func Run(ctx context.Context, c Config) (*results.Load, error) {
	c, err := c.withDefaults()
	if err != nil {
		return nil, err
	}
	if c.Journal != nil {
		if err := c.Journal.begin(&c); err != nil {
			return nil, err
		}
	}
	l, err := run(ctx, &c)
	if err != nil && ctx.Err() != nil { // before the load began
		return nothing(&c)
	}
	return l, err
}

func run(ctx context.Context, c *Config) (*results.Load, error) {
	to, err := c.resolve(ctx)
	if err != nil {
		return nil, err
	}
	generate := runNative
	if c.Generator == "vegeta" {
		generate = runVegeta
	}
	l, err := generate(ctx, c, to)
	if err == nil {
		suspectTLS(ctx, c, to, l)
	}
	return l, err
}

// nothing is the result of a run that was interrupted before its load began.
func nothing(c *Config) (*results.Load, error) {
	w, at := newWindow(), now()
	w.start.Store(at)
	w.end.Store(at)
	return summarise(c, []*recorder{newRecorder(w, len(c.Requests), 0)}, reading{start: at, end: at, interrupted: true})
}
