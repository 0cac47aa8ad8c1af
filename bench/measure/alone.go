package measure

import (
	"errors"
	"os"
	"time"

	"github.com/dynobench/dyno/bench/meter"
)

// Alone watches a generator that is this process and has no harness beside it.
// It sees its own CPUs and control groups and, where the server is on this host
// and may be looked at, the server's process tree. What works for the server, a
// database say, it cannot tell from others.
type Alone struct {
	local  bool
	server *meter.Tree // nil: not here, or not to be found
	pid    int         // of its leader
	read   func() (meter.HostSample, error)
	cpus   []int
	before meter.Census
	edges  []aloneEdge
}

type aloneEdge struct {
	host         meter.HostSample
	died         bool
	here, server meter.Sample
	own, theirs  meter.Quotas
}

// AloneReading is what was seen in the window.
type AloneReading struct {
	Host    meter.HostUsage // on the CPUs that the generator may use
	Sides   []Side          // the generator's and, if the server was found, the server's; none where it cannot be told who had the CPUs
	Local   bool            // the server is on this host: others may work for it
	Busiest meter.Neighbour
	Held    meter.Throttled // the generator, by a quota
	Died    int             // the process id of a server of this host that is gone; 0: none is
}

// WatchAlone begins. server is its process, 0 if it was not found; local tells
// whether it is on this host; read is meter.ReadHost.
func WatchAlone(local bool, server int, read func() (meter.HostSample, error)) *Alone {
	a := &Alone{local: local, read: read}
	a.cpus, _ = meter.CPUs()         //nolint:errcheck // then all count
	a.before, _ = meter.ReadCensus() //nolint:errcheck // then nobody is named
	if server != 0 {
		a.server, a.pid = meter.NewTree(server), server
		_, _ = a.server.Glance() //nolint:errcheck // so that the first edge is quick
	}
	return a
}

// Edge is called at both edges of the window.
func (a *Alone) Edge() {
	var e aloneEdge
	var err error
	if a.server != nil {
		e.server, err = a.server.Sample()
		e.died = errors.Is(err, meter.ErrGone)
	}
	e.here = readHere()
	if e.host, err = a.read(); err != nil {
		return // other systems do not tell
	}
	if len(a.edges) == 0 {
		e.own, e.theirs = meter.ReadQuotas(os.Getpid()), meter.ReadQuotas(e.server.PIDs...)
	}
	a.edges = append(a.edges, e)
}

// End tells what was seen; false if the window had no two edges.
func (a *Alone) End() (r AloneReading, ok bool) {
	if len(a.edges) != 2 {
		return r, false
	}
	start, end := a.edges[0], a.edges[1]
	r = AloneReading{Host: end.host.Sub(start.host, a.cpus), Local: a.local, Held: start.own.Since()}
	if after, err := meter.ReadCensus(); err == nil {
		r.Busiest = after.Busiest(a.before, func(pid int) bool {
			return pid == os.Getpid() || a.server != nil && a.server.Belongs(pid)
		})
	}
	if end.died {
		r.Died = a.pid
		return r, true
	}
	if a.local && a.server == nil {
		return r, true
	}
	generator := Side{Name: "generator", Used: end.here.Sub(start.here), On: r.Host, Throttled: r.Held}
	generator.Ours = generator.Used.CPU
	if a.server == nil {
		r.Sides = []Side{generator}
		return r, true
	}
	server := Side{Name: "server", Used: end.server.Sub(start.server), On: r.Host, Throttled: start.theirs.Since()}
	generator.Ours += server.Used.CPU
	server.Ours = generator.Ours
	r.Sides = []Side{generator, server}
	return r, true
}

// Idle is the share of a side's CPUs' time that nobody used.
func (s Side) Idle() float64 {
	whole := time.Duration(s.On.CPUs) * s.On.Wall
	if whole <= 0 {
		return 1
	}
	return max(0, 1-float64(s.On.Threads+s.On.Away)/float64(whole))
}
