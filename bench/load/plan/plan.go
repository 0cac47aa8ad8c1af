// Package plan says what a load asks for, and when: Config, checked and completed;
// the requests and how they look on the wire; the timetable of an open loop; and
// the one address that all of it goes to. It knows no socket but for the probe
// that finds out, before any load is offered, whether a server can be reached.
package plan

import (
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dynobench/dyno/bench/load/record"
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
	Journal *record.Journal

	curve *workload.Curve // of Profile, where the rate is not constant
	among [][]uint64      // for each class of Trace, bounds of its mix
}

// Phase is an edge of the measured window.
type Phase string

const (
	MeasureStart Phase = "measure-start"
	MeasureEnd   Phase = "measure-end"
)

// Progress is how a run stands.
type Progress struct {
	Elapsed, Total time.Duration // Total with the longest warm-up that there may be
	Measuring      bool          // the window has begun; what follows RPS is of the window
	RPS            float64       // answers per second since the last call
	P50US, P99US   float64       // latency of the answers of the last second; 0 where too few tell, or where they are of several classes
	Errors         int64         // failed so far
	Backlog        int64         // open model: due and not yet sent
}

// RightStatus tells whether an answer may have the status.
func (r *Request) RightStatus(status int) bool {
	if r.Status == 0 {
		return status/100 == 2
	}
	return status == r.Status
}

// RightDigest tells whether a body of which sum is the SHA-256 is right.
func (r *Request) RightDigest(sum []byte) bool {
	var text [2 * sha256.Size]byte
	hex.Encode(text[:], sum)
	return string(text[:]) == r.SHA256
}

// CheckVegeta refuses what net/http's client does not send as it is.
func (r *Request) CheckVegeta(field string) error {
	cannot := func(what string) error {
		return Errorf(field, "%s of %s: the vegeta generator cannot send it unchanged, the native one can", what, r.Class)
	}
	hosts := 0
	for _, h := range r.Header {
		name, value := h[0], h[1]
		switch {
		case !isToken(name):
			return cannot("header field " + strconv.Quote(name) + ", whose name HTTP does not allow,")
		case strings.ContainsFunc(value, func(c rune) bool { return c < ' ' && c != '\t' || c == 0x7f }), strings.Trim(value, " \t") != value:
			return cannot("header field " + name + " with the value " + strconv.Quote(value))
		case IsField(name, "Transfer-Encoding"), IsField(name, "Trailer"), IsField(name, "Content-Length"):
			return cannot("header field " + name + ", which is about the framing,")
		case IsField(name, "Host"):
			if hosts++; hosts > 1 || name != "Host" || value == "" || strings.ContainsFunc(value, func(c rune) bool { return c == '%' || c >= 0x7f }) {
				return cannot("header field " + name + ": " + value)
			}
		}
	}
	switch {
	case !isToken(r.Method), r.Method == http.MethodConnect:
		return cannot("method " + r.Method)
	case strings.HasPrefix(r.Path, "//"):
		return cannot("path " + r.Path)
	}
	return nil
}

func isToken(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(c rune) bool {
		return c <= ' ' || c >= 0x7f || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, c)
	})
}

// BeginJournal tells the Journal what is asked for.
func (c *Config) BeginJournal() error {
	to, err := parseURL(c.URL)
	if err != nil {
		return err
	}
	asked := make([]record.Asked, len(c.Requests))
	for i, r := range c.Requests {
		asked[i] = record.Asked{Class: r.Class, Method: r.Method, URL: to.base() + r.Path, Body: len(r.Body)}
	}
	if err := c.Journal.Begin(asked); err != nil {
		return Errorf("Journal", "%v", err)
	}
	return nil
}

// Look is how often a thread looks for timeouts, at least, in ns.
func (c *Config) Look() int64 { return min(max(int64(c.Timeout)/50, 1e6), 200e6) }

// OneClass tells whether all requests are of one class.
func (c *Config) OneClass() bool {
	return !slices.ContainsFunc(c.Requests, func(r Request) bool { return r.Class != c.Requests[0].Class })
}

// SampleEvery is which answers are compared by their digest beyond the first.
const SampleEvery = 64

// ManyClosed is how many connections a server may close after their first
// answer, without saying so and without ever keeping one, until a thread takes
// it for one that always does.
const ManyClosed = 8
