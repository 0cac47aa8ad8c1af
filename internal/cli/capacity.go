package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/dynobench/dyno/bench/capacity"
	"github.com/dynobench/dyno/bench/load/plan"
	"github.com/dynobench/dyno/internal/file"
	"github.com/dynobench/dyno/internal/format"
	"github.com/dynobench/dyno/internal/number"
	"github.com/dynobench/dyno/results"
	"github.com/dynobench/dyno/results/report"
	"github.com/dynobench/dyno/results/report/plot"
)

// capacityFlags are those of dyno load that ask for an objective, for a search
// or for a sweep.
type capacityFlags struct {
	slo, sweep, plot string
	search           bool
	budget           time.Duration
}

func (f *capacityFlags) add(flags *pflag.FlagSet) {
	flags.StringVar(&f.slo, "slo", "", "`objective` such as 'p99<10ms,errors<0.1%': exit with 1 when it is missed")
	flags.BoolVar(&f.search, "capacity", false, "search for the highest rate that meets --slo, and draw the curve up to it")
	flags.StringVar(&f.sweep, "sweep", "", "measure the curve at these `rates`: 1000..50000/8 (eight, spaced logarithmically) or 1000,2000,5000")
	flags.DurationVar(&f.budget, "budget", time.Minute, "time for --capacity or --sweep")
	flags.StringVar(&f.plot, "plot", "", "write the curve of --capacity or --sweep to this `file`, .svg or .png")
}

// surveys tells whether more than one run is asked for.
func (f *capacityFlags) surveys() bool { return f.search || f.sweep != "" }

// check reads the objective and says what does not fit together.
func (f *capacityFlags) check(given func(string) bool) (slo capacity.Objective, err error) {
	if f.slo != "" {
		if slo, err = capacity.ParseObjective(f.slo); err != nil {
			return slo, fmt.Errorf("--slo: %w", err)
		}
	}
	switch {
	case f.search && f.sweep != "":
		return slo, errors.New("--capacity and --sweep cannot be combined: --capacity draws the curve as well")
	case f.search && f.slo == "":
		return slo, errors.New("--capacity needs an objective, such as --slo 'p99<10ms'")
	case f.surveys() && given("rate"):
		return slo, errors.New("--rate cannot be combined with --capacity or --sweep, which choose the rates")
	case f.surveys() && f.budget < 3*time.Second:
		return slo, fmt.Errorf("--budget %v: must be at least 3s; a minute is better", f.budget)
	case !f.surveys() && given("budget"):
		return slo, errors.New("--budget needs --capacity or --sweep")
	case !f.surveys() && f.plot != "":
		return slo, errors.New("--plot needs --capacity or --sweep")
	case f.plot != "" && filepath.Ext(f.plot) != ".svg" && filepath.Ext(f.plot) != ".png":
		return slo, fmt.Errorf("--plot %s: the name must end in .svg or .png", f.plot)
	}
	return slo, nil
}

// mostSwept keeps a slip of the finger from running for days.
const mostSwept = 200

// sweepRates reads LOW..HIGH/N or a list.
func sweepRates(text string) ([]float64, error) {
	bad := func() error {
		return fmt.Errorf("--sweep %s: expected low..high/number, as 1000..50000/8, or a list of rates, as 1000,2000,5000", text)
	}
	rate := func(s string) (float64, bool) {
		v, err := number.Decimal(strings.TrimSpace(s))
		return v, err == nil && v > 0 && v <= 1e9
	}
	var rates []float64
	if span, count, ok := strings.Cut(text, "/"); ok {
		from, to, dots := strings.Cut(span, "..")
		low, ok1 := rate(from)
		high, ok2 := rate(to)
		n, err := whole(count)
		if !dots || !ok1 || !ok2 || err != nil {
			return nil, bad()
		}
		if n < 2 || n > mostSwept || high <= low {
			return nil, fmt.Errorf("--sweep %s: give 2 to %d rates, the lower first", text, mostSwept)
		}
		for i := range n {
			// To three digits: what chance does to a schedule is more than that.
			v := low * math.Pow(high/low, float64(i)/float64(n-1))
			unit := math.Pow(10, math.Floor(math.Log10(v))-2)
			rates = append(rates, math.Round(v/unit)*unit)
		}
		return rates, nil
	}
	for part := range strings.SplitSeq(text, ",") {
		v, ok := rate(part)
		if !ok {
			return nil, bad()
		}
		rates = append(rates, v)
	}
	if len(rates) > mostSwept {
		return nil, fmt.Errorf("--sweep: %d rates, at most %d are allowed", len(rates), mostSwept)
	}
	return rates, nil
}

