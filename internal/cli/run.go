package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/dynobench/dyno/bench"
	"github.com/dynobench/dyno/bench/load/plan"
	"github.com/dynobench/dyno/bench/measure"
	"github.com/dynobench/dyno/bench/target"
	"github.com/dynobench/dyno/engines/catalog"
	"github.com/dynobench/dyno/internal/format"
	"github.com/dynobench/dyno/internal/secret"
	"github.com/dynobench/dyno/internal/suggest"
	"github.com/dynobench/dyno/results"
	"github.com/dynobench/dyno/results/report"
	"github.com/dynobench/dyno/scenarios"
	"github.com/dynobench/dyno/scenarios/apps"
)

// The tour is what `dyno run` measures unless told otherwise. With all
// built-in engines it takes about four minutes and shows the three things that
// set concurrency models apart: what a request costs, how many can wait at
// once, and whether a slow one holds up the fast. More and shorter trials tell
// more than fewer and longer ones, since the trial is what varies; mixed needs
// a thousand requests in each for its p99.
var tour = []struct {
	scenario string
	duration time.Duration
}{
	{"hello", 600 * time.Millisecond},
	{"wait", 600 * time.Millisecond},
	{"mixed", 1200 * time.Millisecond},
}

const (
	tourTrials = 4
	tourWarmup = 300 * time.Millisecond
	runTrials  = 3
)

type runFlags struct {
	targets       []string
	targetsFile   string
	commands      []string
	trials        int
	seed          uint64
	duration      time.Duration
	warmup        time.Duration
	generator     string
	profile       string
	protocol      string
	out           string
	serverCPUs    []int
	generatorCPUs []int
	readyTimeout  time.Duration
	tolerate      []string
	wait          bool
	trust         plan.Trust
	resume        string
	plan, secrets bool
	given         func(flag string) bool
}

func (c *cli) runCommand() *cobra.Command {
	var f runFlags
	cmd := &cobra.Command{
		Use:   "run [SCENARIO…]",
		Short: "Compare targets under scenarios: start, verify, load, measure, report",
		Long: `run compares targets under scenarios. For every trial it starts the target
anew, checks every response of the scenario once, loads it from a separate
process, measures it from outside and stores the trial. Then it prints a table
and writes report.md, report.html and plots beside run.json.

SCENARIO is a built-in name (dyno list scenarios) or the path of a YAML file. A
target is a name (dyno list targets) or an engine spec such as
threads,threads=8. --command adds your own server: {addr} in its command line is
the address to listen on, and it must answer the scenario's requests.

run exits with 1 if a target was refused, if a trial failed (wrong responses,
errors, a dead server), or if no trial of a target counts under a scenario.

--resume RUN continues a killed or interrupted run with its stored plan. Machine
and programs must be the same. Settings from the environment and --config do not
apply to it.`,
		Example: `  dyno run
  dyno run hello mixed --targets goroutine,eventloop,nethttp --trials 5
  dyno run json --targets goroutine --targets goroutine,per=request
  dyno run hello --targets goroutine --command 'mine=./myserver --listen {addr}'
  dyno run hello --protocol uwsgi --targets goroutine,eventloop,uwsgi-gevent
  dyno run ./checkout.yaml --targets uwsgi-gevent,gunicorn-gthread
  dyno run hello --plan
  dyno run --resume latest`,
		RunE: func(cmd *cobra.Command, args []string) error {
			f.given = cmd.Flags().Changed
			if f.given("resume") {
				if err := c.checkResume(cmd, args); err != nil {
					return usageError(err)
				}
				return c.resume(cmd.Context(), f.resume, f.out, f.wait)
			}
			return c.run(cmd.Context(), args, f)
		},
	}
	flags := cmd.Flags()
	flags.StringArrayVarP(&f.targets, "targets", "T", nil, "`names` or engine specs; may be repeated (default: all engines and yardsticks)")
	flags.StringVar(&f.targetsFile, "targets-file", "", "YAML `file` with more targets, in the form of the built-in ones")
	flags.StringArrayVar(&f.commands, "command", nil, "a server of your own, as `'name=command line with {addr}'`; may be repeated")
	flags.IntVarP(&f.trials, "trials", "n", 0, "fresh processes per scenario and target (default 3, or 4 without SCENARIO)")
	flags.Uint64Var(&f.seed, "seed", 0, "of the order and the load (default: drawn)")
	flags.DurationVarP(&f.duration, "duration", "d", 0, "measured window of a trial (default: the scenario's)")
	flags.DurationVar(&f.warmup, "warmup", 0, "longest warm-up of a trial (default: the scenario's)")
	flags.StringVar(&f.generator, "generator", "native", "native or vegeta")
	flags.StringVar(&f.protocol, "protocol", target.DefaultProtocol, "protocol of the requests: http, https, uwsgi, scgi or fastcgi; targets that do not speak it are skipped")
	flags.StringVar(&f.profile, "profile", "", "take a profile of this `kind` in each trial of a Go target: "+strings.Join(bench.Profiles, ", ")+"; the figures then include its cost")
	flags.StringVarP(&f.out, "out", "o", "runs", "`folder` for runs")
	flags.IntSliceVar(&f.serverCPUs, "server-cpus", nil, "CPUs of the server (default: chosen)")
	flags.IntSliceVar(&f.generatorCPUs, "generator-cpus", nil, "CPUs of the generator (default: chosen)")
	flags.DurationVar(&f.readyTimeout, "ready-timeout", 15*time.Second, "time limit for a server's first correct response")
	tolerateFlag(flags, &f.tolerate)
	waitFlag(flags, &f.wait)
	trustFlags(flags, &f.trust)
	flags.StringVar(&f.resume, "resume", "", "continue a killed or interrupted `run` with its own plan: a folder, an id or \"latest\"; no trial is measured twice")
	flags.BoolVar(&f.secrets, "keep-secrets", false, "do not mask variables and credentials in run.json and the reports")
	flags.BoolVar(&f.plan, "plan", false, "print every command line of the run, and exit")
	return cmd
}

