package bench

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/dynobench/dyno/bench/target"
	"github.com/dynobench/dyno/results"
	"github.com/dynobench/dyno/scenarios"
)

// walk carries out an agenda with trials that outcome makes, and returns what it
// has measured in the order in which it did.
func walk(a *agenda, outcome func(at place, repeat int) bool) (measured []results.Trial) {
	for i := 0; i < len(a.steps); i++ {
		s := a.steps[i]
		t := a.stored(s)
		if t == nil {
			at := placeOf(s)
			t = &results.Trial{Scenario: at.scenario, Target: at.target, Trial: at.trial, Order: i + 1}
			t.Valid = true
			if outcome(at, s.Repeat) {
				t.Warn(results.Warning{Code: results.CodeSteal, Invalid: true})
			}
			measured = append(measured, *t)
		}
		a.ended(i, t)
	}
	return measured
}

// However a run is cut, what goes on with it measures the rest, in the same
// order, with the same repeats, and nothing twice.
func TestAResumedRunMeasuresTheRest(t *testing.T) {
	o := Options{Trials: 4, Seed: 3}
	for i := range 3 {
		o.Scenarios = append(o.Scenarios, &scenarios.Scenario{Name: fmt.Sprint("s", i)})
		o.Targets = append(o.Targets, target.Target{Name: fmt.Sprint("t", i)})
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for range 50 {
		share := rng.Float64() / 2
		disturbed := map[string]bool{}
		outcome := func(at place, repeat int) bool {
			k := fmt.Sprint(at, repeat)
			if _, known := disturbed[k]; !known {
				disturbed[k] = rng.Float64() < share
			}
			return disturbed[k]
		}
		p, err := NewPlan(o)
		if err != nil {
			t.Fatal(err)
		}
		whole := walk(p.agenda(nil), outcome)
		for cut := range len(whole) + 1 {
			again := o
			again.Done = whole[:cut]
			p, err := NewPlan(again)
			if err != nil {
				t.Fatal(err)
			}
			rest := walk(p.agenda(nil), outcome)
			same := func(a, b results.Trial) bool {
				return a.Scenario == b.Scenario && a.Target == b.Target && a.Trial == b.Trial && a.Order == b.Order && a.Valid == b.Valid
			}
			if !slices.EqualFunc(whole[cut:], rest, same) {
				t.Fatalf("cut after %d of %d: %d measured", cut, len(whole), len(rest))
			}
			if n := p.Remaining(); n > len(rest) || n == 0 != (len(rest) == 0) {
				t.Fatalf("cut after %d: %d remain of %d", cut, n, len(rest))
			}
		}
	}
}

// Targets that were refused stay out, and keep their places in the drawing of
// the order.
func TestRefusedTargetsStayOut(t *testing.T) {
	o := Options{Trials: 2, Seed: 3, Scenarios: []*scenarios.Scenario{{Name: "s"}}, Targets: []target.Target{{Name: "a"}, {Name: "b"}, {Name: "c"}}}
	p, err := NewPlan(o)
	if err != nil {
		t.Fatal(err)
	}
	never := func(place, int) bool { return false }
	whole := walk(p.agenda([]string{"b"}), never)
	o.Refused, o.Done = []string{"b"}, whole[:3]
	if p, err = NewPlan(o); err != nil {
		t.Fatal(err)
	}
	if rest := walk(p.agenda(p.Refused), never); len(whole) != 4 || len(rest) != 1 || rest[0].Target != whole[3].Target || p.Remaining() != 1 {
		t.Errorf("%v of %v", rest, whole)
	}
}

func TestTrialsOfAnotherPlanAreRefused(t *testing.T) {
	o := Options{Trials: 1, Seed: 3, Scenarios: []*scenarios.Scenario{{Name: "s"}}, Targets: []target.Target{{Name: "a"}}}
	good := results.Trial{Scenario: "s", Target: "a", Trial: 1, Load: results.Load{Valid: true}}
	for name, done := range map[string][]results.Trial{
		"another target": {{Scenario: "s", Target: "x", Trial: 1}}, "another round": {{Scenario: "s", Target: "a", Trial: 2}}, "one too many": {good, good},
	} {
		o.Done = done
		if _, err := NewPlan(o); err == nil || !strings.Contains(err.Error(), "not in the plan") {
			t.Errorf("%s: %v", name, err)
		}
	}
	o.Done = []results.Trial{good}
	if p, err := NewPlan(o); err != nil || p.Remaining() != 0 {
		t.Errorf("%v", err)
	}
}
