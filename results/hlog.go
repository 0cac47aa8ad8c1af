package results

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
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
// interval for each step, timed from the start of the window. A tag, where there is one, is
// on every line; it is cleared of what a tag must not hold.
//
// It is an error if a step with answers has no histogram.
func WriteLog(w io.Writer, l *Load, tag string) error {
	out := bufio.NewWriter(w)
	start := l.WindowStart.UTC()
	seconds := float64(start.UnixMilli()) / 1e3
	fmt.Fprintf(out, "#[latency of what was answered in each step, in nanoseconds: %s]\n", strings.Join(strings.Fields(l.URL), " "))
	fmt.Fprintf(out, "#[Histogram log format version %s]\n", hdrhistogram.HISTOGRAM_LOG_FORMAT_VERSION)
	fmt.Fprintf(out, "#[StartTime: %.3f (seconds since epoch), %s]\n#[BaseTime: %.3f (seconds since epoch)]\n",
		seconds, start.Format(time.RFC3339Nano), seconds)
	fmt.Fprintln(out, `"StartTimestamp","Interval_Length","Interval_Max","Interval_Compressed_Histogram"`)
	empty, err := EncodeHistogram(NewStepHistogram())
	if err != nil {
		return err
	}
	prefix := ""
	if tag = strings.Map(tagRune, tag); tag != "" {
		prefix = "Tag=" + tag + ","
	}
	for i, p := range l.Series {
		end := l.DurationS
		if i+1 < len(l.Series) {
			end = l.Series[i+1].TS
		}
		h := p.Histogram
		if h == "" && p.Done > 0 {
			return fmt.Errorf("the step at %g s has no histogram: the steps have to be asked for when the load is offered (dyno load --steps)", p.TS)
		}
		if h == "" {
			h = empty
		}
		fmt.Fprintf(out, "%s%.3f,%.3f,%.3f,%s\n", prefix, p.TS, end-p.TS, p.MaxUS/1e3, h)
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("write histogram log: %w", err)
	}
	return nil
}

// tagRune keeps the separators of a log out of a tag.
func tagRune(r rune) rune {
	if r <= ' ' || r == ',' || r == 0x7f {
		return '_'
	}
	return r
}
