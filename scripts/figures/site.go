package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/dynobench/dyno/bench/load/plan"
	"github.com/dynobench/dyno/bench/measure"
	"github.com/dynobench/dyno/bench/meter"
	"github.com/dynobench/dyno/bench/target"
	"github.com/dynobench/dyno/internal/format"
	"github.com/dynobench/dyno/internal/iouring"
	"github.com/dynobench/dyno/results"
)

// A site is a server, mostly null, on a CPU of its own and another one for whatever
// asks it.
type site struct {
	dyno   string
	cpus   measure.CPUs
	server *target.Process
	tree   *meter.Tree
	url    string
}

const grace = 15 * time.Second // beyond what a run is to take, before it counts as hung

// nullSpec is the server: on io_uring where it may, so that whoever asks it is
// the limit.
func nullSpec() string {
	if iouring.Allowed() == nil {
		return "null,io=io_uring"
	}
	return "null"
}

// open starts the null server. The caller closes the site; that of one who
// cannot is closed by the watchdog of package target.
func open(ctx context.Context, dyno string) (*site, error) {
	return openServe(ctx, dyno, "--engine", nullSpec())
}

// openServe is open with dyno serve in null's place.
func openServe(ctx context.Context, dyno string, flags ...string) (*site, error) {
	cpus, err := measure.ChooseCPUs(nil, nil)
	if err != nil {
		return nil, err
	}
	if cpus.Shared() {
		return nil, errors.New("server and generator need a CPU each, and there is one")
	}
	cpus.Server, cpus.Generator = cpus.Server[:1], cpus.Generator[:1]
	s := &site{dyno: dyno, cpus: cpus}
	server, addr, err := target.Launch(ctx, target.Recipe{
		Command: func(addr string) (target.Command, error) {
			return target.Command{Name: "server", Argv: append([]string{dyno, "serve", "--listen", addr}, flags...), CPUs: cpus.Server}, nil
		},
		Path: "/hello", Body: []byte("Hello, World!"), Timeout: grace,
	})
	if err != nil {
		return nil, err
	}
	s.server, s.tree, s.url = server, meter.NewTree(server.PID()), "http://"+addr+"/hello"
	return s, nil
}

// close ends the server.
func (s *site) close(ctx context.Context) { s.server.Stop(ctx) } //nolint:errcheck // it is killed in the end

// bill is one client's run as a process, from its start to its end.
type bill struct {
	out    []byte
	tail   string        // of what it printed, errors included
	cpu    time.Duration // of the process
	served time.Duration // CPU time of the server's process tree meanwhile
	server float64       // share of its CPU that this is
}

// call runs a client to its end, which is due after length, on the generator's
// CPU. Its exit code is not judged: it is about the verdict.
func (s *site) call(ctx context.Context, length time.Duration, dir string, argv ...string) (b bill, err error) {
	return s.watched(ctx, length, dir, nil, argv...)
}

// watched is call; seen, where not nil, is called with the process as soon as
// it is there.
func (s *site) watched(ctx context.Context, length time.Duration, dir string, seen func(*target.Process), argv ...string) (b bill, err error) {
	before, err := s.tree.Sample()
	if err != nil {
		return b, err
	}
	var out bytes.Buffer
	ctx, cancel := context.WithTimeoutCause(ctx, length+grace, fmt.Errorf("%s: not over after %v", argv[0], length+grace))
	defer cancel()
	p, err := target.Start(ctx, target.Command{Argv: argv, Dir: dir, CPUs: s.cpus.Generator, Stdout: &out})
	if err != nil {
		return b, err
	}
	if seen != nil {
		seen(p)
	}
	<-p.Done()
	if ctx.Err() != nil {
		return b, context.Cause(ctx)
	}
	after, err := s.tree.Sample()
	if err != nil {
		return b, err
	}
	used := after.Sub(before)
	return bill{out: out.Bytes(), tail: p.Tail(), cpu: p.CPU(), served: used.CPU, server: used.CPU.Seconds() / used.Wall.Seconds()}, nil
}

// load runs dyno load and meters the host between the edges of its window,
// which is window long. edge, where not nil, is called at both.
func (s *site) load(ctx context.Context, window time.Duration, edge func(plan.Phase), args ...string) (measure.Reading, error) {
	argv := append([]string{s.dyno, "load", s.url, "--json", "--duration", window.String()}, args...)
	job := measure.Job{
		Command: target.Command{Name: "generator", Argv: argv, CPUs: s.cpus.Generator},
		Limit:   window + grace, Server: s.server, Tree: s.tree, CPUs: s.cpus, Edge: edge,
	}
	return measure.Drive(ctx, job)
}

// drive is call of dyno load for length, without a warm-up.
func (s *site) drive(ctx context.Context, length time.Duration, args ...string) (bill, error) {
	return s.call(ctx, length, "", append([]string{s.dyno, "load", s.url, "--json", "-d", length.String(), "--warmup", "0s"}, args...)...)
}

// document reads what dyno load printed, and sees that it was answered right.
func (b bill) document() (*results.Load, error) {
	l, err := b.read()
	if err == nil && (l.Requests == 0 || l.Errors.Total() > 0) {
		return nil, fmt.Errorf("dyno load: %d answers, errors %+v", l.Requests, l.Errors)
	}
	return l, err
}

// read is document where the answers are part of the figure.
func (b bill) read() (*results.Load, error) {
	l := new(results.Load)
	if err := json.Unmarshal(b.out, l); err != nil {
		return nil, fmt.Errorf("dyno load printed no document: %s", format.LastLines(b.tail, 5))
	}
	return l, nil
}
