package results

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/dynobench/dyno/internal/format"
)

// ticksPerHalf is how finely WritePercentiles divides each half of what is
// left of the distribution, as HdrHistogram's own tools do by default.
const ticksPerHalf = 5

// WritePercentiles writes the distribution of h, which holds nanoseconds, as
// HdrHistogram's tools and its plotter read it: latency in ms, percentile,
// count so far, 1/(1−percentile).
func WritePercentiles(w io.Writer, h *hdrhistogram.Histogram) error {
	const ms = 1e6
	out := bufio.NewWriter(w)
	fmt.Fprintf(out, "%12s %14s %10s %14s\n\n", "Value", "Percentile", "TotalCount", "1/(1-Percentile)")
	if h.TotalCount() > 0 { // the library has a line even for nothing
		for _, b := range h.CumulativeDistributionWithTicks(ticksPerHalf) {
			fmt.Fprintf(out, "%12.6f %2.12f %10d", float64(b.ValueAt)/ms, b.Quantile/100, b.Count)
			if b.Quantile < 100 { // of the last line it would be infinite
				fmt.Fprintf(out, " %14.2f", 1/(1-b.Quantile/100))
			}
			fmt.Fprintln(out)
		}
	}
	fmt.Fprintf(out, "#[Mean    = %12.6f, StdDeviation   = %12.6f]\n#[Max     = %12.6f, Total count    = %12d]\n",
		h.Mean()/ms, h.StdDev()/ms, float64(h.Max())/ms, h.TotalCount())
	if err := out.Flush(); err != nil {
		return fmt.Errorf("write percentiles: %w", err)
	}
	return nil
}

// WriteLog writes the steps of l as a log of HdrHistogram, format 1.3: one
// interval for each step, timed from the start of the window. A tag, where there
// is one, is on every line.
//
// It is an error if a step with answers has no histogram.
func WriteLog(w io.Writer, l *Load, tag string) error {
	out := newHistogramLog(w, "latency of the responses in each step, in nanoseconds: "+l.URL, l.WindowStart)
	empty, err := EncodeHistogram(NewStepHistogram())
	if err != nil {
		return err
	}
	for i, p := range l.Series {
		end := l.DurationS
		if i+1 < len(l.Series) {
			end = l.Series[i+1].TS
		}
		h := p.Histogram
		if h == "" && p.Done > 0 {
			return fmt.Errorf("the step at %g s has no histogram: run dyno load with --steps", p.TS)
		}
		if h == "" {
			h = empty
		}
		out.interval(tag, p.TS, end-p.TS, p.MaxUS, h)
	}
	return out.flush()
}

// A latency is a distribution that a run holds: that of a trial, and where there
// are several classes of requests that of each.
type latency struct {
	name      string // SCENARIO/TARGET or SCENARIO/TARGET/CLASS
	trial     *Trial
	quantiles Quantiles
	histogram string
}

// latencies are those of the trials of run, valid or not, as they ran. only,
// where not empty, is the name of those that are wanted.
func latencies(run *Run, only string) []latency {
	var all []latency
	for i := range run.Trials {
		t := &run.Trials[i]
		name := t.Scenario + "/" + t.Target
		each := []latency{{name, t, t.LatencyUS, t.Histogram}}
		if len(t.Classes) > 1 {
			each = each[:0]
			for _, c := range t.Classes {
				each = append(each, latency{name + "/" + c.Class, t, c.LatencyUS, c.Histogram})
			}
		}
		for _, l := range each {
			if l.histogram != "" && (only == "" || l.name == only) {
				all = append(all, l)
			}
		}
	}
	return all
}

// LatencyNames are the names of the distributions that run holds, SCENARIO/TARGET
// or, where a scenario has several classes of requests, SCENARIO/TARGET/CLASS.
func LatencyNames(run *Run) []string {
	var names []string
	for _, l := range latencies(run, "") {
		if !slices.Contains(names, l.name) {
			names = append(names, l.name)
		}
	}
	slices.Sort(names) // trials ran in an order of chance
	return names
}