func (c *cli) run(ctx context.Context, names []string, f runFlags) (err error) {
	o := bench.Options{
		Trials: f.trials, Seed: f.seed, Duration: f.duration, Warmup: f.warmup, Generator: f.generator, ReadyTimeout: f.readyTimeout,
		ServerCPUs: f.serverCPUs, GeneratorCPUs: f.generatorCPUs, Profile: f.profile, KeepSecrets: f.secrets, Tolerate: f.tolerate, Trust: f.trust,
	}
	if f.trials < 0 {
		return usagef("--trials %d: must be at least 1; an interval needs 3", f.trials)
	}
	if len(names) == 0 && c.own != nil {
		o.Scenarios = []*scenarios.Scenario{frontPage()}
	}
	for _, name := range names {
		s, err := scenarios.Load(name)
		if err != nil {
			return usageError(err)
		}
		o.Scenarios = append(o.Scenarios, s)
	}
	if err := c.claim(o.Scenarios); err != nil {
		return usageError(err)
	}
	if len(o.Scenarios) == 0 {
		o.Trials = cmp.Or(o.Trials, tourTrials)
		for _, stop := range tour {
			s, err := scenarios.Load(stop.scenario)
			if err != nil {
				return err
			}
			s.Duration, s.Warmup = stop.duration, tourWarmup
			o.Scenarios = append(o.Scenarios, s)
		}
	}
	if f.given("warmup") { // bench takes 0 for the scenario's
		for _, s := range o.Scenarios {
			s.Warmup = f.warmup
		}
	}
	o.Trials = cmp.Or(o.Trials, runTrials)
	if o.Targets, err = f.choose(o.Scenarios); err != nil {
		return usageError(err)
	}
	c.adapt(o.Targets, o.Scenarios[0])
	tellOccupancy(o.Targets, f.profile != "")
	if o.Dyno, err = os.Executable(); err != nil {
		return err
	}
	twins, err := twinsFor(o.Targets)
	if err != nil {
		return failed(err)
	}
	o.Dir = twins

	targets, mute, err := f.over(o.Targets)
	if err != nil {
		return usageError(err)
	}
	var skipped []results.Skip
	o.Targets, skipped, err = available(targets, target.Vars{Dyno: o.Dyno, Dir: twins})
	if err != nil {
		return usageError(err)
	}
	skipped = append(mute, skipped...)
	for _, s := range skipped {
		fmt.Fprintf(c.stderr, "%s is skipped: %s%s\n", s.Target, s.Reason, remedy(s))
	}
	plan, err := bench.NewPlan(o)
	if err != nil {
		return usageError(err)
	}
	if f.plan {
		return c.printPlan(plan, skipped)
	}
	var own *results.File
	if f.targetsFile != "" {
		own = bench.FileOf(f.targetsFile)
	}
	return c.measure(ctx, plan, skipped, own, f.out, f.wait)
}

// describe is the plan as it is stored, with what it is made from again.
func (c *cli) describe(plan *bench.Plan, skipped []results.Skip) results.Plan {
	d := plan.Describe()
	d.Skipped = skipped
	d.Command = c.commandLine(plan.Seed)
	if !plan.KeepSecrets {
		d.MaskSecrets()
	}
	for i := range d.Targets {
		d.Targets[i].Files, _ = plan.Files(i) // a command that cannot be made is told when it is to be started
	}
	return d
}

