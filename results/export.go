package results

import (
	"bufio"
	"encoding/csv"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/dynobench/dyno/internal/format"
)

// column is one column of the CSV and how a trial fills it.
type column struct {
	name  string // with its unit
	value func(*Trial) string
}

// known prints a figure, or nothing where it is unknown.
func known(v float64) string {
	if v == 0 {
		return ""
	}
	return figure(v)
}

func figure(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }
func count(v int64) string    { return strconv.FormatInt(v, 10) }

var columns = []column{
	{"scenario", func(t *Trial) string { return t.Scenario }},
	{"target", func(t *Trial) string { return t.Target }},
	{"spec", func(t *Trial) string { return t.Spec }},
	{"protocol", func(t *Trial) string { return t.Protocol }},
	{"trial", func(t *Trial) string { return strconv.Itoa(t.Trial) }},
	{"order", func(t *Trial) string { return strconv.Itoa(t.Order) }},
	{"valid", func(t *Trial) string { return strconv.FormatBool(t.Valid) }},
	{"warnings", func(t *Trial) string { return strings.Join(codes(t.Warnings), " ") }},
	{"generator", func(t *Trial) string { return t.Generator }},
	{"model", func(t *Trial) string { return t.Model }},
	{"connections", func(t *Trial) string { return strconv.Itoa(t.Connections) }},
	{"offered_rps", func(t *Trial) string { return known(t.RateRPS) }},
	{"duration_s", func(t *Trial) string { return figure(t.DurationS) }},
	{"requests", func(t *Trial) string { return count(t.Requests) }},
	{"errors", func(t *Trial) string { return count(t.Errors.Total()) }},
	{"throughput_rps", func(t *Trial) string { return figure(t.ThroughputRPS) }},
	{"latency_class", func(t *Trial) string { c, _ := t.Main(); return c }},
	{"latency_mean_us", func(t *Trial) string { return known(mainLatency(t).Mean) }},
	{"latency_p50_us", func(t *Trial) string { return known(mainLatency(t).P50) }},
	{"latency_p90_us", func(t *Trial) string { return known(mainLatency(t).P90) }},
	{"latency_p99_us", func(t *Trial) string { return known(mainLatency(t).P99) }},
	{"latency_p99_9_us", func(t *Trial) string { return known(mainLatency(t).P999) }},
	{"latency_max_us", func(t *Trial) string { return known(mainLatency(t).Max) }},
	{"send_lag_p99_us", func(t *Trial) string { return known(t.SendLagUS.P99) }},
	{"cpu_us_per_request", func(t *Trial) string { return known(t.Server.CPUUSPerRequest) }},
	{"cpu_user_s", func(t *Trial) string { return figure(t.Server.CPUUserS) }},
	{"cpu_system_s", func(t *Trial) string { return figure(t.Server.CPUSystemS) }},
	{"pss_peak_bytes", func(t *Trial) string { return known(float64(t.Server.PSSPeakBytes)) }},
	{"rss_peak_bytes", func(t *Trial) string { return count(t.Server.RSSPeakBytes) }},
	{"threads_peak", func(t *Trial) string { return strconv.Itoa(t.Server.ThreadsPeak) }},
	{"processes_peak", func(t *Trial) string { return strconv.Itoa(t.Server.ProcessesPeak) }},
	{"ctx_switches_voluntary", func(t *Trial) string { return count(t.Server.CtxSwitchesVoluntary) }},
	{"ctx_switches_involuntary", func(t *Trial) string { return count(t.Server.CtxSwitchesInvoluntary) }},
	{"generator_cpu_us_per_request", func(t *Trial) string { return known(t.GeneratorCPUUSPerRequest) }},
	{"steal_pct", func(t *Trial) string { return figure(t.Host.StealPct) }},
}

// mainLatency is that of the class that the verdicts are about. The latency of
// fast and slow requests together is nobody's.
func mainLatency(t *Trial) Quantiles { _, q := t.Main(); return q }

func codes(warnings []Warning) []string {
	c := make([]string, len(warnings))
	for i, w := range warnings {
		c[i] = format.Line(w.Code)
	}
	return c
}

// notRun is the code of a planned trial that did not run, in the formats that
// have a line for each trial.
const notRun = "not-run"

