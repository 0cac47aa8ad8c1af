package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/dynobench/dyno/results"
)

const (
	attackRounds   = 3
	attackers      = 2000
	attackDeadline = 3 * time.Second // of a header
	attackWindow   = 10 * time.Second
	attackCalm     = 12 * time.Second // before and after: dyno serve has looked for spare memory by then
	healthyRate    = "1000"
)

// attackFigures are what slow headers do to a server and to its other clients.
func attackFigures(ctx context.Context, dyno string, f *figures) error {
	for _, engine := range []string{"eventloop", "coroutine", "goroutine"} {
		fmt.Printf("%s: %d connections that send their header slowly, deadline %v, beside %s requests/s, %d rounds of %v\n",
			engine, attackers, attackDeadline, healthyRate, attackRounds, attackWindow)
		var success, p99, held, most, gone, memory, starved []float64
		for range attackRounds {
			a, err := attack(ctx, dyno, engine)
			if err != nil {
				return err
			}
			success = append(success, a.success)
			p99 = append(p99, a.p99)
			held = append(held, a.held)
			most = append(most, a.most)
			gone = append(gone, a.gone)
			memory = append(memory, a.memory)
			starved = append(starved, a.starved)
		}
		note("latency p99 of the healthy, µs", p99)
		note("the server's wait for its CPU / window", starved)
		note("from a slow one's first byte to its 408, median, s", held)
		note("  slow ones gone in the window", gone)
		f.say("healthy answers / healthy requests", success, false, 1)
		f.say("held at most / deadline", scaled(most, 1/attackDeadline.Seconds()), true, 1.25)
		f.say("memory after / before", memory, true, 1.1)
	}
	return nil
}

func scaled(values []float64, by float64) (v []float64) {
	for _, x := range values {
		v = append(v, x*by)
	}
	return v
}

// assault is one round of an attack.
type assault struct {
	success, p99 float64 // of the healthy
	held, most   float64 // s, of the slow, whose time begins with the first byte
	gone         float64
	memory       float64
	starved      float64 // what others on the host took from it
}

func attack(ctx context.Context, dyno, engine string) (a assault, err error) {
	s, err := openServe(ctx, dyno, "--engine", engine, "--header-timeout", attackDeadline.String())
	if err != nil {
		return a, err
	}
	defer s.close(ctx)
	ask := func(d time.Duration, more ...string) (*results.Load, error) { // the healthy come with a connection each
		b, err := s.drive(ctx, d, append([]string{"-r", healthyRate, "-c", "64", "--fresh"}, more...)...)
		if err != nil {
			return nil, err
		}
		return b.read()
	}
	resident := func() (float64, error) {
		if _, err := ask(attackCalm); err != nil {
			return 0, err
		}
		sample, err := s.tree.Sample()
		return float64(sample.RSSBytes), err
	}
	before, err := resident()
	if err != nil {
		return a, err
	}
	queued := runDelay(s.server.PID())
	l, err := ask(attackWindow, "--group", "slow-send,connections="+strconv.Itoa(attackers)+",rate=2,every=500ms,size=10000")
	if err != nil {
		return a, err
	}
	if len(l.Groups) != 1 || l.Groups[0].Requests < attackers {
		return a, fmt.Errorf("%s: the slow are not gone at their deadline: %+v", engine, l.Groups)
	}
	queued = runDelay(s.server.PID()) - queued
	after, err := resident()
	if err != nil {
		return a, err
	}
	g := l.Groups[0]
	return assault{
		success: float64(l.Requests) / float64(l.Requests+l.Errors.Total()),
		p99:     l.LatencyUS.P99,
		held:    g.LatencyUS.P50 / 1e6,
		most:    g.LatencyUS.Max / 1e6,
		gone:    float64(g.Requests),
		memory:  after / before,
		starved: queued.Seconds() / attackWindow.Seconds(),
	}, nil
}

// runDelay is how long the threads of a process have been ready to run and have
// not run, all in all.
func runDelay(pid int) (d time.Duration) {
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	for _, name := range files {
		var ran, waited, slices int64
		if b, err := os.ReadFile(name); err == nil {
			fmt.Sscan(string(b), &ran, &waited, &slices)
			d += time.Duration(waited)
		}
	}
	return d
}
