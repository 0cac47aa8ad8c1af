package bench

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dynobench/dyno/bench/target"
	"github.com/dynobench/dyno/results"
	"github.com/dynobench/dyno/scenarios"
)

// options has the built-in scenarios named and one target for each letter.
func options(t *testing.T, letters string, names ...string) Options {
	t.Helper()
	o := Options{Seed: 7, Dyno: "dyno", ServerCPUs: []int{0}, GeneratorCPUs: []int{0}}
	for _, name := range names {
		s, err := scenarios.Load(name)
		if err != nil {
			t.Fatal(err)
		}
		o.Scenarios = append(o.Scenarios, s)
	}
	for _, letter := range letters {
		o.Targets = append(o.Targets, target.Target{Name: string(letter), Command: []string{"{dyno}", "serve", "{addr}"}})
	}
	return o
}

func mustPlan(t *testing.T, o Options) *Plan {
	t.Helper()
	p, err := NewPlan(o)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func order(p *Plan) string {
	var b strings.Builder
	for _, s := range p.Steps {
		b.WriteString(s.Target.Name)
	}
	return b.String()
}

func TestPlanIsFixedBySeed(t *testing.T) {
	a, b := options(t, "abcdef", "hello", "wait"), options(t, "abcdef", "hello", "wait")
	if x, y := order(mustPlan(t, a)), order(mustPlan(t, b)); x != y {
		t.Errorf("the same seed gave %s and %s", x, y)
	}
	b.Seed = 8
	if x, y := order(mustPlan(t, a)), order(mustPlan(t, b)); x == y {
		t.Errorf("two seeds gave the same order %s", x)
	}
}

func TestPlanInterleaves(t *testing.T) {
	o := options(t, "abcd", "hello", "wait")
	o.Trials = 5
	p := mustPlan(t, o)
	if want := 5 * 2 * 4; len(p.Steps) != want {
		t.Fatalf("%d steps, want %d", len(p.Steps), want)
	}
	orders := map[string]bool{}
	for block := range slices.Chunk(p.Steps, 4) { // each target once, one scenario, one trial
		var names []string
		for _, s := range block {
			if s.Scenario != block[0].Scenario || s.Trial != block[0].Trial {
				t.Fatalf("a block mixes %s trial %d with %s trial %d", block[0].Scenario.Name, block[0].Trial, s.Scenario.Name, s.Trial)
			}
			names = append(names, s.Target.Name)
		}
		orders[strings.Join(names, "")] = true
		slices.Sort(names)
		if got := strings.Join(names, ""); got != "abcd" {
			t.Errorf("a block holds %s, want each target once", got)
		}
	}
	if len(orders) < 3 {
		t.Errorf("the targets came in %d different orders in 10 blocks", len(orders))
	}
}

func TestLoadIsTheSameForAllTargets(t *testing.T) {
	o := options(t, "ab", "hello-rate")
	p := mustPlan(t, o)
	seeds := map[int]map[uint64]bool{}
	for _, s := range p.Steps {
		if seeds[s.Trial] == nil {
			seeds[s.Trial] = map[uint64]bool{}
		}
		seeds[s.Trial][p.loadSeed(s)] = true
	}
	all := map[uint64]bool{}
	for trial, set := range seeds {
		if len(set) != 1 {
			t.Errorf("trial %d offers its targets %d different schedules", trial, len(set))
		}
		for seed := range set {
			all[seed] = true
		}
	}
	if len(all) != p.Trials {
		t.Errorf("%d schedules in %d trials, want another one for each", len(all), p.Trials)
	}
}

// A profile is stored as it is written, with its mean over the planned window.
func TestPlanHasTheProfile(t *testing.T) {
	o := options(t, "a", "hello-bursts")
	for window, mean := range map[time.Duration]float64{0: 950, 450 * time.Millisecond: 500, 500 * time.Millisecond: 950} {
		o.Duration = window
		p := mustPlan(t, o)
		described, planned := p.Describe().Scenarios[0], p.planned(p.Steps[0])
		if described.RateRPS != mean || planned.RateRPS != mean {
			t.Errorf("planned for %v are %v and %v requests/s, want %v", window, described.RateRPS, planned.RateRPS, mean)
		}
		if text := "500@450ms,5000@50ms"; described.RateProfile != text || planned.RateProfile != text {
			t.Errorf("planned are %q and %q, want %q", described.RateProfile, planned.RateProfile, text)
		}
	}
}

func TestPlanRefuses(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*Options)
		want   string
	}{
		"no scenario":    {func(o *Options) { o.Scenarios = nil }, "no scenario"},
		"no target":      {func(o *Options) { o.Targets = nil }, "no target"},
		"a target twice": {func(o *Options) { o.Targets = append(o.Targets, o.Targets[0]) }, `two targets named "a"`},
		"trials":         {func(o *Options) { o.Trials = -1 }, "at least one"},
		"duration":       {func(o *Options) { o.Duration = -1 }, "negative"},
		"nothing due": {func(o *Options) {
			o.Duration, o.Scenarios[0].Load = time.Second, scenarios.Offer{Model: "open", Schedule: "0@2s,5@1s"}
		}, "no request is due within 1s"},
		"no such CPU":   {func(o *Options) { o.ServerCPUs = []int{4095} }, "CPU 4095"},
		"half the CPUs": {func(o *Options) { o.GeneratorCPUs = nil }, "of both"},
	} {
		o := options(t, "a", "hello")
		test.change(&o)
		if _, err := NewPlan(o); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: error %v, want one with %q", name, err, test.want)
		}
	}
}

func TestOnlyTheHostsNoiseIsRepeated(t *testing.T) {
	steal := results.Warning{Code: results.CodeSteal, Invalid: true}
	died := results.Warning{Code: results.CodeServerDied, Invalid: true}
	starved := results.Warning{Code: results.CodeStarvation, Invalid: true}
	harmless := results.Warning{Code: results.CodeKilled}
	stalled := results.Warning{Code: results.CodeStalled, Invalid: true}
	tolerated := results.Warning{Code: results.CodeRunDelay, Tolerated: true}
	for name, test := range map[string]struct {
		warnings          []results.Warning
		disturbed, failed bool
	}{
		"valid":             {nil, false, false},
		"a mere warning":    {[]results.Warning{harmless}, false, false},
		"steal":             {[]results.Warning{harmless, steal}, true, false},
		"a death":           {[]results.Warning{died}, false, true},
		"steal and a death": {[]results.Warning{steal, died}, false, true},
		"starvation":        {[]results.Warning{starved}, false, false},
		"a standstill":      {[]results.Warning{stalled}, false, true},
		"and steal":         {[]results.Warning{stalled, steal}, true, false},
		"and some noise":    {[]results.Warning{stalled, tolerated}, true, false},
	} {
		trial := &results.Trial{Load: results.Load{Valid: true}}
		for _, w := range test.warnings {
			trial.Warn(w)
		}
		if d, f := Disturbed(trial), Failed(trial); d != test.disturbed || f != test.failed {
			t.Errorf("%s: disturbed %v, failed %v; want %v, %v", name, d, f, test.disturbed, test.failed)
		}
	}
}

func TestRepeatStaysInItsBlock(t *testing.T) {
	p := mustPlan(t, options(t, "abc", "hello", "wait"))
	for i, want := range []int{3, 3, 3, 6, 6, 6, 9} {
		if got := blockEnd(p.Steps, i); got != want {
			t.Errorf("the block of step %d ends at %d, want %d", i, got, want)
		}
	}
}
