package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/dynobench/dyno/bench/load/plan"
	"github.com/dynobench/dyno/bench/measure"
	"github.com/dynobench/dyno/results"
)

// The freeze test: the server is stopped for a second of ten, and what that
// does to each percentile is known.
const (
	freezeRounds = 3
	freezeRate   = 1000.0
	freezeWindow = 10 * time.Second
	freezeAfter  = 4 * time.Second
	freezeLength = time.Second
	freezeWarmup = "300ms"
)

var freezeQuantiles = []struct {
	name string
	q    float64
}{{"p50", 0.5}, {"p90", 0.9}, {"p95", 0.95}, {"p99", 0.99}, {"max", 1}}

// freezeFigures are what the generator makes of a server that stops.
func freezeFigures(ctx context.Context, dyno string, f *figures) error {
	s, err := open(ctx, dyno)
	if err != nil {
		return err
	}
	defer func() { s.close(ctx) }()
	fmt.Printf("freeze test, null stopped for %v of %v at %.0f/s, %d rounds; seen for expected\n", freezeLength, freezeWindow, freezeRate, freezeRounds)
	for _, arrivals := range []plan.Arrivals{plan.Constant, plan.Poisson} {
		off := make([][]float64, len(freezeQuantiles))
		for i := range freezeRounds {
			z, err := s.freeze(ctx, "native", arrivals, uint64(i+1))
			if err != nil {
				return err
			}
			want, err := z.expect(arrivals, uint64(i+1))
			if err != nil {
				return err
			}
			var told []string
			for k, q := range freezeQuantiles {
				got := time.Duration(z.latency.ValueAtQuantile(100 * q.q))
				expected, o := want.compare(q.q, got)
				off[k] = append(off[k], 100*o)
				told = append(told, fmt.Sprintf("%s %s for %s", q.name, ms(got), ms(expected)))
			}
			before, after := want.medians()
			fmt.Printf("  %-8s %s ms\n  %-8s (%v for each that waited; p50 before the freeze %s, after it %s ms)\n", arrivals, strings.Join(told, ", "),
				"", want.cost.Round(100*time.Nanosecond), ms(before), ms(after))
		}
		for k, q := range freezeQuantiles {
			f.say(fmt.Sprintf("%s: %s off by (%%)", arrivals, q.name), off[k], true, 3)
		}
	}
	return s.vegetaFreeze(ctx)
}

// vegetaFreeze tells what vegeta's own stamps make of the same.
func (s *site) vegetaFreeze(ctx context.Context) error {
	v, err := s.freeze(ctx, "vegeta", plan.Constant, 1)
	if err != nil {
		return err
	}
	own, ours := v.ServiceUS, v.LatencyUS
	for _, o := range []struct {
		whose string
		q     results.Quantiles
	}{{"by its own stamps", own}, {"from when requests were due", ours}} {
		fmt.Printf("  vegeta, %-28s p50 %.3f, p90 %.3f, p95 %.3f, p99 %.3f, max %.3f ms\n", o.whose+":",
			o.q.P50/1e3, o.q.P90/1e3, o.q.P95/1e3, o.q.P99/1e3, o.q.Max/1e3)
	}
	return nil
}

// frozen is one run with a freeze.
type frozen struct {
	*results.Load
	stop, length time.Duration // from the beginning of the window
	latency      *hdrhistogram.Histogram
	requests     []sent
}

// freeze offers the rate for a window and stops the server within it.
func (s *site) freeze(ctx context.Context, generator string, arrivals plan.Arrivals, seed uint64) (z frozen, err error) {
	dir, err := os.MkdirTemp("", "dyno-figures-")
	if err != nil {
		return z, err
	}
	defer os.RemoveAll(dir)
	each := filepath.Join(dir, "requests.csv")
	type pause struct{ stop, goOn time.Time }
	held, began := make(chan pause, 1), false
	running, over := context.WithCancel(ctx)
	defer over()
	r, err := s.load(ctx, freezeWindow, func(p plan.Phase) {
		if p != plan.MeasureStart || began {
			return
		}
		began = true
		go func() {
			var p pause
			if measure.Sleep(running, freezeAfter) {
				p.stop = s.signal(syscall.SIGSTOP)
				measure.Sleep(running, freezeLength)
				p.goOn = s.signal(syscall.SIGCONT)
			}
			held <- p
		}()
	}, "--generator", generator, "--rate", strconv.FormatFloat(freezeRate, 'f', -1, 64), "--vegeta", each,
		"--arrivals", string(arrivals), "--seed", strconv.FormatUint(seed, 10), "--warmup", freezeWarmup)
	over() // a server that is stopped goes on, whatever happened
	if began {
		p := <-held
		z.stop, z.length = p.stop.Sub(r.Load.WindowStart), p.goOn.Sub(p.stop)
		if err == nil && p.goOn.IsZero() {
			err = errors.New("the server was not stopped in time")
		}
	}
	if err != nil {
		return z, err
	}
	z.Load = &r.Load
	if z.requests, err = readRequests(each, r.Load.WindowStart); err != nil {
		return z, err
	}
	z.latency, err = results.DecodeHistogram(r.Load.Histogram)
	return z, err
}

// signal sends sig to the server and tells when, as far as that is known to one
// who may lose the CPU before and after.
func (s *site) signal(sig syscall.Signal) time.Time {
	before := time.Now()
	if _, gone := s.server.Exit(); !gone {
		syscall.Kill(s.server.PID(), sig) //nolint:errcheck // a server that dies ends the run
	}
	return before.Add(time.Since(before) / 2)
}

// ms writes d in milliseconds.
func ms(d time.Duration) string { return fmt.Sprintf("%.3f", d.Seconds()*1e3) }
