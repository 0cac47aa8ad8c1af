package protocol

import (
	"errors"
	"io"
	"log/slog"
	"math"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/dynobench/dyno/protocol/gateway"
)

// Service is what an engine serves: the app, the protocol and the rules. All
// connections of an engine share one. It is made by NewService and not written
// to once it has a Session. An engine that needs other settings (its Flags,
// NoKeepAlive) changes a copy before it makes Sessions; the Counters and the
// pooled buffers stay shared. The Codec is never changed.
type Service struct {
	App         gateway.App
	Codec       Codec
	Limits      Limits
	Flags       gateway.Flags
	NoKeepAlive bool          // close after each response
	Proxied     bool          // each connection begins with a PROXY header, which says whose it is; without one it is closed
	Timed       bool          // requests are counted by how long they take: Counters.Latency
	DrainTime   time.Duration // how long an engine lets requests in flight finish once it is to end; 10 s
	Log         *slog.Logger  // the app's errors; refused requests at debug level
	Counters    *Counters

	lastCall *atomic.Int64 // nanoseconds, see Retire; shared by copies, as the Counters are
	pool     *sync.Pool    // of *request
}

// NewService returns a Service with the default limits that logs to slog's
// default logger.
func NewService(app gateway.App, codec Codec) *Service {
	s := &Service{
		App:       app,
		Codec:     codec,
		DrainTime: 10 * time.Second,
		Log:       slog.Default(),
		Counters:  new(Counters),
		lastCall:  new(atomic.Int64),
	}
	s.pool = &sync.Pool{New: func() any { return newRequest(codec, &s.Counters.Held) }}
	return s
}

// Retire has the engine end, once its ctx does, in a way that clients which are
// at work do not notice, for when a successor accepts from the same socket: from
// now on each answer is the last one of its connection, and says so; for d an
// idle connection is kept for the request that may be on its way. Only then the
// drain begins. It may be called from any goroutine, before the end of ctx.
func (s *Service) Retire(d time.Duration) { s.lastCall.Store(int64(d)) }

// LastCall is what Retire has been given, 0 if it has not been called.
func (s *Service) LastCall() time.Duration { return time.Duration(s.lastCall.Load()) }

// NewSession returns a Session for a connection just accepted.
func (s *Service) NewSession(peer Peer) *Session {
	if s.pool == nil {
		panic("protocol: a Service is made by NewService")
	}
	t := &Session{svc: s, peer: peer, since: time.Now(), state: Done, client: firstDue}
	if s.Proxied {
		t.client = proxyDue
	}
	t.ctx.parent = peer.Context
	return t
}

// Limits bound what one client can make the server hold or wait for. A zero
// field means the default, a negative one no limit.
type Limits struct {
	Line        int           // bytes of the request line; beyond: 414. Default 8 KiB
	HeaderCount int           // fields; beyond: 431. Default 100
	HeaderBytes int           // of the header section; beyond: 431. Default 64 KiB
	Body        int64         // bytes of a body; beyond: 413. Default 16 MiB
	Bodies      int64         // bytes that requests hold beyond 16 KiB each, over all connections of a Service; beyond: 503. Default 256 MiB, or Body if that is more
	HeaderTime  time.Duration // from the accept to the end of the first request's header, and from a further one's first byte to its end; beyond: 408, or a silent close if nothing has come. Default 10 s
	BodyTime    time.Duration // from there to the end of its body; beyond: 408. Default 60 s
	IdleTime    time.Duration // between requests; beyond: a silent close. Default 75 s
	WriteTime   time.Duration // for output to be taken, or each 16 KiB of more; beyond: the connection is cut. Default 60 s
}

// The limits that hold, with defaults filled in: what a Codec compares with.

// MaxLine is the limit on the request line in bytes.
func (l *Limits) MaxLine() int { return limit(l.Line, 8<<10) }

// MaxHeaderCount is the limit on the number of header fields.
func (l *Limits) MaxHeaderCount() int { return limit(l.HeaderCount, 100) }

