package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/dynobench/dyno/bench/load"
	"github.com/dynobench/dyno/internal/format"
	"github.com/dynobench/dyno/internal/suggest"
	"github.com/dynobench/dyno/results"
	"github.com/dynobench/dyno/scenarios"
)

type loadFlags struct {
	scenario, arrivals, generator string
	method, body                  string
	header                        []string
	rate                          float64
	connections, threads          int
	duration, warmup, timeout     time.Duration
	seed                          uint64
	capacityFlags
}

func (c *cli) loadCommand() *cobra.Command {
	var f loadFlags
	cmd := &cobra.Command{
		Use:   "load URL",
		Short: "Offer load to any HTTP server and record what comes back",
		Long: `load is the generator alone, against anything that speaks HTTP/1.1.

Without --rate the loop is closed: every connection sends its next request when
it has its answer. With --rate it is open: requests are due by the clock, and a
request that waits because the server is slow counts that wait as latency.

It exits with 1 if the run is not valid: the generator itself was the limit,
answers were wrong, connections starved; or if --slo is missed.

--capacity searches the highest rate that keeps --slo and draws the curve of
latency by throughput, --sweep draws it at given rates; both offer Poisson
arrivals unless --arrivals says otherwise.`,
		Example: `  dyno load http://127.0.0.1:8000/hello -c 64 -d 10s
  dyno load http://127.0.0.1:8000/hello -r 5000 --arrivals poisson
  dyno load unix:/tmp/dyno.sock --scenario mixed
  dyno load http://127.0.0.1:8000/hello -r 5000 --slo 'p99<10ms,errors<0.1%'
  dyno load http://127.0.0.1:8000/hello --capacity --slo 'p99<10ms' --plot curve.svg
  dyno load http://127.0.0.1:8000/hello --sweep 1000..50000/8
  dyno load http://127.0.0.1:8000/echo -X POST --body hello -H 'Content-Type: text/plain'`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return c.load(cmd, args[0], f) },
	}
	flags := cmd.Flags()
	flags.IntVarP(&f.connections, "connections", "c", 64, "connections")
	flags.DurationVarP(&f.duration, "duration", "d", 10*time.Second, "measured window")
	flags.Float64VarP(&f.rate, "rate", "r", 0, "requests per second; 0 is the closed loop")
	flags.IntVarP(&f.threads, "threads", "t", 1, "generator threads")
	flags.StringVar(&f.arrivals, "arrivals", "constant", "schedule of the open loop: constant or poisson")
	flags.DurationVar(&f.warmup, "warmup", time.Second, "longest warm-up; it ends when the rate is steady")
	flags.DurationVar(&f.timeout, "timeout", 10*time.Second, "longest a request may take")
	flags.Uint64Var(&f.seed, "seed", 1, "of the schedule and of the choice among request classes")
	flags.StringVar(&f.generator, "generator", "native", "native or vegeta")
	flags.StringVar(&f.scenario, "scenario", "", "take requests, load and duration from a scenario (`name` or file); flags given beside it win")
	flags.StringVarP(&f.method, "method", "X", "GET", "method")
	flags.StringArrayVarP(&f.header, "header", "H", nil, "header field, as `'Name: value'`; may be repeated")
	flags.StringVar(&f.body, "body", "", "request body")
	f.capacityFlags.add(flags)
	return cmd
}

