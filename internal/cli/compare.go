package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/dynobench/dyno/internal/format"
	"github.com/dynobench/dyno/internal/suggest"
	"github.com/dynobench/dyno/results"
	"github.com/dynobench/dyno/results/compare"
	"github.com/dynobench/dyno/results/report"
)

func (c *cli) compareCommand() *cobra.Command {
	o := compare.Defaults()
	var runs string
	cmd := &cobra.Command{
		Use:   "compare OLD NEW",
		Short: "Judge the change between two stored runs",
		Long: `compare prints, for every scenario and target of both runs, the change with its
confidence interval, and says where it cannot tell.

OLD and NEW are run folders, run.json files, or the ids (or beginnings of ids) of
runs in the runs folder. "latest" is the newest run that is not the other side:
compare latest latest compares the two newest.

compare exits with 1 if a change for the worse is beyond doubt and above --floor,
or if requests or trials fail that did not fail before. It exits with 3 if nothing
could be compared, or if NEW lacks something that OLD measured, which
--allow-missing accepts.

Two stored runs were measured at different times. compare estimates the noise
between them from other runs of the same targets on this host, or from how far all
targets moved; without either it assumes much. Check the change that it could have
detected before you trust that nothing changed.`,
		Example: "  dyno compare runs/20260101-120000-1a2b latest\n  dyno compare baseline/run.json latest --floor 5% --metrics cpu,p99,memory",
		Args:    cobra.ExactArgs(2),
		RunE: interruptible(func(args []string) error {
			oldPath, newPath, err := results.FindPair(runs, args[0], args[1])
			if err != nil {
				return usageError(err)
			}
			before, err := results.Read(oldPath)
			if err != nil {
				return usageError(err)
			}
			after, err := results.Read(newPath)
			if err != nil {
				return usageError(err)
			}
			o.History = history(runs)
			return c.compare(before, after, o)
		}),
	}
	cmd.Flags().StringVarP(&runs, "out", "o", "runs", "`folder` for runs")
	cmd.Flags().Var(share{&o.Floor}, "floor", "smallest change that matters, such as 0.05 or 5%; 0: any change")
	cmd.Flags().Var(share{&o.Confidence}, "confidence", "confidence over all comparisons together, such as 0.99 or 99%")
	cmd.Flags().StringSliceVar(&o.Metrics, "metrics", nil, "figures to judge, of "+strings.Join(compare.MetricNames, ", ")+" (default: cpu and throughput of a closed loop, p99, p50 and cpu of an open one); the others are shown only")
	cmd.Flags().BoolVar(&o.AllowMissing, "allow-missing", false, "do not exit with 3 if NEW lacks targets or scenarios of OLD, or cannot judge them")
	return cmd
}

// maxHistory is how many stored runs are read for the noise between runs. More
// of them would know the noise of last year.
const maxHistory = 30

// history reads the newest runs of a folder. One that cannot be read shows
// nothing.
func history(runs string) []*results.Run {
	ids, err := results.List(runs)
	if err != nil {
		return nil
	}
	var all []*results.Run
	for _, id := range ids[:min(len(ids), maxHistory)] {
		if run, err := results.Read(filepath.Join(runs, id)); err == nil {
			all = append(all, run)
		}
	}
	return all
}

func (c *cli) compare(before, after *results.Run, o compare.Options) error {
	r, err := compare.Compare(before, after, o)
	if err != nil {
		return usageError(err)
	}
	if c.json {
		err = json.NewEncoder(c.stdout).Encode(r)
	} else {
		err = r.WriteText(c.stdout, width(c.stdout))
	}
	if err != nil {
		return failed(err)
	}
	switch r.Conclusion {
	case compare.Regression:
		return failed(fmt.Errorf("%s for the worse, beyond doubt", format.Plural(len(r.Regressions()), "change")))
	case compare.Inconclusive:
		return &exitError{exitUndecided, fmt.Errorf("inconclusive: %s", strings.Join(r.Reasons, "; "))}
	}
	return nil
}

