package results

import (
	"errors"
	"fmt"
	"slices"

	"github.com/dynobench/dyno/internal/secret"
)

// The states of a run.
const (
	Finished    = "finished"    // the plan was carried out, as far as its targets let it
	Interrupted = "interrupted" // it was ended by a signal, before that
	Unfinished  = "unfinished"  // it was killed, its disk was full, or it is still under way
)

// Tally says what became of a plan. A run that was cut must not look like one
// that was planned that short.
type Tally struct {
	State   string    `json:"state"`             // finished, interrupted or unfinished
	Planned int       `json:"planned,omitempty"` // trials; absent where the run holds no plan
	Ran     int       `json:"ran"`
	Repeats int       `json:"repeats,omitempty"` // of those that ran: trials that the host had disturbed, run again
	Valid   int       `json:"valid"`             // of those that ran
	Missing []Missing `json:"missing"`           // what has fewer trials than planned
}

// Missing is a target that has not all its trials under a scenario.
type Missing struct {
	Scenario string `json:"scenario"`
	Target   string `json:"target"`
	Planned  int    `json:"planned"`
	Trials   []int  `json:"trials"`           // the numbers of those that did not run
	Reason   string `json:"reason,omitempty"` // why, where it is known
}

// Tally counts the trials of r against its plan.
func (r *Run) Tally() Tally {
	type cell struct{ scenario, target string }
	ran := map[cell]map[int]bool{}
	t := Tally{State: Finished, Ran: len(r.Trials), Missing: []Missing{}}
	for i := range r.Trials {
		trial := &r.Trials[i]
		k := cell{trial.Scenario, trial.Target}
		if ran[k] == nil {
			ran[k] = map[int]bool{}
		}
		if ran[k][trial.Trial] {
			t.Repeats++
		}
		ran[k][trial.Trial] = true
		if trial.Valid {
			t.Valid++
		}
	}
	cut := false
	for _, s := range r.Plan.Scenarios {
		for _, target := range r.Plan.Targets {
			rounds := r.Plan.rounds(target)
			t.Planned += len(rounds)
			m := Missing{Scenario: s.Name, Target: target.Name, Planned: len(rounds)}
			for _, n := range rounds {
				if !ran[cell{s.Name, target.Name}][n] {
					m.Trials = append(m.Trials, n)
				}
			}
			if m.Trials == nil {
				continue
			}
			if i := slices.IndexFunc(r.Plan.Skipped, func(s Skip) bool { return s.Target == target.Name }); i >= 0 {
				m.Reason = r.Plan.Skipped[i].Reason
			}
			cut = cut || m.Reason == ""
			t.Missing = append(t.Missing, m)
		}
	}
	switch {
	case r.Interrupted:
		t.State = Interrupted
	case r.Plan.Planned > 0 && r.Finished.IsZero(), cut:
		t.State = Unfinished
	}
	return t
}

// rounds are the numbers of the trials that a target is to have under each
// scenario. The runs of a tuning had targets in some rounds only before they
// said so, and tell nothing of what is missing.
func (p *Plan) rounds(t PlanTarget) []int {
	if len(t.Trials) > 0 {
		return t.Trials
	}
	if p.Planned == 0 && slices.Contains(p.Command, "tune") {
		return nil
	}
	all := make([]int, max(p.Trials, 0))
	for i := range all {
		all[i] = i + 1
	}
	return all
}

// Count is how many trials are planned.
func (p *Plan) Count() int {
	n := 0
	for _, t := range p.Targets {
		n += len(p.rounds(t))
	}
	return n * len(p.Scenarios)
}

// mostTrials is how many a stored plan may hold: some thousand times what takes
// a day. A file that says more is broken, or meant to break its reader.
const mostTrials = 1 << 22

// check says why the plan is none that dyno made.
func (p *Plan) check() error {
	if n := float64(p.Trials) * float64(len(p.Scenarios)) * float64(len(p.Targets)); p.Trials < 0 || n > mostTrials {
		return fmt.Errorf("plans %d trials of %d targets under %d scenarios: not a run of dyno, or damaged", p.Trials, len(p.Targets), len(p.Scenarios))
	}
	return nil
}

// Resumable says why a run that was cut cannot be gone on with, as far as its
// document tells.
func (r *Run) Resumable() error {
	for _, t := range r.Plan.Targets {
		if secret.Masked(t.Command...) {
			return fmt.Errorf("the command of %s has masked values (%s): start a new run, with --keep-secrets if it may have to be resumed, or with the values in env: of a targets file", t.Name, secret.Mask)
		}
	}
	for _, s := range r.Plan.Scenarios {
		if s.Definition == "" && secret.Masked(s.Requests...) {
			return fmt.Errorf("scenario %s has masked values (%s): start a new run, with --keep-secrets if it may have to be resumed", s.Name, secret.Mask)
		}
	}
	switch p := &r.Plan; {
	case slices.Contains(p.Command, "tune") || slices.ContainsFunc(p.Targets, func(t PlanTarget) bool { return len(t.Trials) > 0 }):
		return errors.New("it belongs to a tuning, which cannot be resumed: start dyno tune again")
	case p.Planned == 0 || len(p.Scenarios) == 0 || slices.ContainsFunc(p.Scenarios, func(s PlanScenario) bool { return s.Definition == "" }):
		return errors.New("an older dyno stored it without the whole plan: start a new run")
	}
	return nil
}

// Whole tells whether all that was planned ran.
func (t Tally) Whole() bool { return t.State == Finished && len(t.Missing) == 0 }

// String says it in a clause: "6 trials planned, 8 ran (2 repeats), 5 count".
func (t Tally) String() string {
	repeats := ""
	switch {
	case t.Planned == 0:
		return fmt.Sprintf("%s ran, %d count", trials(t.Ran), t.Valid)
	case t.Whole() && t.Ran == t.Planned && t.Valid == t.Ran:
		return fmt.Sprintf("all %d planned trials ran and count", t.Planned)
	}
	if t.Repeats > 0 {
		repeats = fmt.Sprintf(" (%d of them repeated after a disturbance)", t.Repeats)
	}
	return fmt.Sprintf("%s planned, %d ran%s, %d count", trials(t.Planned), t.Ran, repeats, t.Valid)
}

func trials(n int) string {
	if n == 1 {
		return "1 trial"
	}
	return fmt.Sprintf("%d trials", n)
}
