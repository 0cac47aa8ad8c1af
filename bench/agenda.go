package bench

import (
	"fmt"
	"slices"

	"github.com/dynobench/dyno/results"
)

// agenda is what is to be run, in order: the plan's steps, and behind its block
// each that the host disturbed once more. With the trials of a run that was cut
// it comes to the same steps as that run would have.
type agenda struct {
	steps   []Step
	planned int
	done    map[place][]results.Trial // that nobody has taken yet
}

// place is where a trial stands in a plan.
type place struct {
	scenario, target string
	trial            int
}

func placeOf(s Step) place { return place{s.Scenario.Name, s.Target.Name, s.Trial} }

// agenda is that of the plan without some targets.
func (p *Plan) agenda(without []string) *agenda {
	a := &agenda{done: map[place][]results.Trial{}}
	for _, s := range p.Steps {
		if !slices.Contains(without, s.Target.Name) {
			a.steps = append(a.steps, s)
		}
	}
	a.planned = len(a.steps)
	for _, t := range p.Done {
		at := place{t.Scenario, t.Target, t.Trial}
		a.done[at] = append(a.done[at], t)
	}
	return a
}

// stored takes the trial of a step that was measured before, if it was.
func (a *agenda) stored(s Step) *results.Trial {
	at := placeOf(s)
	if len(a.done[at]) == 0 {
		return nil
	}
	t := a.done[at][0]
	a.done[at] = a.done[at][1:]
	return &t
}

// ended says what became of the step i, which is run again if it is worth it.
func (a *agenda) ended(i int, t *results.Trial) {
	if Disturbed(t) && float64(len(a.steps)-a.planned) < maxRepeats*float64(a.planned) {
		step := a.steps[i]
		step.Repeat++
		a.steps = slices.Insert(a.steps, blockEnd(a.steps, i), step)
	}
}

// Remaining is how many trials are still to be measured, as far as is known.
func (p *Plan) Remaining() int {
	a, n := p.agenda(p.Refused), 0
	for i := 0; i < len(a.steps); i++ {
		if t := a.stored(a.steps[i]); t != nil {
			a.ended(i, t)
		} else {
			n++
		}
	}
	return n
}

// checkDone says which of the trials that were measured before is none of the
// plan's.
func (p *Plan) checkDone() error {
	a := p.agenda(nil)
	for i := 0; i < len(a.steps); i++ {
		if t := a.stored(a.steps[i]); t != nil {
			a.ended(i, t)
		}
	}
	for _, t := range p.Done {
		if len(a.done[place{t.Scenario, t.Target, t.Trial}]) > 0 {
			return fmt.Errorf("trial %d of %s under %s is not in the plan, or repeated", t.Trial, t.Target, t.Scenario)
		}
	}
	return nil
}