func (c *cli) load(cmd *cobra.Command, url string, f loadFlags) error {
	given := func(name string) bool { return cmd.Flags().Changed(name) }
	config, err := f.config(url, given)
	if err != nil {
		return usageError(err)
	}
	slo, err := f.check(given)
	if err != nil {
		return usageError(err)
	}
	if f.surveys() {
		return c.survey(cmd.Context(), config, f.capacityFlags, slo, given)
	}
	phase, err := load.OpenPhaseFD()
	if err != nil {
		return usageError(err)
	}
	config.Phase = phase
	if isTerminal(c.stderr) {
		bar := newBar(c.stderr, int64(config.Warmup+config.Duration))
		config.Progress = func(elapsed, total time.Duration, rate float64) {
			bar.show(int64(elapsed), int64(total), fmt.Sprintf("%.0f requests/s", rate), total-elapsed)
		}
		defer bar.close()
	}
	result, err := load.Run(cmd.Context(), config)
	var bad *load.ConfigError
	if errors.As(err, &bad) {
		return usageError(err)
	} else if err != nil {
		return failed(err)
	}
	if err := hold(result, slo); err != nil {
		return failed(err)
	}
	if c.json {
		err = encode(c.stdout, result)
	} else {
		err = printLoad(c.stdout, result)
	}
	switch {
	case err != nil:
		return failed(err)
	case result.Interrupted:
		return errInterrupted
	case !result.Valid || result.Objective != nil && !result.Objective.Met:
		return &exitError{code: exitFailed}
	}
	return nil
}

// config is what the flags and the scenario ask for together.
func (f loadFlags) config(url string, given func(string) bool) (load.Config, error) {
	config := load.Config{
		URL: url, Connections: f.connections, Threads: f.threads, Rate: f.rate, Arrivals: load.Arrivals(f.arrivals),
		Duration: f.duration, Warmup: f.warmup, Timeout: f.timeout, Seed: f.seed, Generator: f.generator,
		Model: load.Closed,
	}
	if f.rate != 0 {
		config.Model = load.Open
	}
	switch { // load.Config takes a zero for its default
	case f.connections < 1:
		return config, fmt.Errorf("--connections %d: at least one is needed", f.connections)
	case f.threads < 1:
		return config, fmt.Errorf("--threads %d: at least one is needed", f.threads)
	case f.scenario == "" && f.rate == 0 && !f.surveys() && given("arrivals"):
		return config, errors.New("--arrivals is for the open loop: give a --rate as well")
	case f.duration <= 0:
		return config, fmt.Errorf("--duration %v: it must be longer than nothing", f.duration)
	}
	if f.generator != "native" && f.generator != "vegeta" {
		return config, suggest.Unknown("generator", f.generator, []string{"native", "vegeta"})
	}
	if f.scenario == "" {
		return config, f.request(&config)
	}
	for _, name := range []string{"method", "header", "body"} {
		if given(name) {
			return config, fmt.Errorf("--%s and --scenario exclude each other: the scenario says what is requested", name)
		}
	}
	s, err := scenarios.Load(f.scenario)
	if err != nil {
		return config, err
	}
	applyScenario(&config, s, given)
	return config, nil
}

// request makes the one request of the command line; it is what load.Config
// itself makes of the URL unless more is said.
func (f loadFlags) request(config *load.Config) error {
	if f.method == "GET" && len(f.header) == 0 && f.body == "" {
		return nil
	}
	path, err := load.PathOf(config.URL)
	if err != nil {
		return err
	}
	r := load.Request{Class: path, Weight: 1, Method: f.method, Path: path, Body: []byte(f.body), Length: -1}
	for _, h := range f.header {
		name, value, ok := strings.Cut(h, ":")
		if !ok {
			return fmt.Errorf("--header %q: expected 'Name: value'", h)
		}
		r.Header = append(r.Header, [2]string{strings.TrimSpace(name), strings.TrimSpace(value)})
	}
	config.Requests = []load.Request{r}
	return nil
}

