package capacity

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/dynobench/dyno/results"
)

// Sweep probes the rates and returns the curve, without a limit; the objective
// may be empty. Otherwise it is as Search.
func Sweep(ctx context.Context, c Config, rates []float64) (*results.Capacity, error) {
	if len(rates) == 0 {
		return nil, errors.New("a sweep needs rates")
	}
	if c.Window == 0 {
		each := c.Budget/time.Duration(len(rates)) - ending
		c.Window = max(each-maxWarmup, time.Duration(float64(each)/(1+warmupShare)), minWindow)
	}
	// Each rate has its window, whatever the budget, and its repetitions.
	c.Budget = max(c.Budget, time.Duration(len(rates))*tries*(c.Window+maxWarmup+ending))
	s, err := c.start()
	if err != nil {
		return nil, err
	}
	for _, rate := range rates {
		if _, _, err = s.probe(ctx, curve, rate, c.Window); err != nil {
			break
		}
	}
	if errors.Is(err, errOver) || s.died(err) {
		err = nil
	}
	if len(s.doc.Probes) == 0 && err != nil {
		return nil, err
	}
	s.doc.BudgetS = 0
	if e := s.finish(ctx); e != nil {
		return nil, e
	}
	return s.doc, err
}

// points merges the windows at each rate: counts are added, histograms merged.
// Where any window at a rate counts, those that do not are left out.
func (s *survey) points() error {
	byRate := map[float64][]*results.Load{}
	for _, l := range s.loads {
		byRate[l.RateRPS] = append(byRate[l.RateRPS], l)
	}
	for rate, loads := range byRate {
		counting := slices.DeleteFunc(slices.Clone(loads), spoiled)
		valid := len(counting) > 0
		if !valid {
			counting = loads
		}
		p, err := s.merge(rate, counting)
		if err != nil {
			return err
		}
		p.Valid = valid
		s.doc.Points = append(s.doc.Points, p)
	}
	slices.SortFunc(s.doc.Points, func(a, b results.CapacityPoint) int {
		if a.RateRPS < b.RateRPS {
			return -1
		}
		return 1
	})
	return nil
}

func (s *survey) merge(rate float64, loads []*results.Load) (results.CapacityPoint, error) {
	p := results.CapacityPoint{RateRPS: rate, Windows: len(loads)}
	h := results.NewHistogram()
	right := 0.0
	for _, l := range loads {
		one, err := results.DecodeHistogram(l.Histogram)
		if err != nil {
			return p, fmt.Errorf("probe at %v requests/s: %w", rate, err)
		}
		h.Merge(one)
		p.DurationS += l.DurationS
		p.Requests += l.Requests
		right += l.ThroughputRPS * l.DurationS
		addErrors(&p.Errors, l.Errors)
		if v, err := s.Objective.Judge(l); err == nil && v != nil && v.Met {
			p.Kept++
		}
	}
	if p.DurationS > 0 {
		p.ThroughputRPS = right / p.DurationS
	}
	p.LatencyUS = results.QuantilesOf(h)
	var err error
	if p.Histogram, err = results.EncodeHistogram(h); err != nil {
		return p, err
	}
	all := &results.Load{
		RateRPS: rate, DurationS: p.DurationS, Requests: p.Requests, ThroughputRPS: p.ThroughputRPS, Errors: p.Errors, Histogram: p.Histogram,
	}
	if len(loads) == 1 {
		all.ServiceUS = loads[0].ServiceUS // of several there is no histogram to merge
	}
	p.Objective, err = s.Objective.Judge(all)
	return p, err
}

func addErrors(to *results.Errors, e results.Errors) {
	to.Connect += e.Connect
	to.Read += e.Read
	to.Write += e.Write
	to.Timeout += e.Timeout
	to.Status += e.Status
	to.Body += e.Body
	to.Unsent += e.Unsent
}

func verdictOf(v *results.Objective) string {
	switch {
	case isOpen(v):
		return results.VerdictUnknown
	case v.Met:
		return results.VerdictKept
	default:
		return results.VerdictMissed
	}
}

// knee returns the point of the highest power, throughput over mean latency
// (Kleinrock 1979), nil where fewer than three points count, or where power is
// highest at the highest rate of all: the knee is beyond the curve then. Before
// it, more load brings more answers than it costs time; beyond it the reverse.
// For any queue M/G/1 that is where one request is in the system on average: at
// 50 % load for M/M/1, at 59 % for M/D/1.
func knee(points []results.CapacityPoint) *results.Knee {
	var best *results.Knee
	power, highest, counting := 0.0, 0.0, 0
	for _, p := range points {
		if !p.Valid || p.LatencyUS.Mean == 0 {
			continue
		}
		counting++
		highest = max(highest, p.RateRPS)
		if pw := p.ThroughputRPS / p.LatencyUS.Mean; pw > power {
			power = pw
			best = &results.Knee{RateRPS: p.RateRPS, ThroughputRPS: p.ThroughputRPS, LatencyMeanUS: p.LatencyUS.Mean}
		}
	}
	if counting < 3 || best == nil || best.RateRPS == highest {
		return nil
	}
	return best
}
