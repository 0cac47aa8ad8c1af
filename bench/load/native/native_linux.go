// Package native is dyno's own generator: locked threads on raw io_uring or epoll,
// each with its share of the connections, its slots flat and reused.
package native

import (
	"cmp"
	"context"
	"crypto/tls"
	"runtime"
	"slices"
	"sync"

	"github.com/dynobench/dyno/bench/load/crowd"
	"github.com/dynobench/dyno/bench/load/netio"
	"github.com/dynobench/dyno/bench/load/phases"
	"github.com/dynobench/dyno/bench/load/plan"
	"github.com/dynobench/dyno/bench/load/record"
)

// A job is what all threads of the native generator share; it does not change
// while they run.
type job struct {
	config *plan.Config
	to     plan.Endpoint
	window *record.Window
	tls    *tls.Config // https
	wires  []plan.Wire // one per class
	// idempotent says of each class whether a request may be sent again where
	// it is not known whether the server has seen it (RFC 9110 section 9.2.2).
	idempotent []bool
	closes     []bool // likewise, whether it ends its connection
	timeout    int64
	look       int64 // how often a thread looks for timeouts, at least, and
	tick       int64 // for slots that wait after a failure
	begin      chan struct{}
}

// Run offers the load c to the server at to. Its errors are as load.Run's.
func Run(ctx context.Context, c *plan.Config, to plan.Endpoint) (*record.Reading, error) {
	if err := netio.NeedDescriptors(uint64(c.Connections) + uint64(2*c.Threads) + crowd.Descriptors(c) + 32); err != nil {
		return nil, err
	}
	asked := c.Transport
	if err := ChooseTransport(c); err != nil {
		return nil, err
	}
	j, err := newJob(c, to)
	if err != nil {
		return nil, err
	}
	if j.tls != nil {
		if err := plan.Probe(ctx, c, j.tls, plan.DialTo(c, to)); err != nil {
			return nil, err
		}
	}
	crowd, err := crowd.New(c, to, j.tls, j.window)
	if err != nil {
		return nil, err
	}
	defer crowd.End()
	threads := make([]*thread, c.Threads)
	for i := range threads {
		if threads[i], err = newThread(j, i); err != nil {
			return nil, err
		}
	}
	// A thread keeps its processor of the Go scheduler, asleep or awake. The
	// rest of the process has as many as before, so that the conductor is not
	// kept from the window's edges; the kernel gives it the CPU at once.
	procs := runtime.GOMAXPROCS(0)
	runtime.GOMAXPROCS(procs + c.Threads + crowd.Threads())
	defer runtime.GOMAXPROCS(procs)
	// An early end, so that the threads give up whatever they are at.
	stop := context.AfterFunc(ctx, func() {
		j.window.Abort.CompareAndSwap(record.Never, record.Now()+int64(phases.InterruptGrace)+2*int64(record.Lead))
	})
	defer stop()

	crowd.Open()
	var running sync.WaitGroup
	opened := make(chan error, c.Threads)
	for _, t := range threads {
		running.Go(func() { t.run(opened) })
	}
	var refused []error
	for range threads {
		if err := <-opened; err != nil {
			refused = append(refused, err)
		}
	}
	var broken error
	for _, t := range threads {
		broken = cmp.Or(broken, t.broken)
	}
	if len(refused) == len(threads) || broken != nil {
		j.window.Abort.Store(0)
		close(j.begin)
		running.Wait()
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if broken != nil && asked == "" && c.Transport == TransportUring {
			// There is less memory to be locked than so many threads and
			// connections take.
			crowd.End()
			c.Transport = TransportEpoll
			return Run(ctx, c, to)
		}
		if broken != nil {
			return nil, broken
		}
		return nil, plan.Unreachable(c.URL, refused[0])
	}
	conductor := newConductor(c, j, threads)
	conductor.Prepare()
	close(j.begin)
	read := conductor.Run(ctx)
	running.Wait()
	crowd.End()
	read.Interrupted = read.Interrupted || ctx.Err() != nil // while the last answers were waited for

	for i, t := range threads {
		if t.broken != nil {
			return nil, t.broken
		}
		read.Recorders = append(read.Recorders, t.rec)
		if i > 0 {
			threads[0].tlsRecord.Add(t.tlsRecord)
		}
		read.Utilisation = max(read.Utilisation, t.utilisation())
	}
	if j.tls != nil {
		read.Tls = threads[0].tlsRecord.Result(j.tls)
	}
	crowd.AddTo(read)
	return read, nil
}

func newJob(c *plan.Config, to plan.Endpoint) (*job, error) {
	j := &job{config: c, to: to, tls: c.Secure(to), window: record.NewWindow(), timeout: int64(c.Timeout), begin: make(chan struct{})}
	j.look = c.Look()
	j.tick = min(j.look, 20e6)
	for _, r := range c.Requests {
		if c.Fresh && !to.Protocol.Gateway && !r.Closes() {
			r.Header = append(slices.Clip(r.Header), [2]string{"Connection", "close"})
		}
		w, err := plan.NewWire(c, &r, to)
		if err != nil {
			return nil, err
		}
		j.wires = append(j.wires, w)
		j.closes = append(j.closes, !to.Protocol.Gateway && r.Closes())
		j.idempotent = append(j.idempotent, r.Method != "POST" && r.Method != "PATCH" && r.Method != "CONNECT")
	}
	return j, nil
}

// share is how many of n things thread i of k gets.
func share(n, i, k int) int { return n*(i+1)/k - n*i/k }

// newConductor conducts the threads of a job.
func newConductor(c *plan.Config, j *job, threads []*thread) phases.Conductor {
	sum := func(of func(*thread) int64) func() int64 {
		return func() (n int64) {
			for _, t := range threads {
				n += of(t)
			}
			return n
		}
	}
	return phases.Conductor{
		Config: c, Window: j.window, Cpu: netio.ProcessCPU,
		Answers: sum(func(t *thread) int64 { return t.answers.Load() }),
		Spent:   sum(func(t *thread) int64 { return t.spent.Load() }),
	}
}