func (c *cli) reportCommand() *cobra.Command {
	var runs, format, only string
	cmd := &cobra.Command{
		Use:   "report RUN",
		Short: "Print a stored run and rebuild its report and plots",
		Long: `report rebuilds report.md, report.html and the plots from run.json alone.

RUN is a run folder, a run.json file, or the id (or the beginning of the id) of
a run in the runs folder; "latest" is the newest one.

--format hlog is a log of HdrHistogram: the latencies of each valid trial, tagged
SCENARIO/TARGET, and /CLASS behind it where there are several classes of requests.
--format hdr is latency by percentile as HdrHistogram's plotter reads it, of all
valid trials of one of them.`,
		Example: `  dyno report latest
  dyno report runs/20260101-120000-1a2b --format csv > trials.csv
  dyno report latest --format hlog > trials.hlog
  dyno report latest --format hdr --only hello/eventloop > eventloop.hdr`,
		Args: cobra.ExactArgs(1),
		RunE: interruptible(func(args []string) error {
			path, err := results.Find(runs, args[0])
			if err != nil {
				return usageError(err)
			}
			run, err := results.Read(path)
			if err != nil {
				return usageError(err)
			}
			dir := path
			if filepath.Ext(path) == ".json" {
				dir = filepath.Dir(path)
			}
			if only, err = distribution(run, format, only); err != nil {
				return usageError(err)
			}
			switch format {
			case "":
				return failedIf(c.report(run, dir))
			case "csv":
				return failedIf(results.WriteCSV(document(c.stdout), run))
			case "benchmark":
				return failedIf(results.WriteBenchmark(document(c.stdout), run))
			case "markdown":
				return failedIf(report.Markdown(document(c.stdout), run))
			case "hlog":
				return failedIf(results.WriteTrialLog(document(c.stdout), run, only))
			case "hdr":
				h, err := results.MergedLatency(run, only)
				if err != nil {
					return failed(err)
				}
				return failedIf(results.WritePercentiles(document(c.stdout), h))
			}
			return usageError(suggest.Unknown("format", format, reportFormats))
		}),
	}
	cmd.Flags().StringVarP(&runs, "out", "o", "runs", "`folder` for runs")
	cmd.Flags().StringVar(&format, "format", "", "print the run in this format and write no files: csv, benchmark (for benchstat), markdown, hlog or hdr (for HdrHistogram)")
	cmd.Flags().StringVar(&only, "only", "", "hlog and hdr: the latency of one `SCENARIO/TARGET`, or of one class, SCENARIO/TARGET/CLASS")
	return cmd
}

// reportFormats are what dyno report prints rather than writes.
var reportFormats = []string{"csv", "benchmark", "markdown", "hlog", "hdr"}

// distribution is the name of the latency that a format prints: the one that was
// asked for, or where there is no other the only one.
func distribution(run *results.Run, format, only string) (string, error) {
	if format != "hdr" && format != "hlog" {
		if only != "" {
			return "", errors.New("--only needs --format hlog or --format hdr")
		}
		return "", nil
	}
	names := results.LatencyNames(run)
	switch {
	case len(names) == 0:
		return "", errors.New("the run holds no latencies: no trial was answered")
	case only != "" && !slices.Contains(names, only):
		return "", fmt.Errorf("--only: %w", suggest.Unknown("distribution", only, names))
	case only == "" && format == "hdr" && len(names) > 1:
		return "", fmt.Errorf("--format hdr writes one distribution: choose one with --only (%s)", strings.Join(names, ", "))
	case only == "" && format == "hdr":
		return names[0], nil
	}
	return only, nil
}

// failedIf gives err the exit code of a failure, unless it has one.
func failedIf(err error) error {
	var coded *exitError
	if err == nil || errors.As(err, &coded) {
		return err
	}
	return failed(err)
}

func readRun(runs, name string) (*results.Run, error) {
	path, err := results.Find(runs, name)
	if err != nil {
		return nil, err
	}
	return results.Read(path)
}

// interruptible makes a verb of f, which looks at nothing but its documents, that
// a signal ends at any moment: what it writes is there as a whole or not at all.
func interruptible(f func(args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		done := make(chan error, 1)
		go func() { done <- f(args) }()
		select {
		case err := <-done:
			return err
		case <-cmd.Context().Done():
			return errInterrupted
		}
	}
}
