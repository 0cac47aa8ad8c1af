package load

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"syscall"

	"github.com/dynobench/dyno/bench/load/plan"
	"github.com/dynobench/dyno/bench/load/record"
	"github.com/dynobench/dyno/results"
	"github.com/dynobench/dyno/scenarios/workload"
)

// minCrowdShare is which part of a CPU groups have to use at least to be
// blamed for what the busy threads lack.
const minCrowdShare = 0.02

// judgeGroup warns of connections that could not be made. A group that did not
// stand is not what was asked for, but the figures of the others are true.
func judgeGroup(l *results.Load, r *record.Group) {
	g := r.Group
	missing := int64(0)
	if g.Kind != workload.Storm {
		missing = int64(g.Connections) - r.Standing
	}
	if r.Refusal == nil || r.Refused == 0 && missing <= 0 {
		return
	}
	w := results.Warning{Code: results.CodeGroupRefused, Hint: refusalHint(r.Refusal),
		Measure: results.Above(float64(r.Refused+max(missing, 0)), 0, "connections"),
		Message: fmt.Sprintf("group %s: %d connections could not be made in the window", g.Name, r.Refused)}
	if g.Kind != workload.Storm {
		w.Message += fmt.Sprintf(" and %d of %d stood at its end", r.Standing, g.Connections)
	}
	w.Message += fmt.Sprintf(" (%v)", r.Refusal)
	l.Warn(w)
}

// refusalHint says what to do about connections that could not be made.
func refusalHint(err error) string {
	switch {
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return "all local ports to this address are in use or in TIME_WAIT: use fewer connections, more source addresses (--source), abort=true for a storm, or a wider net.ipv4.ip_local_port_range"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "check that the server still listens, and its limit of connections"
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		return "raise the limit of open files (ulimit -n), or use fewer connections"
	case errors.Is(err, os.ErrDeadlineExceeded):
		return "the server's backlog is full: it accepts too slowly, or has no descriptors left (ulimit -n)"
	}
	return "see the server's log, and its limit of connections and open files"
}

// judgeGroups judges the groups beside the busy connections.
func judgeGroups(l *results.Load, c *plan.Config, m *record.Reading) {
	if len(m.Groups) == 0 {
		return
	}
	for _, g := range m.Groups {
		judgeGroup(l, g)
	}
	judgeCrowd(l, c, m.GroupsCPU, m.ProcessCPU, runtime.NumCPU())
}

// judgeCrowd says when groups have taken the CPU that others needed. cpu is
// what their thread used, process what all threads did, in ns; cpus is how
// many there are.
func judgeCrowd(l *results.Load, c *plan.Config, cpu, process int64, cpus int) {
	window := l.DurationS * 1e9
	if window <= 0 {
		return
	}
	limit := maxBusyClosed
	if c.Model == plan.Open {
		limit = maxBusyOpen
	}
	own, all := float64(cpu)/window, float64(process)/(window*float64(cpus))
	switch {
	case cpus <= c.Threads && all >= limit && own >= minCrowdShare:
		l.Warn(results.Warning{Code: results.CodeGroupsBound, Invalid: true,
			Message: fmt.Sprintf("the generator used %.0f %% of its %d CPU(s) (limit %.0f %%) and the groups %.0f %% of one: busy connections had to wait for a CPU",
				100*all, cpus, 100*limit, 100*own),
			Measure: results.Above(100*all, 100*limit, "%"),
			Hint:    "give the generator one CPU more than threads, or make the groups smaller or slower"})
	case own >= maxBusyOpen:
		l.Warn(results.Warning{Code: results.CodeGroupsBound,
			Message: fmt.Sprintf("the thread of the groups was busy for %.0f %% of the time (limit %.0f %%): the groups did less than asked, and later", 100*own, 100*maxBusyOpen),
			Measure: results.Above(100*own, 100*maxBusyOpen, "%"),
			Hint:    "make the groups smaller or slower; the busy connections are not affected"})
	}
}
