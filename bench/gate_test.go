package bench

import (
	"testing"
	"time"

	"github.com/dynobench/dyno/bench/load/plan"
	"github.com/dynobench/dyno/bench/measure"
	"github.com/dynobench/dyno/bench/meter"
	"github.com/dynobench/dyno/results"
)

// TestGate holds the harness's validity gates against what it has seen.
func TestGate(t *testing.T) {
	busy := results.Warning{Code: results.CodeGeneratorBound, Message: "busy", Invalid: true}
	wrong := results.Warning{Code: results.CodeWrongBytes, Invalid: true}
	for name, test := range map[string]struct {
		model    plan.Model
		warnings []results.Warning
		steal    float64
		used     time.Duration // of the one CPU, in a second
		joined   []int
		late     time.Duration
		busy     float64 // of the generator
		valid    bool
		codes    int
	}{
		"all well":                         {model: plan.Closed, used: time.Second / 2, valid: true},
		"steal":                            {model: plan.Closed, steal: 6, codes: 1},
		"some steal":                       {model: plan.Closed, steal: 4, valid: true},
		"a new worker":                     {model: plan.Closed, joined: []int{7}, codes: 1},
		"generator bound":                  {model: plan.Closed, warnings: []results.Warning{busy}, used: time.Second / 2, valid: true, codes: 1},
		"generator bound, open loop":       {model: plan.Open, warnings: []results.Warning{busy}, used: time.Second / 2, codes: 1},
		"the meters were late":             {model: plan.Closed, late: 21 * time.Millisecond, codes: 1},
		"the meters were a little late":    {model: plan.Closed, late: 19 * time.Millisecond, valid: true},
		"the generator nearly bound":       {model: plan.Closed, busy: 0.9, used: time.Second / 2, valid: true, codes: 1},
		"both nearly":                      {model: plan.Closed, busy: 0.9, used: 92 * time.Second / 100, valid: true},
		"both at their end":                {model: plan.Closed, warnings: []results.Warning{busy}, used: 98 * time.Second / 100, valid: true, codes: 1},
		"both at their end, open loop":     {model: plan.Open, warnings: []results.Warning{busy}, used: 98 * time.Second / 100, codes: 1},
		"both at their end, wrong answers": {model: plan.Closed, warnings: []results.Warning{busy, wrong}, used: time.Second, codes: 2},
	} {
		p := &Plan{cpus: measure.CPUs{Server: []int{0}, Generator: []int{1}}}
		trial := &results.Trial{Load: results.Load{Valid: true, Model: string(test.model), GeneratorCPUUtilisation: test.busy}, Host: results.Host{StealPct: test.steal}}
		for _, w := range test.warnings {
			trial.Warn(w)
		}
		p.gate(trial, measure.Reading{Used: meter.Usage{Wall: time.Second, CPU: test.used, Joined: test.joined}, Late: test.late})
		if trial.Valid != test.valid || len(trial.Warnings) != test.codes {
			t.Errorf("%s: valid %v with %v; want valid %v with %d warnings", name, trial.Valid, trial.Warnings, test.valid, test.codes)
		}
	}
}
