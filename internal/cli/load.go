package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/dynobench/dyno/bench"
	"github.com/dynobench/dyno/bench/load"
	"github.com/dynobench/dyno/bench/load/phases"
	"github.com/dynobench/dyno/bench/load/plan"
	"github.com/dynobench/dyno/internal/file"
	"github.com/dynobench/dyno/internal/format"
	"github.com/dynobench/dyno/internal/number"
	"github.com/dynobench/dyno/internal/suggest"
	"github.com/dynobench/dyno/results"
	"github.com/dynobench/dyno/results/report"
	"github.com/dynobench/dyno/scenarios"
)

type loadFlags struct {
	scenario, arrivals, generator string
	rate, trace                   string
	speed                         float64
	method, body                  string
	header, request, groups       []string
	params                        []string
	data, dataOrder               string
	verbatim                      bool
	connections, threads          int
	duration, warmup, timeout     time.Duration
	seed                          uint64
	capacityFlags
	transport     string
	pipeline      int
	fresh, resume bool
	spin          time.Duration
	sources       []string
	trust         plan.Trust
	progress      string
	files         loadFiles
	tolerate      []string
}

func (c *cli) loadCommand() *cobra.Command {
	var f loadFlags
	cmd := &cobra.Command{
		Use:   "load URL",
		Short: "Load any HTTP server and record its responses",
		Long: `load is the generator alone. The server speaks HTTP/1.1, or uwsgi, SCGI or FastCGI
as behind a web server.

Without --rate the loop is closed: every connection sends its next request when it
has the response. With --rate it is open: requests are due by the clock, and a
request that has to wait for a slow server counts the wait as latency.

--rate takes one rate, or segments RATE[..RATE][@DURATION] separated by commas,
which repeat until the window ends:

  100..5000                         a ramp over the whole window
  1000@5s,2000@5s,2000..5000@10s    steps, and a ramp
  500@900ms,5000@100ms              bursts

With --arrivals recorded, requests are due when --trace says: a file with one
arrival per line, in seconds since the start, in ascending order, optionally with
the class of the request after a comma or a blank (0.0012,fast), or as JSON
({"t": 0.0012, "class": "fast"}). It plays once, and the window ends with it.

--hdr, --hlog, --vegeta and --heatmap write files for other tools. They are written
at the end, also of an interrupted run.

` + placeholdersHelp + `

load exits with 1 if the run is invalid (the generator was the bottleneck,
responses were wrong, connections starved, the hypervisor took the CPUs) or if
--slo is missed.

--capacity searches for the highest rate that meets --slo and draws latency by
throughput; --sweep draws it at given rates. Both offer Poisson arrivals unless
--arrivals says otherwise.`,
		Example: `  dyno load http://127.0.0.1:8000/hello -c 64 -d 10s
  dyno load http://127.0.0.1:8000/hello -r 5000 --arrivals poisson
  dyno load http://127.0.0.1:8000/hello -r 500@900ms,5k@100ms -d 20s
  dyno load http://127.0.0.1:8000/hello --arrivals recorded --trace access.txt --speed 2
  dyno load http://127.0.0.1:8000/hello -r 5000 --heatmap latency.svg --vegeta each.gob
  dyno load unix:/tmp/dyno.sock --scenario mixed
  dyno load uwsgi://127.0.0.1:3031/hello
  dyno load fastcgi://unix:/run/php/php8.2-fpm.sock:/ --param SCRIPT_FILENAME=/srv/index.php
  dyno load http://127.0.0.1:8000/hello -r 5000 --slo 'p99<10ms,errors<0.1%'
  dyno load http://127.0.0.1:8000/hello --capacity --slo 'p99<10ms' --plot curve.svg
  dyno load http://127.0.0.1:8000/hello --sweep 1000..50000/8
  dyno load http://127.0.0.1:8000/hello --group idle,connections=10000 --group slow-send,rate=10
  dyno load http://127.0.0.1:8000/echo -X POST --body hello -H 'Content-Type: text/plain'
  dyno load 'http://127.0.0.1:8000/items/${rand:1-1000}?user=${query.name}' --data users.csv
  dyno load http://127.0.0.1:8000/items -X POST --body @item.json -H 'X-Request: ${uuid}'
  dyno load http://127.0.0.1:8000 --request 'GET /items/${seq} weight=9 class=read' \
    --request 'POST /items class=write status=201 body={"n": ${seq}, "of": "${json.name}"}' --data users.csv`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return c.load(cmd, args[0], f) },
	}
	flags := cmd.Flags()
	flags.IntVarP(&f.connections, "connections", "c", 64, "connections")
	flags.DurationVarP(&f.duration, "duration", "d", 10*time.Second, "measured window")
	flags.StringVarP(&f.rate, "rate", "r", "", "open loop: requests per second, constant or changing (see above); without it, or with 0, the loop is closed")
	flags.IntVarP(&f.threads, "threads", "t", 1, "generator threads")
	flags.StringVar(&f.arrivals, "arrivals", "constant", "schedule of the open loop: constant, poisson or recorded")
	flags.StringVar(&f.trace, "trace", "", "`file` of recorded arrivals")
	flags.Float64Var(&f.speed, "speed", 1, "recorded arrivals: playback speed")
	flags.DurationVar(&f.warmup, "warmup", time.Second, "longest warm-up; it ends when the load is steady (open loop: default 10s, since a queue takes longer to settle)")
	flags.DurationVar(&f.timeout, "timeout", 10*time.Second, "time limit for a request")
	flags.Uint64Var(&f.seed, "seed", 1, "of the schedule and of the choice among request classes")
	flags.StringVar(&f.generator, "generator", "", "native or vegeta (default native)")
	flags.StringVar(&f.scenario, "scenario", "", "take requests, load and duration from a scenario (`name` or file); other flags override it")
	flags.StringVarP(&f.method, "method", "X", "GET", "method")
	flags.StringArrayVarP(&f.header, "header", "H", nil, "header field, `'Name: value'`; may be repeated")
	flags.StringArrayVar(&f.params, "param", nil, "uwsgi, scgi and fastcgi: an additional CGI variable, `NAME=VALUE`; may be repeated")
	flags.IntVar(&f.pipeline, "pipeline", 1, "largest number of requests in flight on a connection")
	flags.StringVar(&f.transport, "transport", "", "io_uring or epoll (default io_uring where the kernel has it)")
	flags.BoolVar(&f.fresh, "fresh", false, "open a new connection for each request; connecting counts as latency")
	flags.StringSliceVar(&f.sources, "source", nil, "local `address` or prefix to connect from; several are used in turn")
	flags.DurationVar(&f.spin, "spin", 0, "open loop: busy-wait for this long before each request is due, at the cost of a CPU")
	trustFlags(flags, &f.trust)
	flags.BoolVar(&f.resume, "tls-resume", false, "https: resume TLS sessions (default: a full handshake for each connection)")
	flags.StringVar(&f.body, "body", "", "request body; `text`, or @FILE for a file's content, @- for standard input")
	flags.StringArrayVar(&f.request, "request", nil, "a class of requests, in place of the URL's path: `'METHOD PATH ...'`, then weight=N, class=NAME, status=CODE, body=TEXT (last); may be repeated")
	flags.StringVar(&f.data, "data", "", "rows for ${data.FIELD}: a CSV `file` with a header line, or .jsonl with a flat object per line")
	flags.StringVar(&f.dataOrder, "data-order", "sequence", "order of the rows: sequence or random")
	flags.BoolVar(&f.verbatim, "verbatim", false, "send ${…} literally")
	flags.StringVar(&f.progress, "progress", "auto", "progress on standard error: auto (a bar on a terminal, else nothing), plain (a line every few seconds) or none")
	flags.StringArrayVar(&f.groups, "group", nil, groupUsage)
	tolerateFlag(flags, &f.tolerate)
	f.files.flags(cmd)
	f.capacityFlags.add(flags)
	return cmd
}