// measure runs plan, stores it under folder and reports it.
func (c *cli) measure(ctx context.Context, plan *bench.Plan, skipped []results.Skip, own *results.File, folder string, wait bool) error {
	release, err := c.lockCPUs(ctx, measure.CPUs{Server: plan.ServerCPUs, Generator: plan.GeneratorCPUs}, wait)
	if err != nil {
		return err
	}
	defer release()
	described := c.describe(plan, skipped)
	described.TargetsFile = own
	b := build()
	b.SHA256 = digest(plan.Dyno)
	env := plan.Environment()
	c.calibrate(plan, env, folder)
	store, err := results.Create(folder, &results.Run{Dyno: b, Environment: env, Plan: described, Calibration: plan.Calibration})
	if err != nil {
		return failed(err)
	}
	defer store.Close() //nolint:errcheck // it is only a lock
	plan.ProfileDir = store.Dir()
	fmt.Fprintf(c.stderr, "%s of %s, about %v, seed %d, into %s\n",
		format.Plural(len(plan.Steps), "trial"), format.Plural(len(plan.Targets), "target"), plan.Length().Round(time.Second), plan.Seed, store.Dir())
	switch {
	case env.CPUsShared:
		fmt.Fprintln(c.stderr, "warning: one CPU for server and generator: they slow each other down; compare CPU per request only")
	case env.CPUsOneCore:
		fmt.Fprintln(c.stderr, "warning: the CPUs of server and generator are on one core: they slow each other down; compare CPU per request only")
	}

	return c.carryOut(ctx, plan, store)
}

// carryOut runs plan into store and reports what came of it, however it ends.
func (c *cli) carryOut(ctx context.Context, plan *bench.Plan, store *results.Store) error {
	seen, done := watch(c.stderr, plan)
	var storeErr error
	plan.Seen = func(e bench.Event) {
		if e.Kind == bench.TargetRefused { // at once, as the trials: a run that is killed has not forgotten it
			storeErr = store.Update(func(r *results.Run) {
				r.Plan.Skipped = append(r.Plan.Skipped, results.Skip{Target: e.Target, Reason: e.Err.Error(), Refused: !errors.Is(e.Err, bench.ErrUnmetered)})
			})
		}
		if e.Kind == bench.TrialBegins && e.Done == 0 {
			settled(&store.Run().Plan, plan) // it is stored with the trial
		}
		seen(e)
	}
	_, runErr := plan.Run(ctx, store)
	done()
	interrupted := ctx.Err() != nil
	updateErr := store.Update(func(r *results.Run) {
		r.Interrupted = interrupted && runErr != nil
		if runErr == nil || errors.Is(runErr, bench.ErrNoTarget) {
			r.Finished = time.Now().UTC()
		}
	})
	if interrupted && !errors.Is(runErr, bench.ErrNoTarget) {
		runErr = nil // that it was interrupted is all
	}
	err := c.conclude(store, cmp.Or(runErr, storeErr, updateErr))
	if interrupted {
		if err != nil {
			fmt.Fprintln(c.stderr, err)
		}
		if run := store.Run(); run.Interrupted {
			fmt.Fprintf(c.stderr, "interrupted: %s; dyno run --resume %s continues it\n", run.Tally(), store.Dir())
		}
		return errInterrupted
	}
	return err
}

// conclude reports a run that goes no further, and returns what it has failed
// in: err, the report, or what was asked of its targets.
func (c *cli) conclude(store *results.Store, err error) error {
	run := store.Run()
	reportErr := c.report(run, store.Dir())
	if reportErr != nil {
		reportErr = fmt.Errorf("%w\nthe run is stored in %s; dyno report %s tries again", reportErr, store.Path(), store.Dir())
	}
	refused := 0
	for _, t := range run.Plan.Targets {
		if slices.ContainsFunc(run.Plan.Skipped, func(s results.Skip) bool { return s.Target == t.Name }) {
			refused++
		}
	}
	switch {
	case err != nil:
		return failed(errors.Join(fmt.Errorf("%w\nwhat was measured is in %s", err, store.Path()), reportErr))
	case reportErr != nil:
		return failed(reportErr)
	case refused > 0:
		return failed(fmt.Errorf("%s refused, see above", format.Plural(refused, "target")))
	}
	return verdict(run)
}

// stored is a run as it is printed: what is in run.json and what is beside it.
type stored struct {
	*results.Run
	Verdict *report.Judgement `json:"verdict"`
}

