package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/dynobench/dyno/internal/format"
	"github.com/dynobench/dyno/results"
)

const (
	attackRounds   = 3
	attackers      = 2000
	attackDeadline = 3 * time.Second // of a header
	attackWindow   = 10 * time.Second
	attackCalm     = 8 * time.Second // before and after
	healthyRate    = "1000"
	calmRate       = "4000"
)

// attackFigures are what slow headers do to a server and to its other clients.
func attackFigures(ctx context.Context, dyno string, f *figures) error {
	for _, engine := range []string{"eventloop", "goroutine"} {
		fmt.Printf("%s: %d connections that send their header slowly, deadline %v, beside %s requests/s, %d rounds of %v\n",
			engine, attackers, attackDeadline, healthyRate, attackRounds, attackWindow)
		var success, p99, held, most, gone, memory []float64
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
		}
		note("latency p99 of the healthy, µs", p99)
		note("how long the slow were held, median, s", held)
		note("  at most, s", most)
		note("  closed in the window", gone)
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
	success, p99     float64 // of the healthy
	held, most, gone float64 // s, of the slow
	memory           float64
}

func attack(ctx context.Context, dyno, engine string) (a assault, err error) {
	s, err := openServe(ctx, dyno, "--engine", engine, "--header-timeout", attackDeadline.String())
	if err != nil {
		return a, err
	}
	defer s.close(ctx)
	// The healthy come with a connection each. A server whose clients stay
	// allocates nothing, and what the attack has left to its garbage collector
	// would lie where it is; before and after they come faster for that.
	ask := func(rate string, d time.Duration, more ...string) (*results.Load, error) {
		b, err := s.call(ctx, d, "", append([]string{dyno, "load", s.url, "--json", "-r", rate, "-c", "64",
			"--fresh", "-d", d.String(), "--warmup", "0s"}, more...)...)
		if err != nil {
			return nil, err
		}
		l := new(results.Load)
		if err := json.Unmarshal(b.out, l); err != nil {
			return nil, fmt.Errorf("dyno load printed no document: %s", format.LastLines(b.tail, 5))
		}
		return l, nil
	}
	resident := func() (float64, error) {
		if _, err := ask(calmRate, attackCalm); err != nil {
			return 0, err
		}
		sample, err := s.tree.Sample()
		return float64(sample.RSSBytes), err
	}
	before, err := resident()
	if err != nil {
		return a, err
	}
	l, err := ask(healthyRate, attackWindow, "--group", "slow-send,connections="+strconv.Itoa(attackers)+",rate=2,every=500ms,size=10000")
	if err != nil {
		return a, err
	}
	if len(l.Groups) != 1 || l.Groups[0].Closed < attackers {
		return a, fmt.Errorf("%s: the slow are not gone at their deadline: %+v", engine, l.Groups)
	}
	after, err := resident()
	if err != nil {
		return a, err
	}
	g := l.Groups[0]
	return assault{
		success: float64(l.Requests) / float64(l.Requests+l.Errors.Total()),
		p99:     l.LatencyUS.P99,
		held:    g.HeldUS.P50 / 1e6,
		most:    g.HeldUS.Max / 1e6,
		gone:    float64(g.Closed),
		memory:  after / before,
	}, nil
}
