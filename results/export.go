package results

import (
	"bufio"
	"encoding/csv"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode"
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
	{"latency_mean_us", func(t *Trial) string { return known(t.LatencyUS.Mean) }},
	{"latency_p50_us", func(t *Trial) string { return known(t.LatencyUS.P50) }},
	{"latency_p90_us", func(t *Trial) string { return known(t.LatencyUS.P90) }},
	{"latency_p99_us", func(t *Trial) string { return known(t.LatencyUS.P99) }},
	{"latency_p99_9_us", func(t *Trial) string { return known(t.LatencyUS.P999) }},
	{"latency_max_us", func(t *Trial) string { return known(t.LatencyUS.Max) }},
	{"send_lag_p99_us", func(t *Trial) string { return known(t.SendLagUS.P99) }},
	{"cpu_us_per_request", func(t *Trial) string { return known(t.Server.CPUUSPerRequest) }},
	{"cpu_user_s", func(t *Trial) string { return figure(t.Server.CPUUserS) }},
	{"cpu_system_s", func(t *Trial) string { return figure(t.Server.CPUSystemS) }},
	{"rss_peak_bytes", func(t *Trial) string { return count(t.Server.RSSPeakBytes) }},
	{"threads_peak", func(t *Trial) string { return strconv.Itoa(t.Server.ThreadsPeak) }},
	{"processes_peak", func(t *Trial) string { return strconv.Itoa(t.Server.ProcessesPeak) }},
	{"ctx_switches_voluntary", func(t *Trial) string { return count(t.Server.CtxSwitchesVoluntary) }},
	{"ctx_switches_involuntary", func(t *Trial) string { return count(t.Server.CtxSwitchesInvoluntary) }},
	{"generator_cpu_us_per_request", func(t *Trial) string { return known(t.GeneratorCPUUSPerRequest) }},
	{"steal_pct", func(t *Trial) string { return figure(t.Host.StealPct) }},
}

func codes(warnings []Warning) []string {
	c := make([]string, len(warnings))
	for i, w := range warnings {
		c[i] = w.Code
	}
	return c
}

// WriteCSV writes one line per trial, valid or not, in the order in which they
// ran, below a header that names the units. An unknown value is an empty cell.
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
			row[j] = c.value(&run.Trials[i])
		}
		if err := out.Write(row); err != nil {
			return fmt.Errorf("write CSV: %w", err)
		}
	}
	out.Flush()
	if err := out.Error(); err != nil {
		return fmt.Errorf("write CSV: %w", err)
	}
	return nil
}

// WriteBenchmark writes the valid trials in the Go benchmark format
// (https://go.dev/design/14313-benchmark-format), one line each, so that
// benchstat and its kin read them. The iterations are the requests answered.
// Trials that do not count appear as comments.
func WriteBenchmark(w io.Writer, run *Run) error {
	out := bufio.NewWriter(w)
	env := run.Environment
	// benchstat makes a table of its own for each set of these, so what differs
	// from run to run (and is what one compares) must be comments.
	for _, c := range []struct{ prefix, value string }{
		{"# run: ", run.ID}, {"# dyno: ", run.Dyno.Version + " " + run.Dyno.Commit}, {"# kernel: ", env.Kernel},
		{"goos: ", env.OS}, {"goarch: ", env.Arch}, {"cpu: ", env.CPUModel},
	} {
		if value := strings.Join(strings.Fields(c.value), " "); value != "" {
			fmt.Fprintf(out, "%s%s\n", c.prefix, value)
		}
	}
	fmt.Fprintf(out, "Unit req/s better=higher\n\n")
	cpus := max(1, len(env.ServerCPUs))
	for i := range run.Trials {
		t := &run.Trials[i]
		// The suffix stands where Go has GOMAXPROCS; it is always there,
		// because a reader would take the end of "threads-64" for it.
		name := fmt.Sprintf("BenchmarkDyno/scenario=%s/target=%s-%d", benchName(t.Scenario), benchName(t.Target), cpus)
		if !t.Valid || t.Requests == 0 {
			fmt.Fprintf(out, "# %s trial %d does not count: %s\n", name, t.Trial, strings.Join(codes(t.Warnings), " "))
			continue
		}
		fmt.Fprintf(out, "%s %d %s req/s", name, t.Requests, figure(t.ThroughputRPS))
		for _, m := range []struct {
			value float64
			unit  string
		}{
			{t.Server.CPUUSPerRequest, "cpu-us/req"},
			{t.LatencyUS.P50, "p50-us"}, {t.LatencyUS.P99, "p99-us"}, {t.LatencyUS.P999, "p99.9-us"},
			{float64(t.Server.RSSPeakBytes), "rss-peak-bytes"},
		} {
			if m.value != 0 {
				fmt.Fprintf(out, " %s %s", figure(m.value), m.unit)
			}
		}
		fmt.Fprintln(out)
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
	}, s)
}
