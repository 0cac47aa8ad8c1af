package main

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/dynobench/dyno/bench/measure"
)

// The open loop: rates, the window, and how often a run that the host disturbed
// is repeated.
var pacingRates = []float64{1000, 10_000, 50_000}

const (
	pacingWindow = 10 * time.Second
	pacingTries  = 5
	pacingWarmup = "300ms"
	// An undisturbed run loses less of the CPUs' time than this, in per cent, to
	// the hypervisor and, which no steal tells, to other processes of the host.
	stealPct  = 1.0
	othersPct = 3.0
)

// pacingFigures are how exactly the open loop keeps to the clock.
func pacingFigures(ctx context.Context, dyno string, f *figures) error {
	s, err := open(ctx, dyno)
	if err != nil {
		return err
	}
	defer func() { s.close(ctx) }()
	fmt.Printf("open loop of 64 connections against null, %v at each rate; repeated while steal is %.0f %% or more, or other processes take %.0f %% or more\n",
		pacingWindow, stealPct, othersPct)
	for _, rate := range pacingRates {
		r, tries, err := s.undisturbed(ctx, rate)
		if err != nil {
			return err
		}
		spun, err := s.pace(ctx, rate, "--spin", "50us")
		if err != nil {
			return err
		}
		how := fmt.Sprintf("try %d", tries)
		if r.disturbed() {
			how = fmt.Sprintf("calmest of %d", tries)
		}
		r.tell(how)
		spun.tell("--spin 50us")
		at := fmt.Sprintf("%.0f/s: ", rate)
		if r.disturbed() {
			at = fmt.Sprintf("%.0f/s, disturbed: ", rate)
		}
		f.say(at+"achieved / offered, off by (%)", []float64{100 * r.off()}, true, 0.1)
		f.say(at+"send lag p99, µs", []float64{r.Load.SendLagUS.P99}, true, 100)
		f.say(at+"send lag p99.9, µs", []float64{r.Load.SendLagUS.P999}, true, 500)
	}
	return nil
}

// paced is a run of the open loop.
type paced struct {
	measure.Reading
	others float64 // per cent of the CPUs' time that other processes took
}

func (p paced) disturbed() bool { return p.Host.StealPct >= stealPct || p.others >= othersPct }

// lost is what the run had not of the CPUs' time, in per cent.
func (p paced) lost() float64 { return p.Host.StealPct + p.others }

// off is how far the requests that were sent in the window are off those that
// were due, as a share.
func (p paced) off() float64 {
	sent := 0.0
	for _, step := range p.Load.Series {
		sent += float64(step.Sent)
	}
	return math.Abs(sent/(p.Load.RateRPS*p.Load.DurationS) - 1)
}

func (p paced) tell(how string) {
	l := &p.Load
	fmt.Printf("  %.0f/s, %s: off by %.4f %%, send lag p50 %.0f, p99 %.0f, p99.9 %.0f, max %.0f µs; CPU %.1f µs/request, busy %.0f %%; steal %.1f %%, others %.1f %%\n",
		l.RateRPS, how, 100*p.off(), l.SendLagUS.P50, l.SendLagUS.P99, l.SendLagUS.P999, l.SendLagUS.Max,
		l.GeneratorCPUUSPerRequest, 100*l.GeneratorCPUUtilisation, p.Host.StealPct, p.others)
}

// undisturbed offers rate until the host lets it alone, and returns the calmest
// run, by the host and not by what came of it, and how many there were.
func (s *site) undisturbed(ctx context.Context, rate float64) (calmest paced, tries int, err error) {
	for tries = 1; ; tries++ {
		p, err := s.pace(ctx, rate)
		if err != nil {
			return p, tries, err
		}
		if tries == 1 || p.lost() < calmest.lost() {
			calmest = p
		}
		if !p.disturbed() {
			return p, tries, nil
		}
		if tries == pacingTries {
			return calmest, tries, nil
		}
	}
}

func (s *site) pace(ctx context.Context, rate float64, args ...string) (p paced, err error) {
	p.Reading, err = s.load(ctx, pacingWindow, nil, append([]string{"--rate", strconv.FormatFloat(rate, 'f', -1, 64), "--warmup", pacingWarmup}, args...)...)
	p.others = s.others(p.Reading)
	return p, err
}

// others is what processes that are neither server nor generator took of the
// CPUs' time, in per cent.
func (s *site) others(r measure.Reading) float64 {
	generator := r.Load.GeneratorCPUUSPerRequest * float64(r.Load.Requests) / 1e6 // s
	all := r.Used.Wall.Seconds() * float64(len(s.cpus.All()))
	return max(0, r.Host.BusyPct-100*(r.Used.CPU.Seconds()+generator)/all)
}