// MergedLatency is the latency in nanoseconds of all valid trials of a name of
// LatencyNames.
func MergedLatency(run *Run, name string) (*hdrhistogram.Histogram, error) {
	merged := NewHistogram()
	for _, l := range latencies(run, name) {
		if !l.trial.Valid {
			continue
		}
		h, err := DecodeHistogram(l.histogram)
		if err != nil {
			return nil, fmt.Errorf("%s, trial %d: %w", name, l.trial.Trial, err)
		}
		merged.Merge(h)
	}
	return merged, nil
}

// WriteTrialLog writes the latencies of a run as a log of HdrHistogram, format
// 1.3: an interval for each valid trial, which is its window, tagged with its
// name of LatencyNames. Readers merge what has the same tag. Trials that do not
// count appear as comments. only, where not empty, is the one name that is wanted.
func WriteTrialLog(w io.Writer, run *Run, only string) error {
	all := latencies(run, only)
	var base time.Time
	if len(all) > 0 {
		base = all[0].trial.begin()
	}
	out := newHistogramLog(w, "latency of each trial, in nanoseconds: run "+run.ID, base)
	for _, l := range all {
		if !l.trial.Valid {
			fmt.Fprintf(out, "#[%s trial %d does not count: %s]\n", oneLine(l.name), l.trial.Trial, strings.Join(codes(l.trial.Warnings), " "))
			continue
		}
		out.interval(l.name, l.trial.begin().Sub(base).Seconds(), l.trial.DurationS, l.quantiles.Max, l.histogram)
	}
	for _, m := range run.Tally().Missing {
		if name := m.Scenario + "/" + m.Target; only == "" || only == name || strings.HasPrefix(only, name+"/") {
			fmt.Fprintf(out, "#[%s: %d of %d planned trials did not run]\n", oneLine(name), len(m.Trials), m.Planned)
		}
	}
	return out.flush()
}

// begin is when the window began, or in an old run the trial.
func (t *Trial) begin() time.Time {
	if t.WindowStart.IsZero() {
		return t.Started
	}
	return t.WindowStart
}

// A histogramLog is a log of HdrHistogram that is being written.
type histogramLog struct{ *bufio.Writer }

// newHistogramLog begins a log; the times of its intervals are from start.
func newHistogramLog(w io.Writer, about string, start time.Time) histogramLog {
	out := histogramLog{bufio.NewWriter(w)}
	start = start.UTC()
	seconds := float64(start.UnixMilli()) / 1e3
	fmt.Fprintf(out, "#[%s]\n#[Histogram log format version %s]\n", oneLine(about), hdrhistogram.HISTOGRAM_LOG_FORMAT_VERSION)
	fmt.Fprintf(out, "#[StartTime: %.3f (seconds since epoch), %s]\n#[BaseTime: %.3f (seconds since epoch)]\n",
		seconds, start.Format(time.RFC3339Nano), seconds)
	fmt.Fprintln(out, `"StartTimestamp","Interval_Length","Interval_Max","Interval_Compressed_Histogram"`)
	return out
}

// interval writes one; times are in seconds, the longest latency in µs. The tag
// is cleared of what a tag must not hold.
func (l histogramLog) interval(tag string, start, length, maxUS float64, histogram string) {
	if tag = strings.Map(tagRune, format.Printable(tag)); tag != "" {
		fmt.Fprintf(l, "Tag=%s,", tag)
	}
	fmt.Fprintf(l, "%.3f,%.3f,%.3f,%s\n", start, length, maxUS/1e3, histogram)
}

func (l histogramLog) flush() error {
	if err := l.Flush(); err != nil {
		return fmt.Errorf("write histogram log: %w", err)
	}
	return nil
}

func oneLine(s string) string { return format.Line(s) }

// tagRune keeps the separators of a log out of a tag.
func tagRune(r rune) rune {
	if r <= ' ' || r == ',' || r == 0x7f {
		return '_'
	}
	return r
}