// report prints the table, or the run as JSON, and writes the report's files.
// What cannot be written is told after what could be printed.
func (c *cli) report(run *results.Run, dir string) error {
	filesErr := report.Write(run, dir)
	var err error
	if c.json {
		err = json.NewEncoder(c.stdout).Encode(stored{run, report.Judge(run)})
	} else {
		err = report.Terminal(c.stdout, run, width(c.stdout))
	}
	if filesErr == nil {
		fmt.Fprintf(c.stderr, "report: %s\n", filepath.Join(dir, report.HTMLFile))
	}
	return cmp.Or(err, filesErr)
}

// verdict is an error if the run did not do what was asked: a trial failed for
// a reason of its own, or nothing valid is left of a target under a scenario.
func verdict(run *results.Run) error {
	type cell struct{ scenario, target string }
	valid := map[cell]int{}
	bad := 0
	for _, t := range run.Trials {
		k := cell{t.Scenario, t.Target}
		valid[k] += 0
		if t.Valid {
			valid[k]++
		} else if bench.Failed(&t) {
			bad++
		}
	}
	if bad > 0 {
		return failed(fmt.Errorf("%s failed, see above", format.Plural(bad, "trial")))
	}
	for k, n := range valid {
		if n == 0 {
			return failed(fmt.Errorf("no trial of %s on %s is valid, see above", k.scenario, k.target))
		}
	}
	return nil
}

// printPlan prints what would be started, in order.
func (c *cli) printPlan(plan *bench.Plan, skipped []results.Skip) error {
	at := bench.Addresses{Serve: "127.0.0.1:8000", Stats: "127.0.0.1:8001", Pprof: "127.0.0.1:8002"} // a run takes free ports each time
	if c.json {
		return json.NewEncoder(c.stdout).Encode(c.describe(plan, skipped))
	}
	out := unfolded(c.stdout)
	for i, step := range plan.Steps {
		server, err := plan.Server(step, at)
		if err != nil {
			return usageError(err)
		}
		fmt.Fprintf(out, "# %d: %s on %s, trial %d\n%s\n%s\n", i+1, step.Scenario.Name, step.Target.Name, step.Trial,
			server, plan.Load(step, at.Serve))
	}
	return nil
}

// twinsFor is the folder of the apps' twins where one of the targets needs it:
// only then something is unpacked, and a home to unpack it in needed.
func twinsFor(targets []target.Target) (string, error) {
	if slices.ContainsFunc(targets, func(t target.Target) bool { return t.Needs("dir") }) {
		return apps.Folder()
	}
	return "", nil
}

// choose returns the targets that the flags name; without any, dyno's own
// engines and yardsticks and the rows of the user's file.
func (f runFlags) choose(asked []*scenarios.Scenario) ([]target.Target, error) {
	known, err := builtinTargets()
	if err != nil {
		return nil, err
	}
	var chosen []target.Target
	if f.targetsFile != "" {
		own, err := target.LoadList(f.targetsFile)
		if err != nil {
			return nil, fmt.Errorf("--targets-file: %w", err)
		}
		if len(f.targets) == 0 {
			chosen = own
		}
		known = append(own, known...)
	}
	for _, words := range f.targets {
		found, err := named(words, known)
		if err != nil {
			return nil, err
		}
		chosen = append(chosen, found...)
	}
	if len(f.targets) == 0 && len(f.commands) == 0 {
		for _, t := range known {
			if t.Kind != target.Outside {
				chosen = append(chosen, t)
			}
		}
	}
	for _, command := range f.commands {
		t, err := ownServer(command, f.protocol, asked)
		if err != nil {
			return nil, err
		}
		chosen = append(chosen, t)
	}
	return chosen, nil
}

// over makes all targets speak --protocol, if it is given. Of those that nobody
// has named it leaves out what cannot.
func (f runFlags) over(all []target.Target) (able []target.Target, skipped []results.Skip, err error) {
	secure := f.protocol == target.HTTPS
	if _, err := codecOf(f.protocol); err != nil && !secure {
		return nil, nil, err
	}
	for _, t := range all {
		over, ok := t.Over(f.protocol)
		if t.Spec != "" && (secure || catalog.Speaks(t.Spec, f.protocol) != nil) {
			ok = false
		}
		switch {
		case f.protocol == target.DefaultProtocol: // a row of the user's may say another one
			able = append(able, t)
		case ok:
			able = append(able, over)
		case len(f.targets) > 0:
			return nil, nil, fmt.Errorf("target %s speaks %s only: leave out the target or --protocol", t.Name, t.Protocol)
		default:
			skipped = append(skipped, results.Skip{Target: t.Name, Reason: "it speaks " + t.Protocol + " only"})
		}
	}
	return able, skipped, nil
}

