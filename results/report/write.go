package report

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/dynobench/dyno/results"
	"github.com/dynobench/dyno/results/report/plot"
)

// What Write makes beside run.json.
const (
	MarkdownFile = "report.md"
	HTMLFile     = "report.html"
	VerdictFile  = "verdict.json"
	PlotsDir     = "plots"
)

// Terminal writes the report of run for a terminal of so many columns.
func Terminal(w io.Writer, run *results.Run, width int) error {
	return Build(run).WriteTerminal(w, width)
}

// Markdown writes the report of run as Markdown, with links to the plots that
// Write makes.
func Markdown(w io.Writer, run *results.Run) error {
	return Build(run).WriteMarkdown(w)
}

// HTML writes the report of run as one page that fetches nothing.
func HTML(w io.Writer, run *results.Run) error {
	return Build(run).WriteHTML(w)
}

// Write rebuilds report.md, report.html and plots/ in dir from run alone. The
// same run gives the same bytes. Figures of an earlier report that this one
// does not have are removed; other files stay.
func Write(run *results.Run, dir string) error {
	r := Build(run)
	if err := r.writePlots(filepath.Join(dir, PlotsDir)); err != nil {
		return writeError(err)
	}
	for _, f := range []struct {
		name  string
		write func(io.Writer) error
	}{{MarkdownFile, r.WriteMarkdown}, {HTMLFile, r.WriteHTML}, {VerdictFile, r.WriteJSON}} {
		if err := writeFile(filepath.Join(dir, f.name), f.write); err != nil {
			return writeError(err)
		}
	}
	return nil
}

func writeError(err error) error {
	return fmt.Errorf("cannot write the report: %w; run.json is not touched, dyno report makes it again", err)
}

func writeFile(path string, write func(io.Writer) error) error {
	var b bytes.Buffer
	if err := write(&b); err != nil {
		return err
	}
	return os.WriteFile(path, b.Bytes(), 0o644)
}

// writePlots draws the figures of all scenarios; PNG is most of the work, so
// the scenarios are drawn side by side.
func (r *Report) writePlots(dir string) error {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	keep := map[string]bool{}
	var mu sync.Mutex
	var wait sync.WaitGroup
	var failed []error
	for i := range r.Scenarios {
		figures := r.Scenarios[i].figures()
		for _, f := range figures {
			keep[f.Name+".svg"], keep[f.Name+".png"] = true, true
		}
		wait.Go(func() {
			for _, f := range figures {
				base := filepath.Join(dir, f.Name)
				err := errors.Join(
					writeFile(base+".svg", func(w io.Writer) error { return f.SVG(w, plot.Wide, true) }),
					writeFile(base+".png", func(w io.Writer) error { return f.PNG(w, plot.Wide) }))
				if err != nil {
					mu.Lock()
					failed = append(failed, err)
					mu.Unlock()
					return
				}
			}
		})
	}
	wait.Wait()
	if err := errors.Join(failed...); err != nil {
		return err
	}
	return removeStale(dir, keep)
}

// removeStale removes figures that are not to be kept, by the names that this
// package gives.
func removeStale(dir string, keep map[string]bool) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		name, ext := strings.TrimSuffix(e.Name(), filepath.Ext(e.Name())), filepath.Ext(e.Name())
		ours := (ext == ".svg" || ext == ".png") && slices.ContainsFunc(figureKinds, func(kind string) bool { return strings.HasSuffix(name, "-"+kind) })
		if ours && !keep[e.Name()] {
			if err := os.Remove(filepath.Join(dir, e.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}
