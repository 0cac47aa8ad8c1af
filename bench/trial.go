package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dynobench/dyno/bench/load"
	"github.com/dynobench/dyno/bench/meter"
	"github.com/dynobench/dyno/bench/target"
	"github.com/dynobench/dyno/internal/format"
	"github.com/dynobench/dyno/results"
)

// loadGrace is what a generator gets beyond warm-up, window and one request's
// timeout before it counts as hung.
const loadGrace = 30 * time.Second

// serve runs a step's server around use: started, proven ready, ended. What
// use is given is gone when serve returns.
func (p *Plan) serve(ctx context.Context, s Step, use func(*target.Process, string) error) (exit target.Exit, err error) {
	proc, addr, err := target.Launch(ctx, target.Recipe{
		Command: func(addr string) (target.Command, error) { return p.Server(s, addr) },
		Path:    s.Target.Ready, Timeout: p.ReadyTimeout,
	})
	if err != nil {
		return exit, err
	}
	useErr := use(proc, addr)
	exit, err = proc.Stop(ctx)
	return exit, errors.Join(useErr, err)
}

// trial runs one step. It has no error of its own: whatever goes wrong with
// the server or the generator is in the trial, marked invalid.
func (p *Plan) trial(ctx context.Context, s Step, order int) *results.Trial {
	t := &results.Trial{
		Scenario: s.Scenario.Name, Target: s.Target.Name, Spec: s.Target.Spec, Protocol: s.Target.Protocol,
		Trial: s.Trial, Order: order, Started: time.Now().UTC(),
	}
	t.Load = p.planned(s)
	exit, err := p.serve(ctx, s, func(proc *target.Process, addr string) error {
		t.ServerCommand = proc.Command().Words()
		return p.measure(ctx, s, proc, addr, t)
	})
	if err != nil {
		t.Warn(results.Warning{Code: CodeServerDied, Message: err.Error(), Invalid: true,
			Hint: "run this trial's server command by hand and look at what it says"})
	} else if exit.Killed {
		t.Warn(results.Warning{Code: CodeKilled,
			Message: fmt.Sprintf("the server did not end within %v of its signal and was killed", s.Target.Drain),
			Hint:    "its figures stand; see why it does not drain"})
	}
	return t
}

// planned is what a trial says of its load before anything was measured, so
// that one whose server never came up still says what was to be.
func (p *Plan) planned(s Step) results.Load {
	l := s.Scenario.Load
	return results.Load{
		Schema: results.LoadSchema, Generator: p.Generator, Model: l.Model, Arrivals: l.Arrivals, Seed: p.loadSeed(s),
		Connections: l.Connections, Threads: max(1, len(p.GeneratorCPUs)), RateRPS: l.Mean(p.duration(s.Scenario)), RateProfile: l.Profile, Valid: true,
	}
}

// edge is what is read at one edge of the measured window.
type edge struct {
	tree meter.Sample
	host meter.HostSample
	late time.Duration // how long after the edge the tree was read
	err  error
}