// applyScenario fills config from s where the command line says nothing else.
func applyScenario(config *load.Config, s *scenarios.Scenario, given func(string) bool) {
	for _, r := range s.Requests {
		lr := load.Request{
			Class: r.Class, Weight: r.Weight, Method: r.Method, Path: r.Path, Body: []byte(r.Body),
			Status: r.Expect.Status, Length: -1, SHA256: r.Expect.SHA256,
		}
		for name, value := range r.Headers {
			lr.Header = append(lr.Header, [2]string{name, value})
		}
		if r.Expect.Body != nil {
			lr.Want = []byte(*r.Expect.Body)
			lr.Length = int64(len(lr.Want))
		} else if r.Expect.Bytes != nil {
			lr.Length = *r.Expect.Bytes
		}
		config.Requests = append(config.Requests, lr)
	}
	if !given("rate") {
		config.Model, config.Rate = load.Model(s.Load.Model), s.Load.Rate
	}
	if !given("arrivals") && s.Load.Arrivals != "" {
		config.Arrivals = load.Arrivals(s.Load.Arrivals)
	}
	if !given("connections") {
		config.Connections = s.Load.Connections
	}
	if !given("timeout") {
		config.Timeout = s.Load.Timeout
	}
	if !given("duration") {
		config.Duration = s.Duration
	}
	if !given("warmup") {
		config.Warmup = s.Warmup
	}
}

// printLoad is the summary for people.
func printLoad(w io.Writer, l *results.Load) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	loop := fmt.Sprintf("closed loop, %d connections", l.Connections)
	if l.Model == string(load.Open) {
		loop = fmt.Sprintf("open loop, %.0f requests/s %s, %d connections", l.RateRPS, l.Arrivals, l.Connections)
	}
	fmt.Fprintf(w, "%s\n%s, %d thread(s), %.2f s after %.2f s of warm-up (%s)\n\n", l.URL, loop, l.Threads, l.DurationS, l.WarmupS, l.Generator)
	fmt.Fprintf(w, "  %.0f requests/s (%d right answers, %d errors, %.1f MB read)\n\n",
		l.ThroughputRPS, l.Requests-l.Errors.Status-l.Errors.Body, l.Errors.Total(), float64(l.BytesRead)/1e6)
	fmt.Fprintln(tw, "\tp50\tp90\tp99\tp99.9\tmax\t")
	row := func(name string, q results.Quantiles) {
		fmt.Fprintf(tw, "%s\t", name)
		for _, us := range []float64{q.P50, q.P90, q.P99, q.P999, q.Max} {
			fmt.Fprintf(tw, "%s\t", micros(us))
		}
		fmt.Fprintln(tw)
	}
	row("latency (from due)", l.LatencyUS)
	row("service (from sent)", l.ServiceUS)
	if l.Model == string(load.Open) {
		row("send lag", l.SendLagUS)
	}
	if len(l.Classes) > 1 {
		for _, class := range l.Classes {
			row("class "+class.Class, class.LatencyUS)
		}
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	if e := l.Errors; e.Total() > 0 {
		fmt.Fprintf(w, "\n  errors: connect %d, read %d, write %d, timeout %d, status %d, body %d, unsent %d\n",
			e.Connect, e.Read, e.Write, e.Timeout, e.Status, e.Body, e.Unsent)
	}
	fmt.Fprintf(w, "\n  generator: %.1f µs of CPU per request, busiest thread %.0f %% busy\n",
		l.GeneratorCPUUSPerRequest, 100*l.GeneratorCPUUtilisation)
	if l.Reconnects > 0 {
		fmt.Fprintf(w, "  %d connections made again, %d requests sent again\n", l.Reconnects, l.Resent)
	}
	printObjective(w, l.Objective)
	for _, warning := range l.Warnings {
		mark := "warning"
		if warning.Invalid {
			mark = "not valid"
		}
		fmt.Fprintf(w, "\n  %s [%s]: %s\n", mark, warning.Code, warning.Message)
		if warning.Hint != "" {
			fmt.Fprintf(w, "    %s\n", warning.Hint)
		}
	}
	return nil
}

// micros prints a percentile, which is 0 where the samples are too few for it.
func micros(us float64) string {
	if us == 0 {
		return format.None
	}
	return format.Duration(us)
}
