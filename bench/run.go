package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/dynobench/dyno/bench/meter"
	"github.com/dynobench/dyno/bench/target"
	"github.com/dynobench/dyno/results"
)

// Sink keeps trials. results.Store is one.
type Sink interface {
	// Append stores trial durably before it returns.
	Append(trial results.Trial) error
}

// maxRepeats bounds, as a share of the plan, how many trials that the host
// disturbed are run again.
const maxRepeats = 0.2

// Refusal is a target that is left out, and why.
type Refusal struct {
	Target string
	Err    error
}

// ErrNoTarget ends a run all of whose targets are refused.
var ErrNoTarget = errors.New("no target responded correctly: nothing to measure")

// ErrUnmetered is why a target is refused that may well give right answers.
var ErrUnmetered = errors.New("its processes cannot be metered")

// Run verifies the targets, then runs the plan's trials and puts each into
// sink as it ends. It returns the refused targets and an error only when the
// run could not go on: ctx ended, the sink failed, nothing was left to
// measure. A trial that went wrong is not an error; it is in the sink, marked
// invalid with the reason. However Run ends, no process that it started is
// left.
func (p *Plan) Run(ctx context.Context, sink Sink) ([]Refusal, error) {
	if err := canMeter(os.Getpid()); err != nil {
		return nil, fmt.Errorf("nothing can be measured here: %w", err)
	}
	refused, err := p.verifyAll(ctx)
	if err != nil {
		return refused, err
	}
	out := slices.Clone(p.Refused)
	for _, r := range refused {
		out = append(out, r.Target)
	}
	a := p.agenda(out)
	if len(a.steps) == 0 {
		return refused, ErrNoTarget
	}
	began, measured := time.Now(), 0
	for i := 0; i < len(a.steps); i++ {
		step := a.steps[i]
		if trial := a.stored(step); trial != nil {
			a.ended(i, trial)
			continue
		}
		p.tell(Event{Kind: TrialBegins, Step: step, Done: i, Total: len(a.steps), Left: p.left(len(a.steps)-i, measured, time.Since(began))})
		trial := p.trial(ctx, step, i+1)
		if ctx.Err() != nil {
			return refused, context.Cause(ctx) // half a trial is none
		}
		if err := sink.Append(*trial); err != nil {
			return refused, fmt.Errorf("trial %d of %d could not be stored: %w", i+1, len(a.steps), err)
		}
		measured++
		a.ended(i, trial)
		p.tell(Event{Kind: TrialEnds, Step: step, Trial: trial, Done: i + 1, Total: len(a.steps), Left: p.left(len(a.steps)-i-1, measured, time.Since(began))})
	}
	return refused, nil
}

// blockEnd is where the block of steps[i] ends: the trials that are compared
// with each other, and so belong close together.
func blockEnd(steps []Step, i int) int {
	end := i + 1
	for end < len(steps) && steps[end].Scenario == steps[i].Scenario && steps[end].Trial == steps[i].Trial {
		end++
	}
	return end
}

// left estimates the time that so many steps take, at the pace so far.
func (p *Plan) left(steps, measured int, spent time.Duration) time.Duration {
	if measured == 0 {
		spent, measured = p.Length(), len(p.Steps)
	}
	return spent / time.Duration(measured) * time.Duration(steps)
}

func (p *Plan) tell(e Event) {
	if p.Seen != nil {
		p.Seen(e)
	}
}

// canMeter tells, before it has cost a trial, whether a process and the host can
// be read as a trial will have to.
func canMeter(pid int) error {
	_, err := meter.NewTree(pid).Sample()
	if _, hostErr := meter.ReadHost(); err == nil {
		err = hostErr
	}
	if err == nil || errors.Is(err, meter.ErrUnsupported) {
		return err
	}
	return fmt.Errorf("%w; /proc is missing or restricted (hidepid, subset=pid), or the server changes its user: mount it without these options, or run dyno as root", err)
}

// verifyAll starts each target once and holds it to every scenario's answers.
func (p *Plan) verifyAll(ctx context.Context) ([]Refusal, error) {
	var refused []Refusal
	ref := reference{}
	for _, t := range p.Targets {
		if slices.Contains(p.Refused, t.Name) {
			continue
		}
		err := p.verifyTarget(ctx, t, ref)
		if ctx.Err() != nil {
			return refused, context.Cause(ctx)
		}
		if err != nil {
			refused = append(refused, Refusal{Target: t.Name, Err: err})
			p.tell(Event{Kind: TargetRefused, Target: t.Name, Err: err, Total: len(p.Steps)})
			continue
		}
		p.tell(Event{Kind: TargetVerified, Target: t.Name, Total: len(p.Steps)})
	}
	return refused, nil
}

// verifyTarget starts t once per app that the scenarios use.
func (p *Plan) verifyTarget(ctx context.Context, t target.Target, ref reference) error {
	done := map[string]bool{}
	for _, first := range p.Scenarios {
		if done[first.App] {
			continue
		}
		done[first.App] = true
		_, err := p.serve(ctx, Step{Scenario: first, Target: t}, func(proc *target.Process, at Addresses) error {
			if err := canMeter(proc.PID()); err != nil && !proc.Dead() {
				return fmt.Errorf("%w: %w", ErrUnmetered, err)
			}
			for _, s := range p.Scenarios {
				if s.App != first.App {
					continue
				}
				if err := verify(ctx, p.trusted, t.Protocol+"://"+at.Serve, t.Name, s, p.Seed, ref); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}
