package load

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

	"github.com/dynobench/dyno/protocol/client"
	"github.com/dynobench/dyno/protocol/http1"
	"github.com/dynobench/dyno/scenarios/workload"
)

// An attack is one run of vegeta's library, which differs from the native
// generator in what it can tell: it stamps a request when one of its workers
// takes it, so that in the closed model the time between an answer and that
// moment is in no latency (Little's law shows it); its timeout counts from
// there; it knows neither connections nor heads, so that Fairness stays zero
// and BytesRead is that of the bodies; net/http silently tries again where a
// kept connection has gone, and sorts header fields by their names. Latencies here count from intended, as everywhere.
type attack struct {
	config *Config
	window *window
	rec    *recorder
	aims   []aim

	dials, reconnects, answers, spent atomic.Int64
	open                              openConns
	ended                             atomic.Int64 // when an interruption ended them

	// The pacer makes hits, the targeter takes them in the same order, and the
	// fragment of the URL, which leaves no client, tells the result whose it is.
	mu       sync.Mutex
	plan     *schedule // open model: of the warm-up, then of the window
	origin   int64
	inWindow bool
	mix      mix // closed model
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

func runVegeta(ctx context.Context, c *Config, to endpoint) (*reading, error) {
	if err := needDescriptors(uint64(c.Connections) + 32); err != nil {
		return nil, err
	}
	aims, err := newAims(c, to)
	if err != nil {
		return nil, err
	}
	a := &attack{
		config: c, window: newWindow(), aims: aims, draws: newDraws(c, 0, 1), mix: newMix(c, 0),
		taken: make(map[int64]hit, c.Connections), compared: make([]int64, len(c.Requests)),
	}
	a.ended.Store(never)
	a.rec = newRecorder(a.window, len(c.Requests), 0)
	dial, secure := a.dialer(to), c.secure(to)
	if err := probe(ctx, c, secure, dial); err != nil {
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

	conductor := conductor{config: c, window: a.window, cpu: processCPU, answers: a.answers.Load, spent: a.spent.Load}
	conductor.prepare()
	if c.Warmup == 0 {
		sleepUntil(a.window.start.Load())
	}
	if c.Model == Open {
		a.plan, a.origin = newSchedule(c, streamWarmup, 0, 1), now()
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
		a.window.abort.CompareAndSwap(never, now()+int64(interruptGrace)+2*int64(lead))
		for at := a.window.abort.Load(); now() < at; at = a.window.abort.Load() {
			sleepUntil(at) // the conductor may put it off meanwhile
		}
		a.ended.Store(now())
		a.open.end()
	})
	defer stop()
	read := conductor.run(ctx)
	attacker.Stop()
	<-collected // what is outstanding is waited for, Timeout bounds it
	read.interrupted = read.interrupted || ctx.Err() != nil
	a.settle()
	read.utilisation = float64(read.processCPU) / float64(max(1, read.end-read.start)) / float64(runtime.GOMAXPROCS(0))
	read.recorders = []*recorder{a.rec}
	return read, nil
}

// dialer connects to the one address, whatever vegeta asks for. After a
// failure it waits a little before it says so: a closed loop would spin.
func (a *attack) dialer(to endpoint) dialFunc {
	dial := dialTo(a.config, to)
	return func(ctx context.Context, _, _ string) (net.Conn, error) {
		conn, err := dial(ctx, "", "")
		if err != nil {
			select {
			case <-ctx.Done():
			case <-time.After(10 * time.Millisecond):
			}
			return nil, err
		}
		if a.dials.Add(1) > int64(a.config.Connections) && a.window.holds(now()) {
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
func longestBody(c *Config) int64 {
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
	at := now()
	start, end := a.window.start.Load(), a.window.end.Load()
	if at >= end {
		return 0, true
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.config.Model == Closed {
		a.made = append(a.made, hit{class: a.mix.draw()})
		return 0, false
	}
	due, class := a.plan.due()
	due += a.origin
	if !a.inWindow && (at >= start || due >= start) {
		a.plan, a.origin, a.inWindow = newSchedule(a.config, 0, 0, 1), start, true
		due, class = a.plan.due()
		due += start
	}
	if due >= end {
		return 0, true
	}
	a.plan.next()
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
	if start := a.window.start.Load(); !a.measured && (h.due >= start || h.due == 0 && now() >= start) {
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
		a.freed = now()
	}
	delete(a.taken, n)
	a.mu.Unlock()

	taken := int64(r.Timestamp.Sub(clockBase))
	o := outcome{
		class: h.class, conn: -1, intended: h.due, ready: h.ready, acted: taken, sent: taken,
		done: taken + int64(r.Latency), bytes: int64(r.BytesIn), kind: a.verdict(h.class, r), status: int(r.Code),
	}
	if a.config.Model == Closed {
		o.intended, o.ready = taken, taken
	}
	o.ready = min(o.ready, taken)
	if r.Code == 0 && o.done >= min(a.window.abort.Load(), a.ended.Load()) {
		o.kind = cutShort
	}
	if r.Code == 0 && o.intended >= a.window.start.Load() {
		a.failure = r.Error
	}
	if o.kind <= wrongBody {
		a.answers.Add(1)
		a.spent.Add(o.done - o.intended)
	}
	if o.kind != failedConnect {
		a.rec.run.Sent++
	}
	a.rec.record(&o)
}

// verdict is what checker's is for the native generator.
func (a *attack) verdict(class int, r *vegeta.Result) kind {
	if r.Code == 0 {
		return failureOf(r.Error)
	}
	q := &a.config.Requests[class]
	if !q.rightStatus(int(r.Code)) {
		return wrongStatus
	}
	if q.Length >= 0 && int64(len(r.Body)) != q.Length {
		return wrongBody
	}
	a.compared[class]++
	if n := a.compared[class]; n > 1 && n%sampleEvery != 0 {
		return answered
	}
	if q.Want != nil && !bytes.Equal(r.Body, q.Want) {
		return wrongBody
	}
	if q.Want == nil && q.SHA256 != "" {
		if sum := sha256.Sum256(r.Body); !q.rightDigest(sum[:]) {
			return wrongBody
		}
	}
	return answered
}

// failureOf tells the kind of an error of which vegeta keeps only the text.
func failureOf(text string) kind {
	switch {
	case strings.Contains(text, "Client.Timeout"), strings.Contains(text, context.DeadlineExceeded.Error()):
		return timedOut
	case strings.Contains(text, ": dial "), strings.Contains(text, ": tls: "):
		return failedConnect
	case strings.Contains(text, ": write "):
		return failedWrite
	}
	return failedRead
}

// settle accounts for what was due and never sent.
func (a *attack) settle() {
	a.rec.reconnects = a.reconnects.Load()
	if a.failure != "" {
		_, what, _ := strings.Cut(a.failure, "\": ") // behind the method and the URL
		a.rec.cause = errors.New(cmp.Or(what, a.failure))
	}
	start, end := a.window.start.Load(), a.window.end.Load()
	if a.config.Model == Closed {
		return
	}
	if !a.inWindow {
		a.plan, a.origin, a.made = newSchedule(a.config, 0, 0, 1), start, nil
	}
	unsent := func(due int64, class int) {
		a.rec.record(&outcome{kind: neverSent, class: class, conn: -1, intended: due, done: end})
	}
	for _, h := range a.made {
		unsent(h.due, h.class)
	}
	for {
		due, class := a.plan.due()
		if due += a.origin; due >= end {
			return
		}
		a.plan.next()
		unsent(due, class)
	}
}
