package cli

import (
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/dynobench/dyno/bench"
	"github.com/dynobench/dyno/bench/target"
	"github.com/dynobench/dyno/bench/tune"
	"github.com/dynobench/dyno/engines"
	"github.com/dynobench/dyno/engines/catalog"
	"github.com/dynobench/dyno/internal/format"
	"github.com/dynobench/dyno/internal/secret"
	"github.com/dynobench/dyno/internal/suggest"
	"github.com/dynobench/dyno/results"
	"github.com/dynobench/dyno/scenarios"
)

// tuning is one on its way.
type tuning struct {
	c       *cli
	f       tuneFlags
	terms   tune.Terms
	options bench.Options // of each sweep, but for targets, trials and seed
	first   *bench.Plan   // of the defaults alone: the CPUs, the seed, the time that a trial takes
	store   *results.Store

	rounds, trials int // measured so far
}

// newTuning works out what is to be measured. Its errors are the user's.
func (c *cli) newTuning(args []string, f tuneFlags) (*tuning, error) {
	t := &tuning{c: c, f: f}
	spec, err := engines.Parse(args[0])
	if err != nil {
		return nil, err
	}
	if _, err := catalog.New(args[0]); err != nil {
		return nil, err
	}
	if entry, err := catalog.Lookup(spec.Name); err != nil || entry.Kind == catalog.Calibration {
		return nil, fmt.Errorf("engine %s measures the host and is not a server to deploy", spec.Name)
	}
	if err := catalog.Speaks(args[0], f.protocol); err != nil {
		return nil, err
	}
	if _, err := codecOf(f.protocol); err != nil {
		return nil, err
	}
	asked, err := c.asked(args[1:])
	if err != nil {
		return nil, err
	}
	asked.Duration, asked.Warmup = min(asked.Duration, tuneDuration), min(asked.Warmup, tuneWarmup)
	if f.given("warmup") { // bench takes 0 for the scenario's
		asked.Warmup = f.warmup
	}
	t.options = bench.Options{
		Scenarios: []*scenarios.Scenario{asked}, Duration: f.duration, Warmup: f.warmup,
		ServerCPUs: f.serverCPUs, GeneratorCPUs: f.generatorCPUs, Tolerate: f.tolerate,
	}
	if t.options.Dyno, err = os.Executable(); err != nil {
		return nil, err
	}
	t.terms = tune.Terms{Engine: args[0], Objective: tune.DefaultObjective(asked.Load.Model), Floor: f.floor}
	if f.objective != "" {
		if t.terms.Objective = tune.Objective(f.objective); !slices.Contains(tune.Objectives, t.terms.Objective) {
			return nil, suggest.Unknown("objective", f.objective, []string{string(tune.CPU), string(tune.Throughput), string(tune.P99)})
		}
	}
	if !(f.floor >= 0 && f.floor < 1) {
		return nil, fmt.Errorf("--floor %v: must be from 0 to 1; 0.02 is 2 %%", f.floor)
	}
	if t.first, err = t.plan([]tune.Candidate{nil}, 1, f.seed); err != nil {
		return nil, err
	}
	t.options.ServerCPUs, t.options.GeneratorCPUs = t.first.ServerCPUs, t.first.GeneratorCPUs
	if t.terms.Knobs, err = knobs(spec, f.sweep, max(len(t.first.ServerCPUs), 1)); err != nil {
		return nil, err
	}
	return t, t.setRounds()
}

// asked is the scenario that the arguments name.
func (c *cli) asked(names []string) (*scenarios.Scenario, error) {
	if len(names) == 0 && c.own != nil {
		return frontPage(), nil
	}
	s, err := scenarios.Load(append(names, "hello")[0])
	if err != nil {
		return nil, err
	}
	return s, c.claim([]*scenarios.Scenario{s})
}

// setRounds takes the rounds from the flag, or as many as the budget allows.
func (t *tuning) setRounds() error {
	if t.f.rounds != 0 {
		if t.terms.Rounds = t.f.rounds; t.terms.Rounds < 3 {
			return fmt.Errorf("--trials %d: an interval needs 3", t.f.rounds)
		}
		return nil
	}
	t.terms.Rounds = tuneMost
	for t.length() > t.f.budget {
		if t.terms.Rounds == tuneLeast {
			return fmt.Errorf("--budget %v is too short: %s of %s take about %v; use a longer budget or fewer settings (--sweep)",
				t.f.budget, format.Plural(tuneLeast, "round"), format.Plural(t.terms.Candidates(), "candidate"), t.length().Round(time.Second))
		}
		t.terms.Rounds--
	}
	return nil
}

// length is about how long the tuning takes at most.
func (t *tuning) length() time.Duration {
	trials := time.Duration(float64(t.terms.Trials()) * tuneSpare * float64(t.first.Length()))
	return trials + time.Duration(t.terms.Candidates()+2)*tuneVerify
}

