// Package vegeta offers a load by the well-known library of that name, as a second
// opinion on the native generator.
package vegeta

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"

	"github.com/dynobench/dyno/bench/load/netio"
	"github.com/dynobench/dyno/bench/load/phases"
	"github.com/dynobench/dyno/bench/load/plan"
	"github.com/dynobench/dyno/bench/load/record"
	"github.com/dynobench/dyno/protocol/client"
	"github.com/dynobench/dyno/protocol/http1"
	"github.com/dynobench/dyno/scenarios/workload"
)

// An attack is one run of vegeta's library, which differs from the native
// generator in what it can tell: it stamps a request when one of its workers takes
// it, so that in the closed model the time between an answer and that moment is in
// no latency (Little's law shows it); its timeout counts from there; it knows
// neither connections nor heads, so that Fairness stays zero and BytesRead is that
// of the bodies; net/http silently tries again where a kept connection has gone,
// and sorts header fields by their names. Latencies here count from intended, as
// everywhere.
type attack struct {
	config *plan.Config
	window *record.Window
	rec    *record.Recorder
	aims   []aim

	dials, reconnects, answers, spent atomic.Int64
	open                              openConns
	ended                             atomic.Int64 // when an interruption ended them

	// The pacer makes hits, the targeter takes them in the same order, and the
	// fragment of the URL, which leaves no client, tells the result whose it is.
	mu       sync.Mutex
	plan     *plan.Timetable // open model: of the warm-up, then of the window
	origin   int64
	inWindow bool
	mix      plan.Mix // closed model
	made     []hit
	taken    map[int64]hit
	draws    workload.Source
	measured bool   // draws are those of the window
	number   int64  // of hits taken
	freed    int64  // when a worker last became free after none was
	failure  string // the last one, as vegeta tells it

	compared []int64 // answers by class
}

type hit struct {
	due   int64 // 0 in the closed model: when taken
	ready int64
	class int

	request *http.Request // that is meant
}

// mostBody bounds what is read of a body whose length nobody has stated.
const mostBody = 64 << 20

// Run offers the load c to the server at to. Its errors are as load.Run's.
func Run(ctx context.Context, c *plan.Config, to plan.Endpoint) (*record.Reading, error) {
	if err := netio.NeedDescriptors(uint64(c.Connections) + 32); err != nil {
		return nil, err
	}
	aims, err := newAims(c, to)
	if err != nil {
		return nil, err
	}
	a := &attack{
		config: c, window: record.NewWindow(), aims: aims, draws: plan.NewDraws(c, 0, 1), mix: plan.NewMix(c, 0),
		taken: make(map[int64]hit, c.Connections), compared: make([]int64, len(c.Requests)),
	}
	a.ended.Store(record.Never)
	a.rec = record.NewRecorder(a.window, len(c.Requests), 0)
	dial, secure := a.dialer(to), c.Secure(to)
	if err := plan.Probe(ctx, c, secure, dial); err != nil {
		return nil, err
	}
	a.dials.Store(0)
	transport := &http.Transport{
		DialContext: dial, DisableCompression: true,
		MaxIdleConnsPerHost: c.Connections, MaxConnsPerHost: c.Connections,
		MaxResponseHeaderBytes: http1.MaxResponseHead, TLSClientConfig: secure,
	}
	gateways := &client.Transport{Params: c.Params, DialContext: dial, MaxIdle: c.Connections}
	defer gateways.CloseIdleConnections()
	client.Register(transport, gateways)
	defer transport.CloseIdleConnections()
	// net/http says on standard error what it thinks of a server.
	defer log.SetOutput(log.Writer())
	log.SetOutput(io.Discard)
	// Of vegeta's options only those that leave the transport alone go
	// together with a client of one's own.
	attacker := vegeta.NewAttacker(
		vegeta.Client(&http.Client{
			Transport: exact{a, transport}, Timeout: c.Timeout,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}),
		vegeta.Workers(uint64(c.Connections)), vegeta.MaxWorkers(uint64(c.Connections)),
		vegeta.MaxBody(longestBody(c)),
	)

	conductor := phases.Conductor{Config: c, Window: a.window, Cpu: netio.ProcessCPU, Answers: a.answers.Load, Spent: a.spent.Load}
	conductor.Prepare()
	if c.Warmup == 0 {
		netio.SleepUntil(a.window.Start.Load())
	}
	if c.Model == plan.Open {
		a.plan, a.origin = plan.NewTimetable(c, plan.StreamWarmup, 0, 1), record.Now()
	}
	hits := attacker.Attack(a.target, a, 0, "")
	collected := make(chan struct{})
	go func() {
		defer close(collected)
		for r := range hits {
			a.collect(r)
		}
	}()
	stop := context.AfterFunc(ctx, func() {
		a.window.Abort.CompareAndSwap(record.Never, record.Now()+int64(phases.InterruptGrace)+2*int64(record.Lead))
		for at := a.window.Abort.Load(); record.Now() < at; at = a.window.Abort.Load() {
			netio.SleepUntil(at) // the conductor may put it off meanwhile
		}
		a.ended.Store(record.Now())
		a.open.end()
	})
	defer stop()
	read := conductor.Run(ctx)
	attacker.Stop()
	<-collected // what is outstanding is waited for, Timeout bounds it
	read.Interrupted = read.Interrupted || ctx.Err() != nil
	a.settle()
	read.Utilisation = float64(read.ProcessCPU) / float64(max(1, read.End-read.Start)) / float64(runtime.GOMAXPROCS(0))
	read.Recorders = []*record.Recorder{a.rec}
	return read, nil
}

