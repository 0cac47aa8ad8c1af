package load

import (
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/dynobench/dyno/bench/load/plan"
	"github.com/dynobench/dyno/results"
	"github.com/dynobench/dyno/scenarios/workload"
)

func TestBadGroups(t *testing.T) {
	for _, test := range []struct {
		change      func(*plan.Config)
		field, says string
	}{
		{func(c *plan.Config) { c.Groups[1].Kind = "calm" }, "Groups[1].Kind", "idle, slow-read, slow-send, storm"},
		{func(c *plan.Config) { c.Groups[1].Limit = 5 }, "Groups[1].Limit", "kind idle has no limit (known: name, connections, path, every)"},
		{func(c *plan.Config) { c.Groups[1].Connections = -1 }, "Groups[1].Connections", "between 1"},
		{func(c *plan.Config) { c.Groups[1].Every = -1 }, "Groups[1].Every", "between 1ms"},
		{func(c *plan.Config) { c.Groups[0] = workload.Group{Kind: workload.SlowSend, Rate: math.NaN()} }, "Groups[0].Rate", "between 0.01"},
		{func(c *plan.Config) { c.Groups[0] = workload.Group{Kind: workload.SlowSend, Size: -1} }, "Groups[0].Size", "between 1"},
		{func(c *plan.Config) { c.Groups[0] = workload.Group{Kind: workload.SlowSend, Part: "x"} }, "Groups[0].Part", "body, head"},
		{func(c *plan.Config) { c.Groups[0].Name, c.Groups[1].Name = "a", "a" }, "Groups[1].Name", "give each its own name"},
		{func(c *plan.Config) { c.Groups[0].Connections = plan.MaxConnections }, "Groups", "more than 1048576 connections"},
		{func(c *plan.Config) { c.Groups = make([]workload.Group, 65) }, "Groups", "at most 64"},
		{func(c *plan.Config) { c.Generator = "vegeta" }, "Groups", "use the native one"},
	} {
		c := plan.Config{URL: "http://127.0.0.1:1/", Groups: []workload.Group{{Kind: workload.Idle}, {Kind: workload.Idle}}}
		test.change(&c)
		_, err := Run(t.Context(), c)
		var bad *plan.ConfigError
		if !errors.As(err, &bad) || bad.Field != test.field || !strings.Contains(bad.Msg, test.says) {
			t.Errorf("%s: %+v, want %s", test.field, bad, test.says)
		}
	}
}

func TestJudgeCrowd(t *testing.T) {
	for _, test := range []struct {
		name         string
		model        plan.Model
		threads      int
		cpu, process int64
		cpus         int
		invalid      bool
		warnings     int
	}{
		{"nothing", plan.Closed, 1, 0, 0, 1, false, 0},
		{"one CPU, full, for groups too", plan.Closed, 1, 10e7, 98e7, 1, true, 1},
		{"one CPU, full, groups next to nothing", plan.Closed, 1, 1e7, 98e7, 1, false, 0},
		{"one CPU, half full", plan.Closed, 1, 20e7, 50e7, 1, false, 0},
		{"open: sooner", plan.Open, 1, 10e7, 92e7, 1, true, 1},
		{"a CPU for each", plan.Closed, 1, 50e7, 148e7, 2, false, 0},
		{"a CPU for each, the groups' full", plan.Closed, 1, 95e7, 190e7, 2, false, 1},
		{"two threads and groups on two CPUs", plan.Closed, 2, 10e7, 197e7, 2, true, 1},
	} {
		l := &results.Load{DurationS: 1, Valid: true}
		judgeCrowd(l, &plan.Config{Model: test.model, Threads: test.threads}, test.cpu, test.process, test.cpus)
		if l.Valid == test.invalid || len(l.Warnings) != test.warnings {
			t.Errorf("%s: valid %v, %v", test.name, l.Valid, l.Warnings)
		}
		for _, w := range l.Warnings {
			if w.Code != results.CodeGroupsBound || w.Hint == "" {
				t.Errorf("%s: %+v", test.name, w)
			}
		}
	}
}
