package doctor

import (
	"context"
	"errors"
	"strconv"
	"syscall"
	"time"

	"github.com/dynobench/dyno/bench/load/plan"
	"github.com/dynobench/dyno/bench/measure"
	"github.com/dynobench/dyno/bench/meter"
	"github.com/dynobench/dyno/bench/target"
	"github.com/dynobench/dyno/internal/format"
	"github.com/dynobench/dyno/internal/iouring"
)

// host is the instrument that measures.
type host struct {
	dyno string
	cpus measure.CPUs
}

var _ instrument = (*host)(nil)

// The answer of the null engine, and how long its start may take on a host
// that is busy with something else.
const (
	readyPath    = "/hello"
	readyBody    = "Hello, World!"
	readyTimeout = 15 * time.Second
	timeout      = 10 * time.Second // of a request
)

// server is the command of the server that does nothing, with a loop for each
// CPU that it gets, and by the kernel's cheapest way: it is to be faster than
// what asks it.
func (h *host) server(addr string) (target.Command, error) {
	spec := "null"
	if iouring.Allowed() == nil {
		spec += ",io=io_uring"
	}
	if n := len(h.cpus.Server); n > 1 {
		spec += ",loops=" + strconv.Itoa(n)
	}
	return target.Command{Name: "null", Argv: []string{h.dyno, "serve", "--engine", spec, "--listen", addr}, CPUs: h.cpus.Server}, nil
}

// generator is the command that offers o.
func (h *host) generator(addr string, o offer) target.Command {
	argv := []string{h.dyno, "load", "http://" + addr + readyPath,
		"--generator", o.generator,
		"--connections", strconv.Itoa(o.connections),
		"--duration", o.window.String(),
		"--warmup", o.warmup.String(),
		"--timeout", timeout.String(),
		"--json",
	}
	if o.generator != "vegeta" { // which has no threads of its own
		argv = append(argv, "--threads", strconv.Itoa(min(o.connections, h.cpus.Threads())))
	}
	if o.rate > 0 {
		argv = append(argv, "--rate", strconv.FormatFloat(o.rate, 'f', -1, 64))
	}
	return target.Command{Name: "generator", Argv: argv, CPUs: h.cpus.Generator}
}

// offer implements instrument.
func (h *host) offer(ctx context.Context, o offer) (s seen, err error) {
	server, addr, err := target.Launch(ctx, target.Recipe{
		Command: h.server, Path: readyPath, Body: []byte(readyBody), Timeout: readyTimeout,
	})
	if err != nil {
		return s, err
	}
	defer func() {
		_, stopErr := server.Stop(ctx)
		err = errors.Join(err, stopErr)
	}()
	job := measure.Job{
		Command: h.generator(addr, o), Limit: o.warmup + o.window + timeout + measure.Grace,
		Server: server, Tree: meter.NewTree(server.PID()), CPUs: h.cpus,
	}
	holding, over := context.WithCancel(ctx)
	defer over()
	held := make(chan stopped, 1)
	began := false
	if o.freeze > 0 {
		job.Edge = func(p plan.Phase) {
			if p == plan.MeasureStart && !began {
				began = true
				go func() { held <- hold(holding, server, o.window/freezeStart, o.freeze) }()
			}
		}
	}
	s.Reading, err = measure.Drive(ctx, job)
	over()
	if began {
		s.stopped = <-held
	}
	if _, ended := server.Exit(); ended && ctx.Err() == nil {
		return s, errors.New("the null engine died: " + format.LastLines(server.Tail(), 10))
	}
	s.server = h.cpus.ServerShare(s.Used, s.OnServer)
	return s, err
}

// hold stops the server after a while and lets it go on after length. However
// it ends, the server goes on.
func hold(ctx context.Context, server *target.Process, after, length time.Duration) stopped {
	if !measure.Sleep(ctx, after) {
		return stopped{}
	}
	stop, before, err := signal(server, syscall.SIGSTOP)
	if err != nil {
		return stopped{}
	}
	measure.Sleep(ctx, length)
	goOn, more, _ := signal(server, syscall.SIGCONT)
	return stopped{frozen: goOn.Sub(stop), unsure: before + more}
}

// signal sends sig and tells when, as far as that can be known by one who may
// lose the CPU before and after.
func signal(server *target.Process, sig syscall.Signal) (at time.Time, unsure time.Duration, err error) {
	before := time.Now()
	err = syscall.Kill(server.PID(), sig)
	unsure = time.Since(before) / 2
	return before.Add(unsure), unsure, err
}

// glance is how often watch counts the tasks that want a CPU.
const glance = 50 * time.Millisecond

// watch implements instrument.
func (h *host) watch(ctx context.Context, d time.Duration) (look, error) {
	first, err := meter.ReadHost()
	if err != nil {
		return look{}, err
	}
	last, n, runnable := first, 0, 0
	for end := time.Now().Add(d); time.Now().Before(end); n++ {
		if !measure.Sleep(ctx, min(glance, time.Until(end))) {
			return look{}, context.Cause(ctx)
		}
		if last, err = meter.ReadHost(); err != nil {
			return look{}, err
		}
		runnable += max(0, last.Runnable-1) // not the one who counts
	}
	used := last.Sub(first, h.cpus.All())
	return look{busyPct: used.BusyPct, stealPct: used.StealPct, runnable: float64(runnable) / float64(max(1, n))}, nil
}