// dialer connects to the one address, whatever vegeta asks for. After a
// failure it waits a little before it says so: a closed loop would spin.
func (a *attack) dialer(to plan.Endpoint) plan.DialFunc {
	dial := plan.DialTo(a.config, to)
	return func(ctx context.Context, _, _ string) (net.Conn, error) {
		conn, err := dial(ctx, "", "")
		if err != nil {
			select {
			case <-ctx.Done():
			case <-time.After(10 * time.Millisecond):
			}
			return nil, err
		}
		if a.dials.Add(1) > int64(a.config.Connections) && a.window.Holds(record.Now()) {
			a.reconnects.Add(1)
		}
		return a.open.add(conn), nil
	}
}

// openConns are connections that can be ended all together: of an interrupted
// run nothing else ends what is under way.
type openConns struct {
	mu    sync.Mutex
	conns map[net.Conn]bool
	over  bool
}

func (o *openConns) add(conn net.Conn) net.Conn {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.over {
		conn.Close()
		return conn
	}
	if o.conns == nil {
		o.conns = map[net.Conn]bool{}
	}
	o.conns[conn] = true
	return openConn{conn, o}
}

func (o *openConns) end() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.over = true
	for conn := range o.conns {
		conn.Close()
	}
}

type openConn struct {
	net.Conn
	of *openConns
}

func (c openConn) Close() error {
	c.of.mu.Lock()
	delete(c.of.conns, c.Conn)
	c.of.mu.Unlock()
	return c.Conn.Close()
}

// longestBody is enough to see that a body is longer than it has to be.
func longestBody(c *plan.Config) int64 {
	longest := int64(0)
	for _, r := range c.Requests {
		if r.Length < 0 {
			return mostBody
		}
		longest = max(longest, r.Length+1)
	}
	return longest
}

