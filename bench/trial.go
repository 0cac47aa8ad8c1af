package bench

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/dynobench/dyno/bench/load/plan"
	"github.com/dynobench/dyno/bench/measure"
	"github.com/dynobench/dyno/bench/meter"
	"github.com/dynobench/dyno/bench/target"
	"github.com/dynobench/dyno/internal/format"
	"github.com/dynobench/dyno/internal/secret"
	"github.com/dynobench/dyno/results"
)

// serve runs a step's server around use: started, proven ready, ended. What
// use is given is gone when serve returns.
func (p *Plan) serve(ctx context.Context, s Step, use func(*target.Process, Addresses) error) (exit target.Exit, err error) {
	var at Addresses
	proc, _, err := target.Launch(ctx, target.Recipe{
		Command: func(addr string) (c target.Command, err error) {
			if at, err = addresses(s.Target, addr); err != nil {
				return c, err
			}
			c, err = p.Server(s, at)
			c.Counted = true
			return c, err
		},
		Scheme: s.Target.Protocol, Path: s.Target.Ready, Timeout: p.ReadyTimeout, Client: newTransport(p.trusted),
	})
	if err != nil {
		return exit, err
	}
	useErr := use(proc, at)
	exit, err = proc.Stop(ctx)
	return exit, errors.Join(useErr, err)
}

// words is the command line as it is stored.
func (p *Plan) words(c target.Command) []string {
	if p.KeepSecrets {
		return c.Words()
	}
	c.Env = maps.Clone(c.Env)
	for name, value := range c.Env {
		c.Env[name] = secret.Value(name, value)
	}
	return secret.Words(c.Words())
}

// trial runs one step. It has no error of its own: whatever goes wrong with
// the server or the generator is in the trial, marked invalid.
func (p *Plan) trial(ctx context.Context, s Step, order int) *results.Trial {
	t := &results.Trial{
		Scenario: s.Scenario.Name, Target: s.Target.Name, Spec: s.Target.Spec, Protocol: s.Target.Protocol,
		Trial: s.Trial, Order: order, Started: time.Now().UTC(),
		ServerCommand: []string{}, LoadCommand: []string{}, // a server that never came up has none
	}
	t.Load = p.planned(s)
	exit, err := p.serve(ctx, s, func(proc *target.Process, at Addresses) error {
		t.ServerCommand = p.words(proc.Command())
		return p.measure(ctx, s, proc, at, t)
	})
	if err != nil {
		// What the generator saw of a server that was gone, or that it was
		// ended itself, tells nothing more.
		t.Warnings, t.Interrupted = nil, false
		t.Warn(results.Warning{Code: results.CodeServerDied, Message: err.Error(), Invalid: true,
			Hint: "run this trial's server command by hand and read its output"})
	} else if exit.Killed {
		t.Warn(results.Warning{Code: results.CodeKilled,
			Message: fmt.Sprintf("the server did not end within %v of the signal and was killed", s.Target.Drain),
			Hint:    "its figures are valid; see why it does not drain"})
	}
	Tolerate(&t.Load, p.Tolerate)
	return t
}

// planned is what a trial says of its load before anything was measured, so
// that one whose server never came up still says what was to be.
func (p *Plan) planned(s Step) results.Load {
	l := s.Scenario.Load
	return results.Load{
		Schema: results.LoadSchema, Generator: p.Generator, Model: l.Model, Arrivals: l.Arrivals, Seed: p.loadSeed(s),
		Connections: l.Connections, Threads: p.threads(), RateRPS: l.Mean(p.duration(s.Scenario)), RateProfile: l.Schedule, Valid: true,
	}
}

