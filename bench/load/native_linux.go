package load

import (
	"context"
	"fmt"
	"net"
	"runtime"
	"strconv"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/dynobench/dyno/protocol/http1"
	"github.com/dynobench/dyno/results"
)

// A job is what all threads of the native generator share; it does not change
// while they run.
type job struct {
	config   *Config
	window   *window
	family   int
	sockaddr func() unix.Sockaddr // one per thread: Connect writes into it
	requests [][]byte             // one per class, as it goes onto the wire
	// idempotent says of each class whether a request may be sent again where
	// it is not known whether the server has seen it (RFC 9110 section 9.2.2).
	idempotent []bool
	timeout    int64
	tick       int64 // how often a thread looks for timeouts, at least
	begin      chan struct{}
}

func runNative(ctx context.Context, c *Config, to endpoint) (*results.Load, error) {
	if err := needDescriptors(uint64(c.Connections) + uint64(2*c.Threads) + crowdDescriptors(c) + 32); err != nil {
		return nil, err
	}
	j, err := newJob(c, to)
	if err != nil {
		return nil, err
	}
	crowd, err := newCrowd(j, to.host)
	if err != nil {
		return nil, err
	}
	defer crowd.end()
	threads := make([]*thread, c.Threads)
	for i := range threads {
		if threads[i], err = newThread(j, i); err != nil {
			for _, t := range threads[:i] {
				t.poll.close()
			}
			return nil, err
		}
	}
	// One processor of the Go scheduler beyond the threads, so that the
	// conductor is not kept from the window's edges by a thread that never
	// blocks; the kernel gives it the CPU at once.
	if procs, busy := runtime.GOMAXPROCS(0), c.Threads+crowd.threads(); procs <= busy {
		runtime.GOMAXPROCS(busy + 1)
		defer runtime.GOMAXPROCS(procs)
	}
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
	if len(refused) == len(threads) {
		j.window.abort.Store(0)
		close(j.begin)
		running.Wait()
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, unreachable(c.URL, refused[0])
	}
	conductor := conductor{config: c, window: j.window, cpu: processCPU, answers: func() (n int64) {
		for _, t := range threads {
			n += t.answers.Load()
		}
		return n
	}}
	conductor.prepare()
	close(j.begin)
	read := conductor.run(ctx)
	running.Wait()
	crowd.end()

	recs := make([]*recorder, len(threads))
	for i, t := range threads {
		recs[i] = t.rec
		read.utilisation = max(read.utilisation, t.utilisation())
	}
	l, err := summarise(c, recs, read)
	crowd.addTo(l, read)
	return l, err
}

func newJob(c *Config, to endpoint) (*job, error) {
	j := &job{config: c, window: newWindow(), timeout: int64(c.Timeout), begin: make(chan struct{})}
	j.tick = min(max(j.timeout/10, 1e6), 20e6)
	for _, r := range c.Requests {
		j.requests = append(j.requests, http1.AppendRequest(nil, r.Method, r.Path, to.host, r.Header, r.Body))
		j.idempotent = append(j.idempotent, r.Method != "POST" && r.Method != "PATCH" && r.Method != "CONNECT")
	}
	switch ip := to.addr.Addr(); {
	case to.unix != "":
		j.family, j.sockaddr = unix.AF_UNIX, func() unix.Sockaddr { return &unix.SockaddrUnix{Name: to.unix} }
	case ip.Is4():
		j.family = unix.AF_INET
		j.sockaddr = func() unix.Sockaddr { return &unix.SockaddrInet4{Addr: ip.As4(), Port: int(to.addr.Port())} }
	default:
		zone := 0
		if z := ip.Zone(); z != "" {
			if ifi, err := net.InterfaceByName(z); err == nil {
				zone = ifi.Index
			} else if zone, err = strconv.Atoi(z); err != nil {
				return nil, fmt.Errorf("%s: no network interface %q", c.URL, z)
			}
		}
		j.family = unix.AF_INET6
		j.sockaddr = func() unix.Sockaddr {
			return &unix.SockaddrInet6{Addr: ip.As16(), Port: int(to.addr.Port()), ZoneId: uint32(zone)}
		}
	}
	return j, nil
}

// share is how many of n things thread i of k gets.
func share(n, i, k int) int { return n*(i+1)/k - n*i/k }
