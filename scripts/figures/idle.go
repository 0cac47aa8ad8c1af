package main

import (
	"context"
	"fmt"
	"strconv"
	"time"
)

const (
	idleRounds      = 3
	idleConnections = 10_000
	idleEvery       = 4 * time.Second // a request on each, so that all have had an answer
	idleWindow      = 10 * time.Second
	idleOpening     = 30 * time.Second // at most
)

// idleFigures are what a connection costs a server that has been answered and
// is kept for the next request.
func idleFigures(ctx context.Context, dyno string, f *figures) error {
	for _, e := range []struct {
		engine string
		most   float64 // bytes
	}{{"eventloop", 2.5 * 1024}, {"coroutine", 3 * 1024}, {"goroutine", 8 * 1024}} {
		fmt.Printf("%s: %d idle connections, each with an answer at least once, %d rounds\n", e.engine, idleConnections, idleRounds)
		var each []float64
		for range idleRounds {
			bytes, err := idle(ctx, dyno, e.engine)
			if err != nil {
				return err
			}
			each = append(each, bytes)
		}
		f.say("resident bytes per idle connection", each, true, e.most)
	}
	return nil
}

func idle(ctx context.Context, dyno, engine string) (bytes float64, err error) {
	s, err := openServe(ctx, dyno, "--engine", engine)
	if err != nil {
		return 0, err
	}
	defer s.close(ctx)
	// A few requests first: what the code and the first buffers take is no
	// connection's.
	if _, err := s.drive(ctx, time.Second, "-r", healthyRate, "-c", "8"); err != nil {
		return 0, err
	}
	before := peakMemory(s.server.PID())
	b, err := s.call(ctx, idleOpening+idleWindow, "", dyno, "load", s.url, "--json", "-d", idleWindow.String(), "-r", "10", "-c", "1",
		"--group", "idle,connections="+strconv.Itoa(idleConnections)+",every="+idleEvery.String())
	if err != nil {
		return 0, err
	}
	l, err := b.read()
	if err != nil {
		return 0, err
	}
	if len(l.Groups) != 1 {
		return 0, fmt.Errorf("%s: no group in what dyno load printed", engine)
	}
	if g := l.Groups[0]; g.Standing != idleConnections || g.Requests < idleConnections {
		return 0, fmt.Errorf("%s: %d of %d connections stand, %d requests have been answered", engine, g.Standing, idleConnections, g.Requests)
	}
	return (peakMemory(s.server.PID()) - before) / idleConnections, nil
}