// measure drives the server with the generator and meters it. An error is the
// server's death; all other findings are warnings in t.
func (p *Plan) measure(ctx context.Context, s Step, proc *target.Process, addr string, t *results.Trial) error {
	tree := meter.NewTree(proc.PID())
	settle(ctx, tree)
	monitor := meter.Start(tree, 0)
	start, end, err := p.generate(ctx, s, proc, tree, addr, t)
	peaks := monitor.Stop()
	t.Server.RSSPeakBytes, t.Server.ThreadsPeak, t.Server.ProcessesPeak = peaks.RSSBytes, peaks.Threads, peaks.Processes

	if exit, ended := proc.Exit(); ended {
		return fmt.Errorf("%s died in the trial (%v); its last output:\n%s", s.Target.Name, exit, format.LastLines(proc.Tail(), 10))
	}
	if err != nil {
		t.Warn(results.Warning{Code: CodeGenerator, Message: err.Error(), Invalid: true,
			Hint: "run this trial's two commands by hand, the server's first"})
		return nil
	}
	if err := errors.Join(start.err, end.err); err != nil {
		t.Warn(results.Warning{Code: CodeGenerator, Message: "the server could not be metered: " + err.Error(), Invalid: true,
			Hint: "is /proc readable?"})
		return nil
	}
	used := end.tree.Sub(start.tree)
	t.Server.CPUS = used.CPU.Seconds()
	t.Server.CPUUserS, t.Server.CPUSystemS = used.User.Seconds(), used.System.Seconds()
	t.Server.CtxSwitchesVoluntary, t.Server.CtxSwitchesInvoluntary = used.Voluntary, used.Involuntary
	if t.Requests > 0 {
		t.Server.CPUUSPerRequest = used.CPU.Seconds() * 1e6 / float64(t.Requests)
	}
	host := end.host.Sub(start.host, p.hostCPUs())
	t.Host = results.Host{StealPct: host.StealPct, PSICPUSomePct: host.PSICPUSomePct}
	p.gate(t, used, max(start.late, end.late))
	return nil
}

// Settling: a tree with the same processes for settled has its workers; after
// settleMost it will not get any calmer.
const (
	settled    = 100 * time.Millisecond
	settleMost = 3 * time.Second
)

// settle waits until a server of several processes has started all of them:
// its first worker answers, and so proves it ready, while others are still
// being made. A server of one process has nothing to wait for.
func settle(ctx context.Context, tree *meter.Tree) {
	last, err := tree.Glance()
	since := time.Now()
	for over := since.Add(settleMost); err == nil && last.Processes > 1 && time.Since(since) < settled && time.Now().Before(over); {
		select {
		case <-ctx.Done():
			return
		case <-time.After(settled / 5):
		}
		var now meter.Sample
		if now, err = tree.Glance(); !slices.Equal(now.PIDs, last.PIDs) {
			last, since = now, time.Now()
		}
	}
}

// gate applies the validity gates that need to see the server and the host.
func (p *Plan) gate(t *results.Trial, used meter.Usage, late time.Duration) {
	if late.Seconds() > maxEdgeLate*used.Wall.Seconds() {
		t.Warn(results.Warning{Code: CodeMeterLate, Invalid: true,
			Message: fmt.Sprintf("the server was metered %v after an edge of the window of %v: its CPU time is not that of the requests counted",
				late.Round(time.Microsecond), used.Wall.Round(time.Millisecond)),
			Hint: "a quieter host, or a longer window"})
	}
	if steal := t.Host.StealPct; steal > maxStealPct {
		t.Warn(results.Warning{Code: CodeSteal, Invalid: true,
			Message: fmt.Sprintf("the hypervisor took %.1f %% of the CPUs' time (at most %.0f %% is allowed)", steal, maxStealPct),
			Hint:    "run again when the host is quieter, or with more trials"})
	}
	if t.Model == string(load.Closed) {
		p.gateGenerator(t, used)
	}
	if joined, left := len(used.Joined), len(used.Left); joined+left > 0 {
		t.Warn(results.Warning{Code: CodeTreeChanged, Invalid: true,
			Message: fmt.Sprintf("%d processes of the server ended within the measured window and %d came", left, joined),
			Hint:    "a worker crashed or was recycled: look at the server's output"})
	}
}

