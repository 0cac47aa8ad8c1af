package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/dynobench/dyno/bench/load"
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
	pipeline                      int
	fresh, insecure               bool
	spin                          time.Duration
	sources                       []string
	authorities                   string
	progress                      string
	files                         loadFiles
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

Beside the summary, or the JSON document (--json), it writes files for other
tools: --hdr, --hlog, --vegeta and --heatmap. They are written at the end, and
when the run was interrupted as well.

It exits with 1 if the run is not valid: the generator itself was the limit,
answers were wrong, connections starved.`,
		Example: `  dyno load http://127.0.0.1:8000/hello -c 64 -d 10s
  dyno load http://127.0.0.1:8000/hello -r 5000 --arrivals poisson
  dyno load http://127.0.0.1:8000/hello -r 5000 --heatmap latency.svg --vegeta each.gob
  dyno load unix:/tmp/dyno.sock --scenario mixed
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
	flags.StringVar(&f.generator, "generator", "", "native or vegeta (default native, vegeta for https)")
	flags.StringVar(&f.scenario, "scenario", "", "take requests, load and duration from a scenario (`name` or file); flags given beside it win")
	flags.StringVarP(&f.method, "method", "X", "GET", "method")
	flags.StringArrayVarP(&f.header, "header", "H", nil, "header field, as `'Name: value'`; may be repeated")
	flags.StringVar(&f.body, "body", "", "request body")
	flags.IntVar(&f.pipeline, "pipeline", 1, "requests under way on a connection at most")
	flags.BoolVar(&f.fresh, "fresh", false, "a new connection for each request, as part of its latency")
	flags.StringSliceVar(&f.sources, "source", nil, "local `address` or prefix that connections come from; several take turns")
	flags.DurationVar(&f.spin, "spin", 0, "open loop: how long before a request is due the generator stays awake, burning a CPU")
	flags.BoolVar(&f.insecure, "insecure", false, "https: trust any certificate")
	flags.StringVar(&f.authorities, "cacert", "", "https: trust the authorities in a PEM `file` rather than the system's")
	flags.StringVar(&f.progress, "progress", "auto", "how the run stands, on standard error: auto (a bar on a terminal, else nothing), plain (a line every few seconds) or none")
	f.files.flags(cmd)
	return cmd
}

func (c *cli) load(cmd *cobra.Command, url string, f loadFlags) error {
	config, err := f.config(url, func(name string) bool { return cmd.Flags().Changed(name) })
	if err != nil {
		return usageError(err)
	}
	phase, err := load.OpenPhaseFD()
	if err != nil {
		return usageError(err)
	}
	config.Phase = phase
	if err := checkProgress(f.progress); err != nil {
		return usageError(err)
	}
	files, err := f.files.prepare(&config, c.json)
	if err != nil {
		return usageError(err)
	}
	seen, done := watchLoad(c.stderr, f.progress)
	config.Progress = seen
	result, err := load.Run(cmd.Context(), config)
	done()
	var bad *load.ConfigError
	if errors.As(err, &bad) {
		return usageError(err)
	} else if err != nil {
		return failed(err)
	}
	if err := c.writeLoad(result, files); err != nil {
		return failed(err)
	}
	switch {
	case result.Interrupted:
		return errInterrupted
	case !result.Valid:
		return &exitError{code: exitFailed}
	}
	return nil
}

// writeLoad writes the result in all the forms that were asked for. Where a
// file takes standard output, the summary gives way.
func (c *cli) writeLoad(result *results.Load, files []loadFile) error {
	var err error
	out := c.stdout
	if takeStdout(files) {
		out = c.stderr
	}
	if c.json {
		err = json.NewEncoder(out).Encode(result)
	} else {
		err = printLoad(out, result, width(out), plainText())
	}
	for _, file := range files {
		err = errors.Join(err, file.store(c.stdout, result))
	}
	return err
}

// config is what the flags and the scenario ask for together.
func (f loadFlags) config(url string, given func(string) bool) (load.Config, error) {
	config := load.Config{
		URL: url, Connections: f.connections, Threads: f.threads, Rate: f.rate, Arrivals: load.Arrivals(f.arrivals),
		Duration: f.duration, Warmup: f.warmup, Timeout: f.timeout, Seed: f.seed, Generator: f.generator,
		Model: load.Closed, Pipeline: f.pipeline, Fresh: f.fresh, Spin: f.spin,
	}
	if f.rate != 0 {
		config.Model = load.Open
	}
	switch { // load.Config takes a zero for its default
	case f.connections < 1:
		return config, fmt.Errorf("--connections %d: at least one is needed", f.connections)
	case f.threads < 1:
		return config, fmt.Errorf("--threads %d: at least one is needed", f.threads)
	case f.scenario == "" && f.rate == 0 && given("arrivals"):
		return config, errors.New("--arrivals is for the open loop: give a --rate as well")
	case f.duration <= 0:
		return config, fmt.Errorf("--duration %v: it must be longer than nothing", f.duration)
	case f.pipeline < 1:
		return config, fmt.Errorf("--pipeline %d: at least one request is under way on a connection", f.pipeline)
	}
	if err := f.network(&config); err != nil {
		return config, err
	}
	if f.generator != "" && f.generator != "native" && f.generator != "vegeta" {
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
