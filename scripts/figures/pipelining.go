package main

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/dynobench/dyno/results"
)

const (
	pipelineRounds = 9
	pipelineDepth  = 16
	pipelineTurn   = time.Second
)

// pipeliningFigures are what a server makes of requests that come before the
// answers to the ones before.
func pipeliningFigures(ctx context.Context, dyno string, f *figures) error {
	s, err := openServe(ctx, dyno, "--engine", "eventloop")
	if err != nil {
		return err
	}
	defer s.close(ctx)
	fmt.Printf("eventloop, hello, closed loop of 64 connections, %d requests under way on each beside one, %d rounds of %v\n", pipelineDepth, pipelineRounds, pipelineTurn)
	if _, _, err := s.turn(ctx, turn); err != nil { // it warms up
		return err
	}
	type asked struct {
		*results.Load
		bill
	}
	var rounds []map[string]asked
	for i := range pipelineRounds {
		round := map[string]asked{}
		for j := range 2 {
			depth := []int{1, pipelineDepth}[(i+j)%2]
			b, l, err := s.turn(ctx, pipelineTurn, "--pipeline", strconv.Itoa(depth))
			if err != nil {
				return err
			}
			round[strconv.Itoa(depth)] = asked{l, b}
		}
		rounds = append(rounds, round)
	}
	rate := func(a asked) float64 { return a.ThroughputRPS }
	for _, depth := range []string{"1", strconv.Itoa(pipelineDepth)} {
		note(depth+" under way: requests/s", values(rounds, depth, rate))
		note("  CPU per request, µs", values(rounds, depth, func(a asked) float64 { return a.served.Seconds() * 1e6 / float64(max(a.Requests, 1)) }))
		note("  share of its CPU that the server used", values(rounds, depth, func(a asked) float64 { return a.server }))
	}
	f.say(fmt.Sprintf("requests/s: %d under way / 1", pipelineDepth), ratios(rounds, strconv.Itoa(pipelineDepth), "1", rate), false, 3)
	return nil
}
