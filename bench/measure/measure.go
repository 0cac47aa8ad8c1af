package measure

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/dynobench/dyno/bench/load/phases"
	"github.com/dynobench/dyno/bench/load/plan"
	"github.com/dynobench/dyno/bench/meter"
	"github.com/dynobench/dyno/bench/target"
	"github.com/dynobench/dyno/internal/format"
	"github.com/dynobench/dyno/results"
)

// ErrMeter is in the error of Drive when the load was offered but the server or
// the host could not be metered.
var ErrMeter = errors.New("the server could not be metered")

// Grace is what a generator gets beyond warm-up, window and one request's
// timeout before it counts as hung.
const Grace = 30 * time.Second

// Job is one run of a generator.
type Job struct {
	Command target.Command  // a dyno load with --json
	Limit   time.Duration   // after which it counts as hung
	Server  *target.Process // when it ends, so does the job
	Tree    *meter.Tree     // of the server
	CPUs    CPUs

	// Edge, where not nil, is called when an edge of the window has been
	// metered, from one goroutine.
	Edge func(plan.Phase)
}

// Reading is what came of a Job: the generator's document, and what was seen
// from outside between the edges of its window.
type Reading struct {
	Load     results.Load
	Used     meter.Usage     // by the server's tree
	Host     meter.HostUsage // on the CPUs of both
	OnServer meter.HostUsage // on the server's CPUs
	Late     time.Duration   // how long after an edge the tree was read, at most

	Sides   []Side          // the server's and the generator's
	Busiest meter.Neighbour // of the processes that are not ours, from before the warm-up on
}

// edge is what is read at one edge of the measured window.
type edge struct {
	tree, generator, here meter.Sample
	host                  meter.HostSample
	late                  time.Duration
	err                   error
}

// Drive runs the generator to its end and reads the meters at the edges of its
// measured window, which it announces through a pipe. Where a document came
// but something else is wrong, the Reading has it beside the error.
func Drive(ctx context.Context, j Job) (r Reading, err error) {
	marks, announced, err := os.Pipe()
	if err != nil {
		return r, err
	}
	defer marks.Close()
	defer announced.Close()

	var out bytes.Buffer
	command := j.Command
	command.Stdout = &out
	command.Files = []*os.File{announced}
	command.Urgent = !j.CPUs.Shared() // or the server would starve
	command.Env = map[string]string{phases.PhaseFD: strconv.Itoa(firstFile)}
	ctx, cancel := context.WithTimeoutCause(ctx, j.Limit, fmt.Errorf("the generator did not end within %v", j.Limit))
	defer cancel()
	before, _ := meter.ReadCensus() //nolint:errcheck // without it a hint lacks a name
	generator, err := target.Start(ctx, command)
	if err != nil {
		return r, err
	}
	announced.Close() // the generator has its own copy; ours would keep the pipe open

	var start, end edge
	var server, own meter.Quotas
	var throttled [2]meter.Throttled
	var after meter.Census
	read := make(chan struct{})
	go func() {
		defer close(read)
		for mark, err := range phases.ReadPhases(marks) {
			if err != nil {
				continue // what is missing in the end is told there
			}
			e := edge{}
			sample, err := j.Tree.Sample() // first: it is what the figures hang on
			e.tree, e.late = sample, sample.Time-time.Duration(mark.MonotonicNS)
			e.host, e.err = meter.ReadHost()
			e.generator, _ = meter.ReadProcess(generator.PID()) //nolint:errcheck // if it has ended, the meters are late
			e.here = readHere()
			e.err = errors.Join(err, e.err)
			switch mark.Phase {
			case plan.MeasureStart:
				start = e
				server, own = meter.ReadQuotas(sample.PIDs...), meter.ReadQuotas(generator.PID())
			case plan.MeasureEnd:
				end = e
				throttled = [2]meter.Throttled{server.Since(), own.Since()}
				after, _ = meter.ReadCensus() //nolint:errcheck // as before
			}
			if j.Edge != nil {
				j.Edge(mark.Phase)
			}
		}
	}()

	// A server that dies ends the job at once: what comes after would be a
	// row of refused connections.
	select {
	case <-generator.Done():
	case <-j.Server.Done():
	case <-ctx.Done():
	}
	exit, stopErr := generator.Stop(ctx)
	marks.SetReadDeadline(time.Now()) //nolint:errcheck // a descriptor that a stray holds open must not hold us
	<-read
	switch {
	case ctx.Err() != nil:
		return r, context.Cause(ctx)
	case stopErr != nil:
		return r, stopErr
	}
	if err := json.Unmarshal(out.Bytes(), &r.Load); err != nil {
		return r, fmt.Errorf("the generator gave no result (%v): %s", exit, format.LastLines(generator.Tail(), 10))
	}
	if err := errors.Join(start.err, end.err); err != nil {
		return r, fmt.Errorf("%w: %w", ErrMeter, err)
	}
	if start.tree.Time == 0 || end.tree.Time == 0 {
		return r, errors.New("the generator did not announce its measured window")
	}
	r.Used = end.tree.Sub(start.tree)
	r.Host = end.host.Sub(start.host, j.CPUs.All())
	r.OnServer = end.host.Sub(start.host, j.CPUs.Server)
	r.Late = max(start.late, end.late)
	r.Sides = sides(j.CPUs, start, end)
	for i := range r.Sides {
		r.Sides[i].Throttled = throttled[i]
	}
	ours := func(pid int) bool { return pid == os.Getpid() || pid == generator.PID() || j.Tree.Belongs(pid) }
	r.Busiest = after.Busiest(before, ours)
	if r.Used.Brief > 0 { // what seems foreign may be the server's children: then it has to have a name
		r.Sides[0].Known = new(after.Others(before, ours))
	}
	return r, nil
}

// sides are the server's and the generator's. This process may run on the CPUs
// of either.
func sides(cpus CPUs, start, end edge) []Side {
	here := usedHere(start.here, end.here)
	server := Side{Name: "server", Used: end.tree.Sub(start.tree), On: end.host.Sub(start.host, cpus.Server)}
	generator := Side{Name: "generator", Used: end.generator.Sub(start.generator), On: end.host.Sub(start.host, cpus.Generator)}
	server.Ours, generator.Ours = server.Used.CPU+here, generator.Used.CPU+here
	if cpus.Shared() {
		both := server.Used.CPU + generator.Used.CPU + here
		server.Ours, generator.Ours = both, both
	}
	return []Side{server, generator}
}

// firstFile is the number under which a child finds the first of its Files.
const firstFile = 3

// Sleep returns after d, or false when ctx ends before.
func Sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
