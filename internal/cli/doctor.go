package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/dynobench/dyno/bench"
	"github.com/dynobench/dyno/bench/doctor"
	"github.com/dynobench/dyno/bench/measure"
	"github.com/dynobench/dyno/results"
)

type doctorFlags struct {
	quick                     bool
	out                       string
	serverCPUs, generatorCPUs []int
	wait                      bool
	tolerate                  []string
}

func (c *cli) doctorCommand() *cobra.Command {
	var f doctorFlags
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Check whether this host is fit to measure on, and calibrate the generator",
		Long: `doctor loads a server that does nothing and reports what this host and the
generator can do: the highest rate, the lowest latency, how precisely requests are
sent, whether a pause of the server shows in the latencies as it should, what else
runs here, and which settings are in the way. Each finding is marked ✓ (good),
! (a limit of what can be measured) or ✗ (figures would be wrong), and is
explained in docs/doctor.md.

doctor stores its findings in the runs folder as doctor.json. For a week, dyno run
judges its trials by them if CPUs, kernel and dyno are the same.

doctor exits with 1 if the host is not fit to measure on.`,
		Example: `  dyno doctor
  dyno doctor --quick
  dyno doctor --json > host.json
  dyno doctor --server-cpus 2,3 --generator-cpus 4,5`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return c.doctor(cmd.Context(), f) },
	}
	flags := cmd.Flags()
	flags.BoolVar(&f.quick, "quick", false, "quicker, less precise")
	flags.StringVarP(&f.out, "out", "o", "runs", "`folder` for runs and for what doctor finds")
	flags.IntSliceVar(&f.serverCPUs, "server-cpus", nil, "CPUs of the server (default: chosen, as dyno run does)")
	flags.IntSliceVar(&f.generatorCPUs, "generator-cpus", nil, "CPUs of the generator (default: chosen)")
	tolerateFlag(flags, &f.tolerate)
	waitFlag(flags, &f.wait)
	return cmd
}

func (c *cli) doctor(ctx context.Context, f doctorFlags) error {
	if err := bench.CheckTolerated(f.tolerate); err != nil {
		return usageError(err)
	}
	o := doctor.Options{Quick: f.quick, Build: build(), Tolerate: findings(f.tolerate)}
	var err error
	if o.CPUs, err = measure.ChooseCPUs(f.serverCPUs, f.generatorCPUs); err != nil {
		return usageError(err)
	}
	if o.Dyno, err = os.Executable(); err != nil {
		return failed(err)
	}
	if err := results.Writable(f.out); err != nil {
		return failed(err)
	}
	release, err := c.lockCPUs(ctx, o.CPUs, f.wait)
	if err != nil {
		return err
	}
	defer release()
	seen, done := c.watchDoctor()
	o.Seen = seen
	d, err := doctor.Run(ctx, o)
	done()
	switch {
	case ctx.Err() != nil:
		fmt.Fprintln(c.stderr, "interrupted; nothing was stored")
		return errInterrupted
	case err != nil:
		return failed(err)
	}
	path, storeErr := results.StoreDoctor(f.out, d)
	if c.json {
		err = json.NewEncoder(c.stdout).Encode(d)
	} else {
		err = doctor.WriteText(c.stdout, d, width(c.stdout))
	}
	switch {
	case storeErr != nil:
		return failed(storeErr)
	case err != nil:
		return failed(err)
	}
	fmt.Fprintf(c.stderr, "kept in %s\n", path)
	if d.Verdict == results.NotFit {
		return &exitError{code: exitFailed}
	}
	return nil
}

// watchDoctor shows what is measured: a bar where a person watches, a line for
// each part otherwise.
func (c *cli) watchDoctor() (seen func(doctor.Progress), done func()) {
	if !isTerminal(c.stderr) {
		return func(p doctor.Progress) {
			fmt.Fprintf(c.stderr, "measuring %s (%v left)\n", p.What, (p.Total - p.Done).Round(time.Second))
		}, func() {}
	}
	b := newBar(c.stderr, 1)
	return func(p doctor.Progress) { b.show(int64(p.Done), int64(p.Total), p.What, p.Total-p.Done) }, b.close
}

// calibrate gives plan what dyno doctor found of this host, if it is kept in
// folder and still true; else it says why not.
func (c *cli) calibrate(plan *bench.Plan, env results.Environment, folder string) {
	d, err := results.ReadDoctor(folder)
	if err == nil && d == nil {
		return
	}
	if err == nil {
		err = bench.CheckCalibration(d, env, build(), time.Now())
	}
	if err != nil {
		fmt.Fprintf(c.stderr, "the results of dyno doctor are not used: %v; run it again\n", err)
		return
	}
	plan.Calibration = d.Calibration
}