// WriteCSV writes one line per trial, valid or not, in the order in which they
// ran, below a header that names the units. An unknown value is an empty cell.
// Planned trials that did not run follow, with no figures.
func WriteCSV(w io.Writer, run *Run) error {
	out := csv.NewWriter(w)
	row := make([]string, len(columns))
	for i, c := range columns {
		row[i] = c.name
	}
	if err := out.Write(row); err != nil {
		return fmt.Errorf("write CSV: %w", err)
	}
	for i := range run.Trials {
		for j, c := range columns {
			row[j] = cell(c.value(&run.Trials[i]))
		}
		if err := out.Write(row); err != nil {
			return fmt.Errorf("write CSV: %w", err)
		}
	}
	for _, m := range run.Tally().Missing {
		for _, n := range m.Trials {
			for j, c := range columns {
				row[j] = cell(map[string]string{"scenario": m.Scenario, "target": m.Target, "trial": strconv.Itoa(n), "valid": "false", "warnings": notRun}[c.name])
			}
			if err := out.Write(row); err != nil {
				return fmt.Errorf("write CSV: %w", err)
			}
		}
	}
	out.Flush()
	if err := out.Error(); err != nil {
		return fmt.Errorf("write CSV: %w", err)
	}
	return nil
}

// cell is a line of text that no spreadsheet takes for a formula: those begin
// with one of a few signs, which a quote in front makes text.
func cell(s string) string {
	s = format.Line(s)
	if s != "" && strings.ContainsRune("=+-@", rune(s[0])) {
		if _, err := strconv.ParseFloat(s, 64); err != nil {
			return "'" + s
		}
	}
	return s
}

// WriteBenchmark writes the valid trials in the Go benchmark format
// (https://go.dev/design/14313-benchmark-format), one line each, so that
// benchstat and its kin read them. The iterations are the requests answered.
// Where there are several classes of requests, each has a line with its own
// latency. Trials that do not count appear as comments.
func WriteBenchmark(w io.Writer, run *Run) error {
	out := bufio.NewWriter(w)
	env := run.Environment
	// benchstat makes a table of its own for each set of these, so what differs
	// from run to run (and is what one compares) must be comments.
	for _, c := range []struct{ prefix, value string }{
		{"# run: ", run.ID}, {"# dyno: ", run.Dyno.Version + " " + run.Dyno.Commit}, {"# kernel: ", env.Kernel},
		{"goos: ", env.OS}, {"goarch: ", env.Arch}, {"cpu: ", env.CPUModel},
	} {
		if value := format.Line(c.value); value != "" {
			fmt.Fprintf(out, "%s%s\n", c.prefix, value)
		}
	}
	tally := run.Tally()
	fmt.Fprintf(out, "# trials: %s\nUnit req/s better=higher\n\n", tally)
	cpus := max(1, len(env.ServerCPUs))
	for i := range run.Trials {
		t := &run.Trials[i]
		// The suffix stands where Go has GOMAXPROCS; it is always there,
		// because a reader would take the end of "threads-64" for it.
		name := fmt.Sprintf("BenchmarkDyno/scenario=%s/target=%s", benchName(t.Scenario), benchName(t.Target))
		if !t.Valid || t.Requests == 0 {
			fmt.Fprintf(out, "# %s-%d trial %d does not count: %s\n", name, cpus, t.Trial, strings.Join(codes(t.Warnings), " "))
			continue
		}
		type metric struct {
			value float64
			unit  string
		}
		latency := func(q Quantiles) []metric {
			return []metric{{q.P50, "p50-us"}, {q.P99, "p99-us"}, {q.P999, "p99.9-us"}}
		}
		line := func(name string, requests int64, metrics []metric) {
			fmt.Fprintf(out, "%s-%d %d", name, cpus, requests)
			for _, m := range metrics {
				if m.value != 0 {
					fmt.Fprintf(out, " %s %s", figure(m.value), m.unit)
				}
			}
			fmt.Fprintln(out)
		}
		own := []metric{{t.ThroughputRPS, "req/s"}, {t.Server.CPUUSPerRequest, "cpu-us/req"}, {float64(t.Server.PSSPeakBytes), "pss-peak-bytes"}, {float64(t.Server.RSSPeakBytes), "rss-peak-bytes"}}
		if len(t.Classes) < 2 {
			own = slices.Insert(own, 2, latency(t.LatencyUS)...)
		}
		line(name, t.Requests, own)
		if len(t.Classes) < 2 {
			continue
		}
		for _, c := range t.Classes {
			if c.LatencyUS.P50 > 0 { // else there is no figure, and so no line
				line(name+"/class="+benchName(c.Class), c.Requests, latency(c.LatencyUS))
			}
		}
	}
	for _, m := range tally.Missing {
		fmt.Fprintf(out, "# BenchmarkDyno/scenario=%s/target=%s-%d: %d of %d planned trials did not run\n", benchName(m.Scenario), benchName(m.Target), cpus, len(m.Trials), m.Planned)
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("write benchmark format: %w", err)
	}
	return nil
}

// benchName makes s a part of a benchmark's name, where a space ends the name
// and a slash the part.
func benchName(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || r == '/' {
			return '_'
		}
		return r
	}, format.Printable(s))
}