// gateGenerator asks who was the limit of a closed loop, of which the generator
// sees its own side only. Busy all the time, it is the limit unless the server
// was at its end as well; nearly busy, beside a server with time to spare, it
// may be: what it cost to ask was not free for the server to use.
func (p *Plan) gateGenerator(t *results.Trial, used meter.Usage) {
	server := used.CPU.Seconds() / used.Wall.Seconds() / float64(max(1, len(p.ServerCPUs)))
	if server >= saturated {
		t.Excuse(load.CodeGeneratorBound, fmt.Sprintf("but so was the server, for %.0f %%: its throughput is at least this", 100*server))
	} else if busy := t.GeneratorCPUUtilisation; busy >= nearBusy && server < nearIdle && !p.sharedCPUs() && t.Valid {
		t.Warn(results.Warning{Code: CodeNear,
			Message: fmt.Sprintf("the generator was busy for %.0f %% of the time and the server for %.0f %%: the throughput is at least this, the CPU per request stands",
				100*busy, 100*server),
			Hint: "give the generator more CPUs, or compare CPU per request"})
	}
}

// generate runs the generator to its end and reads the meters at the edges of
// its measured window, which it announces through a pipe.
func (p *Plan) generate(ctx context.Context, s Step, server *target.Process, tree *meter.Tree, addr string, t *results.Trial) (start, end edge, err error) {
	marks, announced, err := os.Pipe()
	if err != nil {
		return start, end, err
	}
	defer marks.Close()
	defer announced.Close()

	command := p.Load(s, addr)
	t.LoadCommand = command.Words()
	var out bytes.Buffer
	command.Stdout = &out
	command.Files = []*os.File{announced}
	command.Env = map[string]string{load.PhaseFD: strconv.Itoa(firstFile)}
	limit := p.warmup(s.Scenario) + p.duration(s.Scenario) + s.Scenario.Load.Timeout + loadGrace
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("the generator did not end within %v", limit))
	defer cancel()
	generator, err := target.Start(ctx, command)
	if err != nil {
		return start, end, err
	}
	announced.Close() // the generator has its own copy; ours would keep the pipe open

	read := make(chan struct{})
	go func() {
		defer close(read)
		for mark, err := range load.ReadPhases(marks) {
			if err != nil {
				continue // what is missing in the end is told there
			}
			e := edge{}
			sample, err := tree.Sample() // first: it is what the figures hang on
			e.tree, e.late = sample, sample.Time-time.Duration(mark.MonotonicNS)
			e.host, e.err = meter.ReadHost()
			e.err = errors.Join(err, e.err)
			switch mark.Phase {
			case load.MeasureStart:
				start = e
			case load.MeasureEnd:
				end = e
			}
		}
	}()

	// A server that dies ends the trial at once: what comes after would be a
	// row of refused connections.
	select {
	case <-generator.Done():
	case <-server.Done():
	case <-ctx.Done():
	}
	exit, stopErr := generator.Stop(ctx)
	marks.SetReadDeadline(time.Now()) //nolint:errcheck // a descriptor that a stray holds open must not hold us
	<-read
	switch {
	case ctx.Err() != nil:
		return start, end, context.Cause(ctx)
	case stopErr != nil:
		return start, end, stopErr
	}
	var result results.Load
	if err := json.Unmarshal(out.Bytes(), &result); err != nil {
		return start, end, fmt.Errorf("the generator gave no result (%v): %s", exit, format.LastLines(generator.Tail(), 10))
	}
	planned := t.Load
	t.Load = result
	if planned.Model != result.Model || planned.RateRPS != result.RateRPS || planned.RateProfile != result.RateProfile ||
		planned.Connections != result.Connections || planned.Seed != result.Seed {
		return start, end, fmt.Errorf("the generator offered another load (%s, %d connections, %s) than planned (%s, %d connections, %s)",
			result.Model, result.Connections, rate(&result), planned.Model, planned.Connections, rate(&planned))
	}
	if start.tree.Time == 0 || end.tree.Time == 0 {
		return start, end, errors.New("the generator did not announce its measured window")
	}
	return start, end, nil
}

// rate is what l offers, in a word.
func rate(l *results.Load) string {
	return strings.TrimPrefix(fmt.Sprintf("%s, %.0f/s", l.RateProfile, l.RateRPS), ", ")
}

// firstFile is the number under which a child finds the first of its Files.
const firstFile = 3
