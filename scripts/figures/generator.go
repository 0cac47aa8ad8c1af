package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"time"
)

// rounds of all clients, and how long each asks: long beside its start, which
// is in its bill.
const (
	rounds  = 9
	asking  = 3 * time.Second
	sharing = 3 // rounds on one CPU
)

// ask is what came of one client's run.
type ask struct {
	cpu    float64 // µs of the whole process per request
	window float64 // dyno: µs per request within its window, by itself
	rate   float64 // answers per second
	server float64 // share of its CPU that the server used
}

// generatorFigures are what the closed loop costs the generator, beside others.
func generatorFigures(ctx context.Context, dyno string, f *figures) error {
	dir, err := os.MkdirTemp("", "dyno-figures-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	clients := append([]client{dynoClient(dyno, "dyno"), dynoClient(dyno, "dyno-epoll", "--transport", "epoll")}, peers(ctx, dir)...)

	fmt.Printf("closed loop of 64 connections, one thread, against null, %d rounds of %v each; CPU of the process from start to end\n", rounds, asking)
	seen, err := interleave(ctx, dyno, dir, clients, rounds, false)
	if err != nil {
		return err
	}
	cpu := func(a ask) float64 { return a.cpu }
	rate := func(a ask) float64 { return a.rate }
	for _, c := range clients {
		note(c.name+": CPU per request, µs", values(seen, c.name, cpu))
		if c.name == "dyno" || c.name == "dyno-epoll" {
			note("  within the window, by its own figure", values(seen, c.name, func(a ask) float64 { return a.window }))
		}
		note("  requests/s", values(seen, c.name, rate))
		note("  share of its CPU that null used", values(seen, c.name, func(a ask) float64 { return a.server }))
	}
	f.say("CPU per request: dyno / wrk", ratios(seen, "dyno", "wrk", cpu), true, 0.80)
	f.say("CPU per request: dyno / h2load", ratios(seen, "dyno", "h2load", cpu), true, 0.50)
	f.say("CPU per request: dyno / vegeta", ratios(seen, "dyno", "vegeta", cpu), true, 0.15)
	f.say("requests/s: dyno / wrk", ratios(seen, "dyno", "wrk", rate), false, 1.15)
	for _, peer := range []string{"wrk", "h2load", "vegeta"} {
		note("CPU per request: dyno-epoll / "+peer, ratios(seen, "dyno-epoll", peer, cpu))
	}
	note("requests/s: dyno-epoll / wrk", ratios(seen, "dyno-epoll", "wrk", rate))

	// Where null is the limit, requests/s tell little of who asks. On one CPU
	// both are: what is left to null is what the client does not take.
	pair := slices.DeleteFunc(slices.Clone(clients), func(c client) bool { return c.name != "dyno" && c.name != "wrk" })
	if seen, err = interleave(ctx, dyno, dir, pair, sharing, true); err != nil {
		return err
	}
	note("requests/s, null on the same CPU: dyno / wrk", ratios(seen, "dyno", "wrk", rate))
	return nil
}

// dynoClient is dyno itself, without a warm-up: its bill is for all requests.
func dynoClient(dyno, name string, args ...string) client {
	return client{name: name, argv: func(url string, d time.Duration) []string {
		return append([]string{dyno, "load", url, "--json", "-c", "64", "-d", d.String(), "--warmup", "0s"}, args...)
	}, count: func(_ context.Context, b bill) (float64, error) {
		l, err := b.document()
		if err != nil {
			return 0, err
		}
		return float64(l.Requests), nil
	}}
}

// interleave lets all clients ask one after the other, in each round against a
// fresh server and beginning with another one, and returns what came of it by
// round and client. A client that fails is told of and has no values in that
// round.
func interleave(ctx context.Context, dyno, dir string, clients []client, rounds int, sameCPU bool) ([]map[string]ask, error) {
	var all []map[string]ask
	for i := range rounds {
		s, err := open(ctx, dyno)
		if err != nil {
			return nil, err
		}
		if sameCPU {
			s.cpus.Generator = s.cpus.Server
		}
		round := map[string]ask{}
		for j := range clients {
			c := clients[(i+j)%len(clients)]
			a, err := s.ask(ctx, dir, c)
			if ctx.Err() != nil {
				break
			}
			if err != nil {
				fmt.Printf("  %s: %v\n", c.name, err)
				continue
			}
			round[c.name] = a
		}
		s.close(ctx)
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		all = append(all, round)
	}
	return all, nil
}

func (s *site) ask(ctx context.Context, dir string, c client) (ask, error) {
	b, err := s.call(ctx, asking, dir, c.argv(s.url, asking)...)
	if err != nil {
		return ask{}, err
	}
	n, err := c.count(ctx, b)
	if err != nil {
		return ask{}, err
	}
	a := ask{cpu: b.cpu.Seconds() * 1e6 / n, rate: n / asking.Seconds(), server: b.server}
	if l, err := b.document(); err == nil {
		a.window = l.GeneratorCPUUSPerRequest
	}
	return a, nil
}