// MaxHeaderBytes is the limit on the header section in bytes.
func (l *Limits) MaxHeaderBytes() int { return limit(l.HeaderBytes, 64<<10) }

// MaxBody is the limit on a request's body in bytes.
func (l *Limits) MaxBody() int64 {
	switch {
	case l.Body == 0:
		return 16 << 20
	case l.Body < 0:
		return math.MaxInt64
	}
	return l.Body
}

// MaxBodies is the limit on what all requests hold together in bytes.
func (l *Limits) MaxBodies() int64 {
	switch {
	case l.Bodies == 0:
		return max(256<<20, l.MaxBody())
	case l.Bodies < 0:
		return math.MaxInt64
	}
	return l.Bodies
}

func limit(v, byDefault int) int {
	switch {
	case v == 0:
		return byDefault
	case v < 0:
		// Far below the largest int, so that sums with it do not overflow.
		return math.MaxInt / 2
	}
	return v
}

// after is t + d, with byDefault for a zero d and never for a negative one.
func after(t time.Time, d, byDefault time.Duration) time.Time {
	switch {
	case d == 0:
		d = byDefault
	case d < 0:
		return time.Time{}
	}
	return t.Add(d)
}

// earlier is the earlier of two times, of which either may be zero, for never.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// Counters are the Service's own counts, safe for concurrent use.
type Counters struct {
	Requests atomic.Int64 // run by the app and answered completely, whatever the status
	Shed     atomic.Int64 // answered 503 because the engine had too much to do; Errors has them too
	Errors   atomic.Int64 // refused, or broken off by client, app or engine; a 500 for a failed app counts here too

	// Of the Errors, those of which a Session knows the kind. The rest were
	// closed for want of a slot, or cut off at the end of a drain.
	BadRequests atomic.Int64 // malformed, or beyond a limit on size: refused with 4xx or 5xx, or closed
	Timeouts    atomic.Int64 // the request, or the reading of its answer, took too long
	ClientGone  atomic.Int64 // the client left before its request or its answer was whole
	AppFailed   atomic.Int64 // the app panicked, or returned an error, or broke the contract

	Held atomic.Int64 // bytes that requests hold now, of those that count: see Hold

	Latency Latency // of the Requests, where the Service is Timed
}

// HeldFree is how much a request may hold without being asked after, so that
// uploads which use up Limits.Bodies have no bearing on small requests.
const HeldFree = 16 << 10

// Hold asks for n more bytes of memory for a request, beyond HeldFree, and tells
// whether Limits.Bodies has room for them; if not the request is to be refused.
// Whoever has got them gives them back: with a negative n, which is always
// granted.
func (s *Service) Hold(n int64) bool {
	if held := s.Counters.Held.Add(n); n > 0 && held > s.Limits.MaxBodies() {
		s.Counters.Held.Add(-n)
		return false
	}
	return true
}

// failed counts an error of that kind.
func (c *Counters) failed(kind *atomic.Int64) {
	c.Errors.Add(1)
	kind.Add(1)
}

// lost counts a request or an answer that ended with its connection.
func (c *Counters) lost(cause error) {
	var errno syscall.Errno
	var network net.Error
	switch {
	case errors.Is(cause, ErrWriteTimeout):
		c.failed(&c.Timeouts)
	case errors.As(cause, &errno), errors.As(cause, &network), errors.Is(cause, io.EOF), errors.Is(cause, net.ErrClosed):
		c.failed(&c.ClientGone)
	default: // the engine's decision
		c.Errors.Add(1)
	}
}

// ErrorLog is what apps get as env.Errors: each write is a record of the
// Service's log. It is no error on the Counters: apps may say what they like.
func (s *Service) ErrorLog() io.Writer { return (*errorLog)(s) }

type errorLog Service

func (e *errorLog) Write(p []byte) (int, error) {
	n := len(p)
	for n > 0 && (p[n-1] == '\n' || p[n-1] == '\r') {
		n--
	}
	e.Log.Error("app", "text", string(p[:n]))
	return len(p), nil
}