// Pace implements vegeta.Pacer. Vegeta asks for the next hit as soon as a
// worker has taken the one before.
func (a *attack) Pace(time.Duration, uint64) (wait time.Duration, stop bool) {
	at := record.Now()
	start, end := a.window.Start.Load(), a.window.End.Load()
	if at >= end {
		return 0, true
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.config.Model == plan.Closed {
		a.made = append(a.made, hit{class: a.mix.Draw()})
		return 0, false
	}
	due, class := a.plan.Due()
	due += a.origin
	if !a.inWindow && (at >= start || due >= start) {
		a.plan, a.origin, a.inWindow = plan.NewTimetable(a.config, 0, 0, 1), start, true
		due, class = a.plan.Due()
		due += start
	}
	if due >= end {
		return 0, true
	}
	a.plan.Next()
	a.made = append(a.made, hit{due: due, class: class})
	return time.Duration(due - at), false
}

// Rate implements vegeta.Pacer.
func (a *attack) Rate(time.Duration) float64 { return a.config.Rate }

var _ vegeta.Pacer = (*attack)(nil)

// target is the vegeta.Targeter: a worker takes the oldest hit that was made.
func (a *attack) target(t *vegeta.Target) error {
	a.mu.Lock()
	h := a.made[0]
	a.made = a.made[:copy(a.made, a.made[1:])] // rarely more than one
	a.number++
	n := a.number
	h.ready = max(h.due, a.freed)
	if start := a.window.Start.Load(); !a.measured && (h.due >= start || h.due == 0 && record.Now() >= start) {
		a.draws.Window()
		a.measured = true
	}
	d := a.draws.Next(h.class)
	a.mu.Unlock()
	h.request = a.aims[h.class].draw(d)
	a.mu.Lock()
	a.taken[n] = h
	a.mu.Unlock()
	*t = numbered(n)
	return nil
}

// collect records one result; nothing is kept of it.
func (a *attack) collect(r *vegeta.Result) {
	n, ok := numberOf(r.URL[strings.LastIndexByte(r.URL, '#')+1:])
	if !ok {
		return // a hit without a target: there is none
	}
	a.mu.Lock()
	h := a.taken[n]
	if len(a.taken) == a.config.Connections {
		a.freed = record.Now()
	}
	delete(a.taken, n)
	a.mu.Unlock()

	taken := int64(r.Timestamp.Sub(record.ClockBase))
	o := record.Outcome{
		Class: h.class, Conn: -1, Intended: h.due, Ready: h.ready, Acted: taken, Sent: taken,
		Done: taken + int64(r.Latency), Bytes: int64(r.BytesIn), Kind: a.verdict(h.class, r), Status: int(r.Code),
	}
	if a.config.Model == plan.Closed {
		o.Intended, o.Ready = taken, taken
	}
	o.Ready = min(o.Ready, taken)
	if r.Code == 0 && o.Done >= min(a.window.Abort.Load(), a.ended.Load()) {
		o.Kind = record.CutShort
	}
	if r.Code == 0 && o.Intended >= a.window.Start.Load() {
		a.failure = r.Error
	}
	if o.Kind <= record.WrongBody {
		a.answers.Add(1)
		a.spent.Add(o.Done - o.Intended)
	}
	if o.Kind != record.FailedConnect {
		a.rec.Run.Sent++
	}
	a.rec.Record(&o)
}

// verdict is what checker's is for the native generator.
func (a *attack) verdict(class int, r *vegeta.Result) record.Kind {
	if r.Code == 0 {
		return failureOf(r.Error)
	}
	q := &a.config.Requests[class]
	if !q.RightStatus(int(r.Code)) {
		return record.WrongStatus
	}
	if q.Length >= 0 && int64(len(r.Body)) != q.Length {
		return record.WrongBody
	}
	a.compared[class]++
	if n := a.compared[class]; n > 1 && n%plan.SampleEvery != 0 {
		return record.Answered
	}
	if q.Want != nil && !bytes.Equal(r.Body, q.Want) {
		return record.WrongBody
	}
	if q.Want == nil && q.SHA256 != "" {
		if sum := sha256.Sum256(r.Body); !q.RightDigest(sum[:]) {
			return record.WrongBody
		}
	}
	return record.Answered
}

// failureOf tells the kind of an error of which vegeta keeps only the text.
func failureOf(text string) record.Kind {
	switch {
	case strings.Contains(text, "Client.Timeout"), strings.Contains(text, context.DeadlineExceeded.Error()):
		return record.TimedOut
	case strings.Contains(text, ": dial "), strings.Contains(text, ": tls: "):
		return record.FailedConnect
	case strings.Contains(text, ": write "):
		return record.FailedWrite
	}
	return record.FailedRead
}

// settle accounts for what was due and never sent.
func (a *attack) settle() {
	a.rec.Reconnects = a.reconnects.Load()
	if a.failure != "" {
		_, what, _ := strings.Cut(a.failure, "\": ") // behind the method and the URL
		a.rec.Cause = errors.New(cmp.Or(what, a.failure))
	}
	start, end := a.window.Start.Load(), a.window.End.Load()
	if a.config.Model == plan.Closed {
		return
	}
	if !a.inWindow {
		a.plan, a.origin, a.made = plan.NewTimetable(a.config, 0, 0, 1), start, nil
	}
	unsent := func(due int64, class int) {
		a.rec.Record(&record.Outcome{Kind: record.NeverSent, Class: class, Conn: -1, Intended: due, Done: end})
	}
	for _, h := range a.made {
		unsent(h.due, h.class)
	}
	for {
		due, class := a.plan.Due()
		if due += a.origin; due >= end {
			return
		}
		a.plan.Next()
		unsent(due, class)
	}
}