func (c *cli) load(cmd *cobra.Command, url string, f loadFlags) error {
	given := func(name string) bool { return cmd.Flags().Changed(name) }
	config, err := f.config(url, given, cmd.InOrStdin())
	if err != nil {
		return usageError(err)
	}
	slo, err := f.check(given)
	if err != nil {
		return usageError(err)
	}
	if err := bench.CheckTolerated(f.tolerate); err != nil {
		return usageError(err)
	}
	if err := f.mode(&config, c.json).idle(given); err != nil {
		return usageError(err)
	}
	if err := checkProgress(f.progress); err != nil {
		return usageError(err)
	}
	if f.surveys() {
		return c.survey(cmd.Context(), config, f, slo, given)
	}
	phase, err := phases.OpenPhaseFD()
	if err != nil {
		return usageError(err)
	}
	run := generating(f.tolerate)
	if phase != nil {
		config.Phase, run = phase, load.Run
	}
	files, err := f.files.prepare(&config, c.json)
	if err != nil {
		return usageError(err)
	}
	seen, done := watchLoad(c.stderr, f.progress)
	config.Progress = seen
	result, err := run(cmd.Context(), config)
	done()
	var bad *plan.ConfigError
	if errors.As(err, &bad) {
		return usageError(err)
	} else if err != nil {
		return failed(err)
	}
	if err := hold(result, slo); err != nil {
		return failed(err)
	}
	err = c.writeLoad(result, files)
	switch {
	case result.Interrupted:
		return &exitError{code: exitInterrupted, err: err}
	case err != nil:
		return failed(err)
	case !result.Valid || result.Objective != nil && !result.Objective.Met:
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
		err = encode(out, result)
	} else {
		err = report.Load(out, result, width(out), format.PlainTerminal())
	}
	for _, file := range files {
		err = errors.Join(err, file.store(c.stdout, result))
	}
	return err
}