// describe says what will be measured.
func (t *tuning) describe(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s under %s, for %s: %s of %s and a confirmation, %s at most, about %v, seed %d\n",
		t.terms.Engine, t.options.Scenarios[0].Name, t.terms.Objective, format.Plural(t.terms.Rounds, "round"),
		format.Plural(t.terms.Candidates(), "candidate"), format.Plural(t.terms.Trials(), "trial"), t.length().Round(time.Second), t.first.Seed)
	for _, k := range t.terms.Knobs {
		fmt.Fprintf(&b, "  %s=%s, and %s\n", k.Key, k.Default, strings.Join(k.Values, ", "))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// open makes the run that the trials go into.
func (t *tuning) open() error {
	env := t.first.Environment()
	t.c.calibrate(t.first, env, t.f.out)
	t.options.Calibration = t.first.Calibration
	described := t.first.Describe()
	described.Command = secret.Words(t.c.commandLine(t.first.Seed))
	var err error
	t.store, err = results.Create(t.f.out, &results.Run{Dyno: build(), Environment: env, Plan: described, Calibration: t.first.Calibration})
	return err
}

// plan is that of candidates beside each other.
func (t *tuning) plan(all []tune.Candidate, rounds int, seed uint64) (*bench.Plan, error) {
	o := t.options
	o.Trials, o.Seed = rounds, seed
	for _, c := range all {
		engine, err := engineTarget(c.Spec(t.terms.Engine), nil)
		if err != nil {
			return nil, err
		}
		engine.Name, engine.Env, engine.Protocol = c.Name(t.terms.Engine), c.Env(), t.f.protocol
		o.Targets = append(o.Targets, engine)
	}
	t.c.adapt(o.Targets, o.Scenarios[0])
	return bench.NewPlan(o)
}

// measure is a tune.Measure: a plan of its own for each sweep, whose trials go
// into the one run as further rounds of it. So targets meet there only in the
// rounds in which they were measured beside each other.
func (t *tuning) measure(ctx context.Context, all []tune.Candidate, rounds int) ([]results.Trial, error) {
	plan, err := t.plan(all, rounds, t.first.Seed+uint64(t.rounds))
	if err != nil {
		return nil, err
	}
	described := plan.Describe()
	err = t.store.Update(func(r *results.Run) {
		for _, target := range described.Targets {
			at := slices.IndexFunc(r.Plan.Targets, func(known results.PlanTarget) bool { return known.Name == target.Name })
			if at < 0 {
				at = len(r.Plan.Targets)
				r.Plan.Targets = append(r.Plan.Targets, target)
			}
			for i := range rounds {
				r.Plan.Targets[at].Trials = append(r.Plan.Targets[at].Trials, t.rounds+i+1)
			}
		}
		r.Plan.Trials = t.rounds + rounds
		r.Plan.Planned = r.Plan.Count()
	})
	if err != nil {
		return nil, err
	}
	seen, done := watch(t.c.stderr, plan)
	plan.Seen = seen
	sink := &shifted{tuning: t}
	refused, err := plan.Run(ctx, sink)
	done()
	t.rounds, t.trials = t.rounds+rounds, t.trials+len(sink.trials)
	if ctx.Err() != nil {
		return sink.trials, err
	}
	for _, r := range refused {
		if r.Target == plan.Targets[0].Name {
			return sink.trials, fmt.Errorf("%s, the baseline, is refused: %w", r.Target, r.Err)
		}
	}
	return sink.trials, err
}

// shifted keeps the trials of a sweep, and stores them as further rounds of the
// run.
type shifted struct {
	*tuning
	trials []results.Trial
}

func (s *shifted) Append(t results.Trial) error {
	s.trials = append(s.trials, t)
	t.Trial += s.rounds
	t.Order += s.tuning.trials
	return s.store.Append(t)
}

// deploy is the command that serves with the settings of c, behind what they and
// whoever asked set in the environment.
func (t *tuning) deploy(c tune.Candidate) []string {
	var words []string
	env := c.Env()
	for _, k := range catalog.Variables {
		if v := os.Getenv(k.Key); v != "" {
			env[k.Key] = v
		}
	}
	for _, k := range slices.Sorted(maps.Keys(env)) {
		words = append(words, k+"="+env[k])
	}
	words = append(words, t.c.program(), "serve", "--engine", c.Spec(t.terms.Engine), "--listen", "127.0.0.1:8000")
	if t.f.protocol != target.DefaultProtocol {
		words = append(words, "--protocol", t.f.protocol)
	}
	if app := t.options.Scenarios[0].App; app != t.c.defaultApp() {
		words = append(words, "--app", app)
	}
	return words
}
