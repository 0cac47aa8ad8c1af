package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/dynobench/dyno/bench"
	"github.com/dynobench/dyno/bench/measure"
	"github.com/dynobench/dyno/bench/target"
	"github.com/dynobench/dyno/bench/tune"
	"github.com/dynobench/dyno/internal/format"
	"github.com/dynobench/dyno/results"
)

// tuneFile is the name of a tuning's document, beside the run.json that it is
// derived from.
const tuneFile = "tune.json"

// A tuning has as many rounds as its budget allows, within these bounds. With
// four, an improvement by a third is found; nine find one by a fifth on a
// machine as noisy as the tests simulate. Trials are short, since more of them
// tell more than longer ones.
const (
	tuneLeast    = 4
	tuneMost     = 9
	tuneDuration = 1200 * time.Millisecond
	tuneWarmup   = 300 * time.Millisecond

	tuneSpare  = 1.2                    // for trials that the host disturbs and are run again
	tuneVerify = 300 * time.Millisecond // about what it takes to hold a candidate to its answers
)

type tuneFlags struct {
	given         func(flag string) bool
	objective     string
	sweep         []string
	budget        time.Duration
	rounds        int
	floor         float64
	seed          uint64
	duration      time.Duration
	warmup        time.Duration
	protocol      string
	out           string
	serverCPUs    []int
	generatorCPUs []int
	plan          bool
	tolerate      []string
	wait          bool
}

func (c *cli) tuneCommand() *cobra.Command {
	var f tuneFlags
	cmd := &cobra.Command{
		Use:   "tune ENGINE [SCENARIO]",
		Short: "Find the fastest settings of an engine on this host",
		Long: `tune finds the fastest settings of an engine. It measures the values worth trying,
one setting after the other, including Go's collector and scheduler (GOGC,
GOMAXPROCS), in interleaved rounds of fresh processes. A value replaces the default
only if it is better beyond doubt and by more than --floor: in its sweep, without
the other settings found, and again in a confirmation, because the best of many
looks better than it is. At the end tune prints the command line to deploy.

ENGINE is an engine or a spec. Settings in the spec and variables of the
environment stay as they are. SCENARIO is a built-in name or the path of a YAML
file (default: hello, or / of the program's own app). The default objective is
CPU per request for an open loop and throughput for a closed one. docs/tuning.md
explains the search, docs/tuning-results.md lists what it found for each engine.

tune exits with 3 if too few trials count.`,
		Example: `  dyno tune goroutine
  dyno tune eventloop hello-rate --for p99 --budget 10m
  dyno tune prefork:goroutine,processes=2 ./checkout.yaml
  dyno tune pool wait --sweep size=64,128,256,512 --sweep GOGC
  dyno tune threads --plan`,
		Args: cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			f.given = cmd.Flags().Changed
			return c.tune(cmd.Context(), args, f)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.objective, "for", "", "objective: cpu (per request), throughput or p99 (default: by the scenario's load)")
	flags.StringArrayVar(&f.sweep, "sweep", nil, "a `SETTING`, or SETTING=VALUE,… with values to try; may be repeated (default: all settings that affect speed)")
	flags.DurationVar(&f.budget, "budget", 5*time.Minute, "approximate duration of the search")
	flags.IntVarP(&f.rounds, "trials", "n", 0, "fresh processes for each value (default: as many as the budget allows, 4 to 9)")
	f.floor = 0.02
	flags.Var(share{&f.floor}, "floor", "smallest improvement that matters, as 0.05 or 5%")
	flags.Uint64Var(&f.seed, "seed", 0, "of the order and the load (default: drawn)")
	flags.DurationVarP(&f.duration, "duration", "d", 0, "measured window of a trial (default: the scenario's, 1.2s at most)")
	flags.DurationVar(&f.warmup, "warmup", 0, "longest warm-up of a trial (default: the scenario's, 300ms at most)")
	flags.StringVar(&f.protocol, "protocol", target.DefaultProtocol, "protocol of the requests: http, uwsgi, scgi or fastcgi")
	flags.StringVarP(&f.out, "out", "o", "runs", "`folder` for runs")
	flags.IntSliceVar(&f.serverCPUs, "server-cpus", nil, "CPUs of the server (default: chosen)")
	flags.IntSliceVar(&f.generatorCPUs, "generator-cpus", nil, "CPUs of the generator (default: chosen)")
	tolerateFlag(flags, &f.tolerate)
	waitFlag(flags, &f.wait)
	flags.BoolVar(&f.plan, "plan", false, "print the candidates, and exit")
	return cmd
}

func (c *cli) tune(ctx context.Context, args []string, f tuneFlags) error {
	t, err := c.newTuning(args, f)
	if err != nil {
		return usageError(err)
	}
	switch {
	case f.plan && c.json:
		return json.NewEncoder(c.stdout).Encode(t.terms)
	case f.plan:
		return t.describe(c.stdout)
	}
	t.describe(c.stderr) //nolint:errcheck // it is said in passing
	release, err := c.lockCPUs(ctx, measure.CPUs{Server: t.options.ServerCPUs, Generator: t.options.GeneratorCPUs}, f.wait)
	if err != nil {
		return err
	}
	defer release()
	if err := t.open(); err != nil {
		return failed(err)
	}
	result, err := tune.Search(ctx, t.terms, t.measure)
	return c.tuned(ctx, t, result, err)
}

// tuned stores and prints what came of a tuning.
func (c *cli) tuned(ctx context.Context, t *tuning, r *tune.Result, searchErr error) error {
	run := t.store.Run()
	r.ID, r.Created, r.Dyno, r.Environment, r.Scenario = run.ID, run.Created, run.Dyno, run.Environment, run.Plan.Scenarios[0]
	r.Command = t.deploy(r.Chosen)
	interrupted := ctx.Err() != nil
	err := t.store.Update(func(r *results.Run) {
		if r.Interrupted = interrupted; !interrupted && searchErr == nil {
			r.Finished = time.Now().UTC()
		}
	})
	err = cmp.Or(err, r.Write(filepath.Join(t.store.Dir(), tuneFile)))
	if c.json {
		err = cmp.Or(err, json.NewEncoder(c.stdout).Encode(r))
	} else if len(run.Trials) > 0 {
		err = cmp.Or(err, r.WriteText(c.stdout, width(c.stdout)))
	}
	fmt.Fprintf(c.stderr, "%s stored in %s\n", format.Plural(len(run.Trials), "trial"), t.store.Dir())
	switch {
	case interrupted:
		return errInterrupted
	case searchErr != nil:
		return failed(searchErr)
	case err != nil:
		return failed(err)
	case !r.Judged():
		if slices.ContainsFunc(run.Trials, func(trial results.Trial) bool {
			return trial.Target == t.terms.Engine && bench.Failed(&trial)
		}) {
			return failed(fmt.Errorf("trials of %s failed, see above", t.terms.Engine))
		}
		return &exitError{code: exitUndecided}
	}
	return nil
}
