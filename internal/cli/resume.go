package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/dynobench/dyno/bench"
	"github.com/dynobench/dyno/bench/load/plan"
	"github.com/dynobench/dyno/bench/measure"
	"github.com/dynobench/dyno/bench/target"
	"github.com/dynobench/dyno/internal/format"
	"github.com/dynobench/dyno/results"
	"github.com/dynobench/dyno/scenarios"
)

// besideResume are the flags of run that say nothing of a plan.
var besideResume = []string{"resume", "out", "wait", "json", "config"}

// checkResume refuses what would make another plan than the stored one. What
// the environment or a file sets is meant for new runs, and is left alone.
func (c *cli) checkResume(cmd *cobra.Command, args []string) error {
	var also []string
	cmd.Flags().Visit(func(f *pflag.Flag) {
		if !slices.Contains(besideResume, f.Name) && !c.settings[f.Name] {
			also = append(also, "--"+f.Name)
		}
	})
	if also = append(args[:len(args):len(args)], also...); len(also) > 0 {
		return fmt.Errorf("--resume continues the stored plan: leave out %s", strings.Join(also, ", "))
	}
	return nil
}

// resume goes on with a run that was cut, where what it depends on is the same.
func (c *cli) resume(ctx context.Context, name, folder string, wait bool) error {
	path, err := results.Find(folder, name)
	if err != nil {
		return usageError(err)
	}
	store, err := results.Open(path)
	if err != nil {
		return usageError(err)
	}
	defer store.Close() //nolint:errcheck // it is only a lock
	run := store.Run()
	if !run.Finished.IsZero() {
		fmt.Fprintf(c.stderr, "nothing to do: run %s has ended, %s\n", run.ID, run.Tally())
		return c.conclude(store, nil)
	}
	plan, err := c.restore(store)
	if err != nil {
		return usageError(fmt.Errorf("run %s cannot be resumed: %w", run.ID, err))
	}
	left := plan.Remaining()
	release, err := c.lockCPUs(ctx, measure.CPUs{Server: plan.ServerCPUs, Generator: plan.GeneratorCPUs}, wait)
	if err != nil {
		return err
	}
	defer release()
	err = store.Update(func(r *results.Run) {
		if left > 0 {
			r.Resumed = append(r.Resumed, time.Now().UTC())
		}
		r.Interrupted = false
	})
	if err != nil {
		return failed(err)
	}
	if left == 0 {
		fmt.Fprintf(c.stderr, "nothing left to measure of run %s: %s\n", run.ID, run.Tally())
		return c.conclude(store, store.Update(func(r *results.Run) { r.Finished = time.Now().UTC() }))
	}
	fmt.Fprintf(c.stderr, "%s of %d left, into %s\n", format.Plural(left, "trial"), run.Plan.Planned, store.Dir())
	return c.carryOut(ctx, plan, store)
}