// survey searches or sweeps with config, which says all but the rates.
func (c *cli) survey(ctx context.Context, config plan.Config, f loadFlags, slo capacity.Objective, given func(string) bool) error {
	var rates []float64
	if f.sweep != "" {
		var err error
		if rates, err = sweepRates(f.sweep); err != nil {
			return usageError(err)
		}
	}
	if !given("arrivals") { // users do not come by the clock
		config.Arrivals = plan.Poisson
	}
	if !given("timeout") {
		config.Timeout = min(config.Timeout, patience(f.budget, slo))
	}
	s := capacity.Config{Objective: slo, Budget: f.budget, Seed: config.Seed, Probe: prober(config, generating(f.tolerate))}
	if given("duration") {
		s.Window = config.Duration
	}
	seen, done := watchSurvey(c.stderr, f.progress, f.budget)
	s.Seen = seen
	var found *results.Capacity
	var err error
	if f.search {
		found, err = capacity.Search(ctx, s)
	} else {
		found, err = capacity.Sweep(ctx, s, rates)
	}
	done()
	var bad *plan.ConfigError
	switch {
	case errors.As(err, &bad):
		return usageError(err)
	case found == nil && ctx.Err() != nil:
		return errInterrupted
	case found == nil:
		return failed(err)
	}
	found.TimeoutS = config.Timeout.Seconds()
	written := c.printSurvey(found, f.plot)
	switch {
	case found.Interrupted:
		return &exitError{code: exitInterrupted, err: written}
	case written != nil:
		return failed(written)
	case err != nil:
		return failed(err)
	case slices.ContainsFunc(found.Warnings, func(w results.Warning) bool { return slices.Contains(capacity.Failures, w.Code) }):
		return &exitError{code: exitFailed}
	case f.search && found.CapacityRPS == 0:
		return &exitError{code: exitUndecided}
	}
	return nil
}

// encode writes one JSON document, and "p99<10ms" as people write it.
func encode(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

func (c *cli) printSurvey(found *results.Capacity, path string) error {
	if c.json {
		if err := encode(c.stdout, found); err != nil {
			return err
		}
	} else if err := report.WriteCapacity(c.stdout, found, width(c.stdout)); err != nil {
		return err
	}
	if path == "" {
		return nil
	}
	figure := report.CapacityFigure(found)
	if figure.Empty {
		return fmt.Errorf("%s is not written: a curve needs at least two rates with latencies", path)
	}
	return file.Replace(path, func(w io.Writer) error {
		if filepath.Ext(path) == ".svg" {
			return figure.SVG(w, plot.Wide, true)
		}
		return figure.PNG(w, plot.Wide)
	})
}

// patience is how long a survey waits for an answer where nobody says. A server
// that hangs once must not use up the budget, but one that may take that long is
// waited for.
func patience(budget time.Duration, slo capacity.Objective) time.Duration {
	return max(budget/20, 2*slo.Longest(), time.Second)
}

// prober offers the windows that a survey asks for.
func prober(config plan.Config, generate generator) capacity.Probe {
	return func(ctx context.Context, a capacity.Ask) (*results.Load, error) {
		probe := config
		probe.Model, probe.Rate, probe.Schedule, probe.Seed = plan.Open, a.Rate, "", a.Seed
		probe.Duration, probe.Warmup = a.Window, a.Warmup
		if a.Rate == 0 {
			probe.Model, probe.Arrivals, probe.Spin = plan.Closed, "", 0
		}
		return generate(ctx, probe)
	}
}

// watchSurvey shows a survey on w: a bar where a person watches, unless it is to
// be plain, a line for each window otherwise.
func watchSurvey(w io.Writer, mode string, budget time.Duration) (seen func(capacity.Event), done func()) {
	if mode == "none" {
		return nil, func() {}
	}
	if isTerminal(w) && mode == "auto" {
		b := newBar(w, int64(budget))
		return func(e capacity.Event) {
			text := "closed loop"
			if e.Ask.Rate > 0 {
				text = e.Ask.Purpose + ", " + format.Significant(e.Ask.Rate, 3) + " requests/s"
			}
			if e.Limit > 0 {
				text += ", limit near " + format.Significant(e.Limit, 3)
			}
			b.show(int64(e.Elapsed), int64(budget), text, budget-e.Elapsed)
		}, b.close
	}
	return func(e capacity.Event) {
		p := e.Probe
		switch {
		case p == nil:
		case p.RateRPS == 0:
			fmt.Fprintf(w, "%5.1f s  closed loop: %s requests/s\n", e.Elapsed.Seconds(), format.Significant(p.ThroughputRPS, 3))
		default:
			verdict := p.Verdict
			for _, warning := range p.Warnings {
				if warning.Invalid {
					verdict += " [" + warning.Code + "]"
				}
			}
			fmt.Fprintf(w, "%5.1f s  %s requests/s: p50 %s, p99 %s  %s\n", e.Elapsed.Seconds(), format.Significant(p.RateRPS, 3),
				format.Latency(p.LatencyUS.P50), format.Latency(p.LatencyUS.P99), verdict)
		}
	}, func() {}
}

// hold judges a single run and says in it what came of it.
func hold(l *results.Load, slo capacity.Objective) error {
	verdict, err := slo.Judge(l)
	if err != nil || verdict == nil {
		return err
	}
	l.Objective = verdict
	if verdict.Met && slo.BoundsErrors() {
		l.Excuse(results.CodeErrors, "the objective allows that")
	}
	return nil
}