// measure drives the server with the generator and meters it. An error is the
// server's death; all other findings are warnings in t.
func (p *Plan) measure(ctx context.Context, s Step, proc *target.Process, at Addresses, t *results.Trial) error {
	tree := meter.NewTree(proc.PID())
	tree.CountedBy(proc.Group())
	settle(ctx, tree)
	workers, _ := tree.Settle() //nolint:errcheck // a dead one is told below
	proc.Gather(workers.PIDs)
	monitor := meter.Start(tree, 0)
	watch := p.watch(s, at, t.Order)
	seen, err := p.generate(ctx, s, proc, tree, at.Serve, watch.edge, t)
	watch.end(t)
	peaks := monitor.Stop()
	t.Server.PSSPeakBytes = peaks.PSSBytes
	t.Server.RSSPeakBytes, t.Server.ThreadsPeak, t.Server.ProcessesPeak = peaks.RSSBytes, peaks.Threads, peaks.Processes

	if proc.Dead() || errors.Is(err, meter.ErrGone) { // it is dead, and about to be known to be
		select {
		case <-proc.Done():
		case <-time.After(s.Target.Drain):
		}
	}
	if exit, ended := proc.Exit(); ended {
		return fmt.Errorf("%s died in the trial (%v); its last output:\n%s", s.Target.Name, exit, format.LastLines(proc.Tail(), 10))
	}
	if err != nil {
		hint := "run this trial's two commands by hand, the server's first"
		if errors.Is(err, measure.ErrMeter) {
			hint = "is /proc readable?"
		}
		t.Warn(results.Warning{Code: results.CodeGenerator, Message: err.Error(), Invalid: true, Hint: hint})
		return nil
	}
	used := seen.Used
	t.Server.CPUUnseenS = used.Unseen.Seconds()
	t.Server.CPUS = used.CPU.Seconds()
	t.Server.CPUUserS, t.Server.CPUSystemS = used.User.Seconds(), used.System.Seconds()
	t.Server.CtxSwitchesVoluntary, t.Server.CtxSwitchesInvoluntary = used.Voluntary, used.Involuntary
	if n := t.Answered(); n > 0 {
		t.Server.CPUUSPerRequest = used.CPU.Seconds() * 1e6 / n
	}
	t.Host = results.Host{StealPct: seen.Host.StealPct, PSICPUSomePct: seen.Host.PSICPUSomePct, PSIMemorySomePct: seen.Host.PSIMemorySomePct, Sides: hostSides(seen.Sides)}
	p.gate(t, seen)
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
func (p *Plan) gate(t *results.Trial, seen measure.Reading) {
	used, late := seen.Used, seen.Late
	if late.Seconds() > maxEdgeLate*used.Wall.Seconds() {
		t.Warn(results.Warning{Code: results.CodeMeterLate, Invalid: true,
			Message: fmt.Sprintf("the server was metered %v after an edge of the window of %v: its CPU time is not that of the counted requests",
				late.Round(time.Microsecond), used.Wall.Round(time.Millisecond)),
			Measure: results.Above(100*late.Seconds()/used.Wall.Seconds(), 100*maxEdgeLate, "%"),
			Hint:    "a quieter host, or a longer window"})
	}
	JudgeSteal(&t.Load, t.Host.StealPct)
	judgePressure(&t.Load, t.Host.PSIMemorySomePct)
	if used.Brief > 0 {
		t.Warn(results.Warning{Code: results.CodeCPUAtLeast, Measure: results.Above(float64(used.Brief), 0, "processes"),
			Message: fmt.Sprintf("%d processes of the server came and went, and nobody waited for them: its CPU time is a lower bound", used.Brief),
			Hint:    "run dyno as root, or where it can make control groups, which count all of it"})
	}
	for _, side := range seen.Sides {
		judgeSide(&t.Load, side, seen.Busiest)
	}
	if t.Model == string(plan.Closed) {
		p.gateGenerator(t, p.cpus.ServerShare(used, seen.OnServer))
	} else {
		p.gatePacing(t)
	}
	if joined, left := len(used.Joined), len(used.Left); joined+left > 0 {
		t.Warn(results.Warning{Code: results.CodeTreeChanged, Invalid: true,
			Message: fmt.Sprintf("%d processes of the server ended within the window, and %d new ones stayed", left, joined),
			Measure: results.Above(float64(joined+left), 0, "processes"),
			Hint:    "a worker crashed or was recycled: see the server's output"})
	}
}

// JudgeSteal marks l where the hypervisor took so many per cent of the CPUs' time
// in its window that it tells of the neighbours.
func JudgeSteal(l *results.Load, pct float64) {
	if pct > maxStealPct {
		l.Warn(results.Warning{Code: results.CodeSteal, Invalid: true,
			Message: fmt.Sprintf("the hypervisor took %.1f %% of the CPUs' time (limit %.0f %%)", pct, maxStealPct),
			Measure: results.Above(pct, maxStealPct, "%"),
			Hint:    "run again when the host is quieter"})
	}
}

// gateGenerator asks who was the limit of a closed loop, of which the generator
// sees its own side only. Busy all the time, it is the limit unless the server
// was at its end as well; nearly busy, beside a server with time to spare, it
// may be: what it cost to ask was not free for the server to use.
//
// Such a trial counts, as a lower bound. If it did not, of a target that is near
// the limit the fast trials would be left out and the slow ones kept: the target
// would look slower than it is, and every difference to it smaller. To leave the
// round out for all targets does not help, since what made the trial fast was not
// the round alone (TestLowerBoundsDoNotShrinkDifferences).
func (p *Plan) gateGenerator(t *results.Trial, server float64) {
	if hasCode(&t.Load, results.CodeGeneratorBound) {
		t.AtLeast = true
		if server >= saturated {
			t.Excuse(results.CodeGeneratorBound, fmt.Sprintf("but so was the server, for %.0f %%: its throughput is a lower bound", 100*server))
			return
		}
		t.Excuse(results.CodeGeneratorBound, fmt.Sprintf("the server was busy for %.0f %%: its throughput is a lower bound, its latencies are upper bounds, the CPU per request is valid", 100*server))
		return
	}
	if server >= saturated {
		return
	}
	p.gateCeiling(t, server)
	if busy := t.GeneratorCPUUtilisation; busy >= nearBusy && server < nearIdle && !p.cpus.Shared() && t.Valid {
		t.AtLeast = true
		t.Warn(results.Warning{Code: results.CodeNear,
			Message: fmt.Sprintf("the generator was busy for %.0f %% of the time and the server for %.0f %%: the throughput is a lower bound, the CPU per request is valid",
				100*busy, 100*server),
			Measure: results.Above(100*busy, 100*nearBusy, "%"),
			Hint:    "give the generator more CPUs, or compare CPU per request"})
	}
}

// generate offers the step's load and meters the server meanwhile.
func (p *Plan) generate(ctx context.Context, s Step, server *target.Process, tree *meter.Tree, addr string, edge func(plan.Phase), t *results.Trial) (measure.Reading, error) {
	command := p.Load(s, addr)
	t.LoadCommand = p.words(command)
	seen, err := measure.Drive(ctx, measure.Job{
		Command: command, Server: server, Tree: tree, CPUs: p.cpus, Edge: edge,
		Limit: p.warmup(s.Scenario) + p.duration(s.Scenario) + s.Scenario.Load.Timeout + measure.Grace,
	})
	if seen.Load.Schema == "" {
		return seen, err
	}
	planned, result := t.Load, seen.Load
	t.Load = result
	if planned.Model != result.Model || planned.RateRPS != result.RateRPS || planned.RateProfile != result.RateProfile ||
		planned.Connections != result.Connections || planned.Seed != result.Seed {
		return seen, fmt.Errorf("the generator offered another load (%s, %d connections, %s) than planned (%s, %d connections, %s)",
			result.Model, result.Connections, rate(&result), planned.Model, planned.Connections, rate(&planned))
	}
	return seen, err
}

// rate is what l offers, in a word.
func rate(l *results.Load) string {
	return strings.TrimPrefix(fmt.Sprintf("%s, %.0f/s", l.RateProfile, l.RateRPS), ", ")
}