// restore makes the plan of a stored run again, or says what is not as it was.
func (c *cli) restore(store *results.Store) (*bench.Plan, error) {
	run := store.Run()
	p := &run.Plan
	if err := run.Resumable(); err != nil {
		return nil, err
	}
	o := bench.Options{
		Trials: p.Trials, Seed: p.Seed, Generator: p.Generator, Profile: p.Profile, KeepSecrets: p.SecretsKept, ProfileDir: store.Dir(), Tolerate: p.Tolerate,
		ServerCPUs: run.Environment.ServerCPUs, GeneratorCPUs: run.Environment.GeneratorCPUs,
		ReadyTimeout: seconds(p.ReadyTimeoutS), Calibration: run.Calibration, Done: run.Trials,
	}
	if p.Trust != nil {
		o.Trust = plan.Trust(*p.Trust)
	}
	var err error
	if o.Dyno, err = os.Executable(); err != nil {
		return nil, err
	}
	now := build()
	now.SHA256 = digest(o.Dyno)
	if d := differences(run.Dyno, now); d != "" {
		return nil, fmt.Errorf("this is another dyno: %s", d)
	}
	for _, s := range p.Scenarios {
		restored, err := c.restoreScenario(s, store.Dir())
		if err != nil {
			return nil, fmt.Errorf("scenario %s: %w", s.Name, err)
		}
		o.Scenarios = append(o.Scenarios, restored)
	}
	if o.Targets, err = restoreTargets(p); err != nil {
		return nil, err
	}
	if o.Dir, err = twinsFor(o.Targets); err != nil {
		return nil, err
	}
	for _, t := range p.Targets {
		if slices.ContainsFunc(p.Skipped, func(s results.Skip) bool { return s.Target == t.Name }) {
			o.Refused = append(o.Refused, t.Name)
		}
	}
	plan, err := bench.NewPlan(o)
	if err != nil {
		return nil, err
	}
	if d := differences(run.Environment, plan.Environment()); d != "" {
		return nil, fmt.Errorf("the environment is another one: %s", d)
	}
	described := c.describe(plan, nil)
	for i, s := range described.Scenarios {
		was := p.Scenarios[i]
		s.Source, was.Source = "", "" // the definition is what counts
		if d := differences(was, s); d != "" {
			return nil, fmt.Errorf("scenario %s is another one: %s", s.Name, d)
		}
	}
	for i, t := range described.Targets {
		was := p.Targets[i]
		if d := otherFiles(was.Files, t.Files); d != "" {
			return nil, fmt.Errorf("target %s is another one: %s", t.Name, d)
		}
		was.Files, t.Files = nil, nil
		if d := differences(was, t); d != "" {
			return nil, fmt.Errorf("target %s is another one: %s", t.Name, d)
		}
	}
	return plan, nil
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// digest is that of a file, empty if it cannot be read.
func digest(path string) string {
	if f := bench.FileOf(path); f != nil {
		return f.SHA256
	}
	return ""
}

// restoreScenario makes a scenario of what is stored of it. The generator reads
// it from a file: where that has changed, one is written beside the run.
func (c *cli) restoreScenario(was results.PlanScenario, dir string) (*scenarios.Scenario, error) {
	s, stands, err := scenarios.Restore(was.Source, was.Definition)
	if err != nil {
		return nil, err
	}
	s.App, s.Duration, s.Warmup = was.App, seconds(was.DurationS), seconds(was.WarmupS)
	if stands || was.Source == "" {
		return s, nil
	}
	s.Source = filepath.Join(dir, "scenario-"+s.Name+".yaml")
	if !strings.ContainsRune(s.Source, filepath.Separator) {
		s.Source = "." + string(filepath.Separator) + s.Source
	}
	return s, os.WriteFile(s.Source, []byte(was.Definition), 0o666)
}

// restoreTargets makes the targets of what is stored of them. Values of their
// environments are not stored; they come from the rows.
func restoreTargets(p *results.Plan) ([]target.Target, error) {
	rows, err := builtinTargets()
	if err != nil {
		return nil, err
	}
	if was := p.TargetsFile; was != nil {
		now := bench.FileOf(was.Path)
		switch {
		case now == nil:
			return nil, fmt.Errorf("the targets file %s is gone: restore it", was.Path)
		case now.SHA256 != was.SHA256:
			return nil, fmt.Errorf("the targets file %s has changed: restore it, or start a new run", was.Path)
		}
		own, err := target.LoadList(was.Path)
		if err != nil {
			return nil, err
		}
		rows = append(own, rows...)
	}
	var all []target.Target
	for _, was := range p.Targets {
		t := target.Target{
			Name: was.Name, Summary: was.Summary, Kind: was.Kind, Spec: was.Spec, Command: was.Command,
			Protocol: was.Protocol, Ready: was.Ready, Drain: seconds(was.DrainS), Signal: was.Signal,
		}
		if i := slices.IndexFunc(rows, func(row target.Target) bool { return row.Name == was.Name }); i >= 0 && len(was.Env) > 0 {
			t.Env = maps.Clone(rows[i].Env)
		}
		if names := slices.Sorted(maps.Keys(t.Env)); !slices.Equal(names, was.Env) {
			return nil, fmt.Errorf("target %s: its environment had %s and now has %s; the values are not stored", was.Name, list(was.Env), list(names))
		}
		all = append(all, t)
	}
	return all, nil
}

func list(words []string) string { return cmp.Or(strings.Join(words, ", "), "nothing") }

// otherFiles says which of the files of a target's command are not as they were:
// their content is compared, wherever they are by now.
func otherFiles(was, now []results.File) string {
	for _, w := range was {
		var found *results.File
		for i, n := range now {
			if filepath.Base(n.Path) == filepath.Base(w.Path) && (found == nil || n.SHA256 == w.SHA256) {
				found = &now[i]
			}
		}
		switch {
		case found == nil:
			return w.Path + " is gone"
		case found.SHA256 != w.SHA256:
			return fmt.Sprintf("%s has changed (SHA-256 %.12s, was %.12s)", found.Path, found.SHA256, w.SHA256)
		}
	}
	return ""
}

// settled drops the files that have changed since the plan was described: once
// the targets have been started, those are what the servers themselves write.
func settled(p *results.Plan, plan *bench.Plan) {
	for i := range p.Targets {
		now, _ := plan.Files(i) // as when they were described
		p.Targets[i].Files = slices.DeleteFunc(p.Targets[i].Files, func(f results.File) bool { return !slices.Contains(now, f) })
	}
}

// differences names the fields in which two records differ, as they are stored.
func differences(was, now any) string {
	fields := func(v any) map[string]any {
		var m map[string]any
		b, _ := json.Marshal(v) //nolint:errcheck // they are stored like that
		json.Unmarshal(b, &m)   //nolint:errcheck // likewise
		return m
	}
	a, b := fields(was), fields(now)
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(union(a, b))) {
		if !reflect.DeepEqual(a[name], b[name]) {
			parts = append(parts, fmt.Sprintf("%s was %s, now %s", name, short(a[name]), short(b[name])))
		}
	}
	return strings.Join(parts, "; ")
}

func union(a, b map[string]any) map[string]any {
	all := maps.Clone(a)
	maps.Copy(all, b)
	return all
}

// short is a value in a sentence.
func short(v any) string {
	if v == nil {
		return "not there"
	}
	b, _ := json.Marshal(v) //nolint:errcheck // it came from JSON
	const most = 60
	if text := []rune(string(b)); len(text) > most {
		return string(text[:most]) + "…"
	}
	return string(b)
}
