package cli

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/dynobench/dyno/bench/load/plan"
	"github.com/dynobench/dyno/bench/load/record"
	"github.com/dynobench/dyno/internal/file"
	"github.com/dynobench/dyno/internal/suggest"
	"github.com/dynobench/dyno/results"
	"github.com/dynobench/dyno/results/report"
	"github.com/dynobench/dyno/results/report/plot"
)

// loadFiles are the files that dyno load writes beside its summary.
type loadFiles struct {
	hdr, hlog, vegeta, heatmap string
	steps                      bool
}

func (f *loadFiles) flags(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.hdr, "hdr", "", "write latency by percentile to `file`, for HdrHistogram's plotter; - is standard output")
	flags.StringVar(&f.hlog, "hlog", "", "write a histogram for each 100 ms to `file`, as an HdrHistogram log; - is standard output")
	flags.StringVar(&f.vegeta, "vegeta", "", "write each request to `file` in vegeta's format: .gob or .bin, .csv, .json; - is gob on standard output")
	flags.StringVar(&f.heatmap, "heatmap", "", "draw latency over time into `file`, .svg or .png")
	flags.BoolVar(&f.steps, "steps", false, "include a histogram for each 100 ms in the JSON document")
}

// A loadFile is one of them.
type loadFile struct {
	flag, path string
	write      func(io.Writer, *results.Load) error
}

// prepare tells config what the files need and returns them. A file that
// cannot be written is an error here, before there is anything to lose.
func (f *loadFiles) prepare(config *plan.Config, json bool) (all []loadFile, err error) {
	config.Steps = f.steps || f.hlog != "" || f.heatmap != ""
	add := func(flag, path string, write func(io.Writer, *results.Load) error) {
		if path != "" {
			all = append(all, loadFile{flag, path, write})
		}
	}
	add("hdr", f.hdr, func(w io.Writer, l *results.Load) error {
		h, err := results.DecodeHistogram(l.Histogram)
		if err != nil {
			return err
		}
		return results.WritePercentiles(w, h)
	})
	add("hlog", f.hlog, func(w io.Writer, l *results.Load) error { return results.WriteLog(w, l, "") })
	if f.vegeta != "" {
		journal := new(record.Journal)
		config.Journal = journal
		encoding := map[string]string{"": "gob", ".bin": "gob", ".gob": "gob", ".csv": "csv", ".json": "json"}
		name, ok := encoding[suffix(f.vegeta)]
		if !ok || suffix(f.vegeta) == "" && f.vegeta != "-" {
			return nil, fmt.Errorf("--vegeta %s: the name must end in .gob, .bin, .csv or .json", f.vegeta)
		}
		add("vegeta", f.vegeta, func(w io.Writer, _ *results.Load) error { return journal.WriteVegeta(w, name) })
	}
	switch s := suffix(f.heatmap); {
	case f.heatmap == "":
	case s == ".svg":
		add("heatmap", f.heatmap, heatMap(func(w io.Writer, f plot.Figure) error { return f.SVG(w, plot.Wide, true) }))
	case s == ".png":
		add("heatmap", f.heatmap, heatMap(func(w io.Writer, f plot.Figure) error { return f.PNG(w, plot.Wide) }))
	default:
		return nil, fmt.Errorf("--heatmap %s: the name must end in .svg or .png", f.heatmap)
	}
	onStdout := ""
	if json {
		onStdout = "--json"
	}
	for i, f := range all {
		if f.path != "-" {
			if err := file.Writable(f.path); err != nil {
				return nil, fmt.Errorf("--%s: %w", f.flag, err)
			}
			for _, other := range all[:i] {
				if other.path != "-" && file.Same(other.path, f.path) {
					return nil, fmt.Errorf("--%s and --%s both write %s: give each a file of its own", other.flag, f.flag, f.path)
				}
			}
			continue
		}
		if onStdout != "" {
			return nil, fmt.Errorf("%s and --%s - both write to standard output: give one of them a file", onStdout, f.flag)
		}
		onStdout = "--" + f.flag + " -"
	}
	return all, nil
}

func suffix(path string) string { return strings.ToLower(filepath.Ext(path)) }

func heatMap(draw func(io.Writer, plot.Figure) error) func(io.Writer, *results.Load) error {
	return func(w io.Writer, l *results.Load) error {
		f, err := report.HeatMap(l)
		if err != nil {
			return err
		}
		if f.Empty {
			return errors.New("no responses: there is nothing to draw")
		}
		return draw(w, f)
	}
}

// store writes the file as a whole or not at all.
func (f loadFile) store(stdout io.Writer, l *results.Load) error {
	if err := f.storeTo(stdout, l); err != nil {
		return fmt.Errorf("--%s %s: %w", f.flag, f.path, err)
	}
	return nil
}

func (f loadFile) storeTo(stdout io.Writer, l *results.Load) error {
	write := func(w io.Writer) error { return f.write(w, l) }
	if f.path != "-" {
		return file.Replace(f.path, write)
	}
	b := bufio.NewWriterSize(document(stdout), 1<<16)
	if err := write(b); err != nil {
		return err
	}
	return b.Flush()
}

// takeStdout tells whether one of the files is standard output.
func takeStdout(all []loadFile) bool {
	for _, f := range all {
		if f.path == "-" {
			return true
		}
	}
	return false
}

// checkProgress refuses a word that --progress does not know.
func checkProgress(mode string) error {
	switch mode {
	case "auto", "plain", "none":
		return nil
	}
	return suggest.Unknown("progress", mode, []string{"auto", "plain", "none"})
}