// remedy tells what to do about a skip.
func remedy(s results.Skip) string {
	if s.Hint == "" {
		return ""
	}
	return "; to install: " + s.Hint
}

// named resolves one value of --targets. A comma separates names, but also
// the settings of an engine spec: a word with "=" belongs to what stands
// before it.
func named(words string, known []target.Target) ([]target.Target, error) {
	var specs []string
	for _, word := range strings.Split(words, ",") {
		if len(specs) > 0 && strings.Contains(word, "=") && !strings.Contains(word, ":") {
			specs[len(specs)-1] += "," + word
		} else {
			specs = append(specs, strings.TrimSpace(word))
		}
	}
	var chosen []target.Target
	for _, spec := range specs {
		i := slices.IndexFunc(known, func(t target.Target) bool { return t.Name == spec })
		if i >= 0 {
			chosen = append(chosen, known[i])
			continue
		}
		t, err := engineTarget(spec, known)
		if err != nil {
			return nil, err
		}
		chosen = append(chosen, t)
	}
	return chosen, nil
}

// engineTarget makes a target of an engine spec that has no row of its own.
func engineTarget(spec string, known []target.Target) (target.Target, error) {
	if _, err := catalog.Lookup(spec); err != nil && !strings.ContainsAny(spec, ":,=") {
		var names []string
		for _, t := range known {
			names = append(names, t.Name)
		}
		return target.Target{}, suggest.Unknown("target", spec, names)
	}
	if _, err := catalog.New(spec); err != nil {
		return target.Target{}, err
	}
	return target.Target{
		Name: spec, Kind: target.Engine, Spec: spec, Protocol: target.DefaultProtocol, Ready: target.DefaultReady,
		Drain: target.DefaultDrain, Signal: target.DefaultSignal,
		Command: []string{"{dyno}", "serve", "--engine", spec, "--protocol", "{protocol}", "--listen", "{addr}", "--app", "{app}"},
	}, nil
}

// ownServer reads a value of --command. The server is ready when it answers
// the first request that it will be asked.
func ownServer(command, protocol string, asked []*scenarios.Scenario) (target.Target, error) {
	name, line, ok := strings.Cut(command, "=")
	told := secret.Words([]string{command})[0]
	if !ok || name == "" || strings.TrimSpace(line) == "" {
		return target.Target{}, fmt.Errorf("--command %q: expected 'name=command line with {addr}'", told)
	}
	// A shell splits the line into words as its author expects; exec keeps
	// the server the process that is signalled, and env takes assignments
	// that stand before it.
	t := target.Target{
		Name: name, Summary: line, Kind: target.Outside, Protocol: protocol, Ready: asked[0].Requests[0].Path,
		Drain: target.DefaultDrain, Signal: target.DefaultSignal,
		Command: []string{"/bin/sh", "-c", "exec env " + line},
	}
	if err := t.Validate(); err != nil {
		return target.Target{}, fmt.Errorf("--command %q: %w", told, err)
	}
	return t, nil
}

// available sorts out the targets that this host lacks something for.
func available(all []target.Target, v target.Vars) (targets []target.Target, skipped []results.Skip, err error) {
	for _, t := range all {
		lacking, err := t.Missing(v)
		if err != nil {
			return nil, nil, err
		}
		if runtime.GOOS != "linux" && t.Kind == target.Engine {
			if _, err := catalog.New(t.Spec); err != nil {
				skipped = append(skipped, results.Skip{Target: t.Name, Reason: err.Error(), Hint: "run on Linux"})
				continue
			}
		}
		if len(lacking) == 0 {
			targets = append(targets, t)
			continue
		}
		s := results.Skip{Target: t.Name}
		for i, r := range lacking {
			if i > 0 {
				s.Reason += ", "
			}
			s.Reason += "missing " + r.String()
			if r.Install != "" && !strings.Contains(s.Hint, r.Install) {
				s.Hint = strings.TrimPrefix(s.Hint+"; "+r.Install, "; ")
			}
		}
		skipped = append(skipped, s)
	}
	return targets, skipped, nil
}

// missing says in a line what t lacks on this host.
func missing(t target.Target) string {
	_, skipped, err := available([]target.Target{t}, target.Vars{})
	if err != nil {
		return err.Error()
	}
	if len(skipped) == 0 {
		return ""
	}
	return skipped[0].Reason + " (" + skipped[0].Hint + ")"
}
