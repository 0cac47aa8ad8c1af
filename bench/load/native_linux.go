package load

import (
	"cmp"
	"context"
	"crypto/tls"
	"runtime"
	"slices"
	"sync"
)

// A job is what all threads of the native generator share; it does not change
// while they run.
type job struct {
	config *Config
	to     endpoint
	window *window
	tls    *tls.Config // https
	wires  []wire      // one per class
	// idempotent says of each class whether a request may be sent again where
	// it is not known whether the server has seen it (RFC 9110 section 9.2.2).
	idempotent []bool
	closes     []bool // likewise, whether it ends its connection
	timeout    int64
	look       int64 // how often a thread looks for timeouts, at least, and
	tick       int64 // for slots that wait after a failure
	begin      chan struct{}
}

func runNative(ctx context.Context, c *Config, to endpoint) (*reading, error) {
	if err := needDescriptors(uint64(c.Connections) + uint64(2*c.Threads) + crowdDescriptors(c) + 32); err != nil {
		return nil, err
	}
	asked := c.Transport
	if err := chooseTransport(c); err != nil {
		return nil, err
	}
	j, err := newJob(c, to)
	if err != nil {
		return nil, err
	}
	if j.tls != nil {
		if err := probe(ctx, c, j.tls, dialTo(c, to)); err != nil {
			return nil, err
		}
	}
	crowd, err := newCrowd(c, to, j.tls, j.window)
	if err != nil {
		return nil, err
	}
	defer crowd.end()
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
	runtime.GOMAXPROCS(procs + c.Threads + crowd.threads())
	defer runtime.GOMAXPROCS(procs)
	// An early end, so that the threads give up whatever they are at.
	stop := context.AfterFunc(ctx, func() { j.window.abort.CompareAndSwap(never, now()+int64(interruptGrace)+2*int64(lead)) })
	defer stop()

	crowd.open()
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
		j.window.abort.Store(0)
		close(j.begin)
		running.Wait()
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if broken != nil && asked == "" && c.Transport == transportUring {
			// There is less memory to be locked than so many threads and
			// connections take.
			crowd.end()
			c.Transport = transportEpoll
			return runNative(ctx, c, to)
		}
		if broken != nil {
			return nil, broken
		}
		return nil, unreachable(c.URL, refused[0])
	}
	conductor := newConductor(c, j, threads)
	conductor.prepare()
	close(j.begin)
	read := conductor.run(ctx)
	running.Wait()
	crowd.end()
	read.interrupted = read.interrupted || ctx.Err() != nil // while the last answers were waited for

	for i, t := range threads {
		if t.broken != nil {
			return nil, t.broken
		}
		read.recorders = append(read.recorders, t.rec)
		if i > 0 {
			threads[0].tlsRecord.add(t.tlsRecord)
		}
		read.utilisation = max(read.utilisation, t.utilisation())
	}
	if j.tls != nil {
		read.tls = threads[0].tlsRecord.result(j.tls)
	}
	crowd.addTo(read)
	return read, nil
}

func newJob(c *Config, to endpoint) (*job, error) {
	j := &job{config: c, to: to, tls: c.secure(to), window: newWindow(), timeout: int64(c.Timeout), begin: make(chan struct{})}
	j.look = c.look()
	j.tick = min(j.look, 20e6)
	for _, r := range c.Requests {
		if c.Fresh && !to.protocol.Gateway && !r.closes() {
			r.Header = append(slices.Clip(r.Header), [2]string{"Connection", "close"})
		}
		w, err := newWire(c, &r, to)
		if err != nil {
			return nil, err
		}
		j.wires = append(j.wires, w)
		j.closes = append(j.closes, !to.protocol.Gateway && r.closes())
		j.idempotent = append(j.idempotent, r.Method != "POST" && r.Method != "PATCH" && r.Method != "CONNECT")
	}
	return j, nil
}

// share is how many of n things thread i of k gets.
func share(n, i, k int) int { return n*(i+1)/k - n*i/k }

// newConductor conducts the threads of a job.
func newConductor(c *Config, j *job, threads []*thread) conductor {
	sum := func(of func(*thread) int64) func() int64 {
		return func() (n int64) {
			for _, t := range threads {
				n += of(t)
			}
			return n
		}
	}
	return conductor{
		config: c, window: j.window, cpu: processCPU,
		answers: sum(func(t *thread) int64 { return t.answers.Load() }),
		spent:   sum(func(t *thread) int64 { return t.spent.Load() }),
	}
}