// config is what the flags and the scenario ask for together.
func (f loadFlags) config(url string, given func(string) bool, stdin io.Reader) (plan.Config, error) {
	config := plan.Config{
		URL: url, Connections: f.connections, Threads: f.threads, Arrivals: plan.Arrivals(f.arrivals),
		Duration: f.duration, Warmup: f.warmup, Timeout: f.timeout, Seed: f.seed, Generator: f.generator,
		Model: plan.Closed, Pipeline: f.pipeline, Fresh: f.fresh, Spin: f.spin, Transport: f.transport,
	}
	if f.open() {
		config.Model, config.Schedule = plan.Open, f.rate
	}
	recorded := config.Arrivals == plan.Recorded
	switch { // load.Config takes a zero for its default
	case f.connections < 1:
		return config, fmt.Errorf("--connections %d: must be at least 1", f.connections)
	case f.threads < 1:
		return config, fmt.Errorf("--threads %d: at least one is needed", f.threads)
	case recorded && f.open():
		return config, errors.New("--rate cannot be combined with --arrivals recorded: the trace has its own rate; --speed changes it")
	case recorded && f.trace == "":
		return config, errors.New("--arrivals recorded needs --trace FILE")
	case given("speed") && (!(f.speed > 0) || math.IsInf(f.speed, 1)):
		return config, fmt.Errorf("--speed %v: must be positive; 2 plays twice as fast", f.speed)
	case f.duration <= 0:
		return config, fmt.Errorf("--duration %v: it must be positive", f.duration)
	case f.timeout <= 0:
		return config, fmt.Errorf("--timeout %v: it must be positive", f.timeout)
	case f.pipeline < 1:
		return config, fmt.Errorf("--pipeline %d: must be at least 1", f.pipeline)
	}
	if err := f.network(&config); err != nil {
		return config, err
	}
	for _, text := range f.params {
		name, value, ok := strings.Cut(text, "=")
		if !ok {
			return config, fmt.Errorf("--param %q: expected NAME=VALUE", text)
		}
		config.Params = append(config.Params, [2]string{name, value})
	}
	if f.generator != "" && f.generator != "native" && f.generator != "vegeta" {
		return config, suggest.Unknown("generator", f.generator, []string{"native", "vegeta"})
	}
	var err error
	if config.Groups, err = parseGroups(f.groups); err != nil {
		return config, err
	}
	if recorded {
		if err := f.replay(&config, given("duration")); err != nil {
			return config, err
		}
	}
	if config.Model == plan.Open && !given("warmup") {
		config.Warmup = openWarmup
	}
	if f.scenario == "" {
		return config, f.requests(&config, given, stdin)
	}
	for _, name := range []string{"method", "header", "body", "request", "data", "data-order", "verbatim"} {
		if given(name) {
			return config, fmt.Errorf("--%s cannot be combined with --scenario, which says what is requested", name)
		}
	}
	s, err := scenarios.Load(f.scenario)
	if err != nil {
		return config, err
	}
	applyScenario(&config, s, func(name string) bool {
		return given(name) || recorded && (name == "rate" || name == "duration")
	})
	return config, nil
}

// openWarmup is the longest warm-up of an open loop where nobody says. Most end
// after 0.4 s; a queue near its limit takes seconds to become as long as it is in
// the long run.
const openWarmup = 10 * time.Second

// open tells whether there is a rate: 0 asks for the closed loop.
func (f loadFlags) open() bool {
	rate, err := number.Decimal(f.rate)
	return f.rate != "" && (err != nil || rate != 0)
}

// replay takes the arrivals from the trace, and the window unless that is given.
func (f loadFlags) replay(config *plan.Config, window bool) error {
	text, err := file.Read(f.trace, mostInput)
	if err != nil {
		return fmt.Errorf("--trace: %w", err)
	}
	if config.Trace, err = plan.ReadTrace(f.trace, bytes.NewReader(text)); err != nil {
		return err
	}
	config.Model, config.Speed = plan.Open, f.speed
	if length := config.Trace.Length(f.speed); !window || config.Duration > length {
		config.Duration = length
	}
	return nil
}

// applyScenario fills config from s where the command line says nothing else.
func applyScenario(config *plan.Config, s *scenarios.Scenario, given func(string) bool) {
	applyRequests(config, s)
	if !given("group") {
		config.Groups = s.Load.Groups
	}
	if !given("rate") {
		config.Model, config.Rate, config.Schedule = plan.Model(s.Load.Model), s.Load.Rate, s.Load.Schedule
	}
	if !given("arrivals") && s.Load.Arrivals != "" {
		config.Arrivals = plan.Arrivals(s.Load.Arrivals)
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
