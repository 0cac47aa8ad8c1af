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
// Two generators carry a plan.Config out: native, locked threads on raw io_uring or
// epoll (Linux), and vegeta, the well-known library, as a cross-check. What they
// record, this package makes a result of and judges.
package load

import (
	"context"
	"crypto/tls"

	"github.com/dynobench/dyno/bench/load/native"
	"github.com/dynobench/dyno/bench/load/plan"
	"github.com/dynobench/dyno/bench/load/record"
	"github.com/dynobench/dyno/bench/load/vegeta"
	"github.com/dynobench/dyno/results"
)

// Run offers the load and returns what was seen. It returns early with
// Interrupted set, and no error, when ctx ends, at whatever moment; what is
// then under way counts as cut. An error means that nothing was measured: a bad
// Config (*ConfigError), a limit of this process, or a server that could not be
// reached at all.
func Run(ctx context.Context, c plan.Config) (*results.Load, error) {
	c, err := c.WithDefaults()
	if err != nil {
		return nil, err
	}
	if c.Journal != nil {
		if err := c.BeginJournal(); err != nil {
			return nil, err
		}
	}
	l, err := run(ctx, &c)
	if err != nil && ctx.Err() != nil { // before the load began
		return nothing(&c)
	}
	return l, err
}

func run(ctx context.Context, c *plan.Config) (*results.Load, error) {
	to, err := c.Resolve(ctx)
	if err != nil {
		return nil, err
	}
	generate := native.Run
	if c.Generator == "vegeta" {
		generate = vegeta.Run
	}
	read, err := generate(ctx, c, to)
	if err != nil {
		return nil, err
	}
	l, err := summarise(c, read)
	if err == nil {
		suspectTLS(ctx, c, to, l)
	}
	return l, err
}

// nothing is the result of a run that was interrupted before its load began.
func nothing(c *plan.Config) (*results.Load, error) {
	at := record.Now()
	w := record.WindowOf(at, at)
	return summarise(c, &record.Reading{Start: at, End: at, Interrupted: true, Recorders: []*record.Recorder{record.NewRecorder(w, len(c.Requests), 0)}})
}

// suspectTLS looks, where a server of http has refused everything, whether it
// did so because it speaks TLS: that is what most answer then.
func suspectTLS(ctx context.Context, c *plan.Config, to plan.Endpoint, l *results.Load) {
	if to.Tls || to.Protocol.Gateway || l.Interrupted || l.ThroughputRPS > 0 || l.Errors.Status == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, plan.ConnectTimeout(c))
	defer cancel()
	conn, err := plan.DialTo(c, to)(ctx, "", "")
	if err != nil {
		return
	}
	defer conn.Close()
	if tls.Client(conn, &tls.Config{InsecureSkipVerify: true}).HandshakeContext(ctx) != nil { //nolint:gosec // nothing is told it
		return
	}
	for i := range l.Warnings {
		if w := &l.Warnings[i]; w.Code == results.CodeErrors {
			w.Hint = plan.ErrSpokenTLS.Error()
		}
	}
}
