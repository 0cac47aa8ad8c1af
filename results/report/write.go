package report

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/dynobench/dyno/internal/file"
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

// Write rebuilds report.md, report.html, the verdicts and plots/ in dir from run
// alone. The same run gives the same bytes. Figures of an earlier report that
// this one does not have are removed; other files stay. The folder may be
// somebody else's: nothing is written or removed through a link in it.
func Write(run *results.Run, dir string) error {
	folder, err := os.OpenRoot(dir)
	if err != nil {
		return writeError(err)
	}
	defer folder.Close() //nolint:errcheck // it is only a way to the files
	r := Build(run)
	if err := r.writePlots(folder); err != nil {
		return writeError(err)
	}
	for _, f := range []struct {
		name  string
		write func(io.Writer) error
	}{{MarkdownFile, r.WriteMarkdown}, {HTMLFile, r.WriteHTML}, {VerdictFile, r.WriteJSON}} {
		if err := file.In(folder, f.name, f.write); err != nil {
			return writeError(err)
		}
	}
	return nil
}

func writeError(err error) error {
	return fmt.Errorf("cannot write the report: %w; run.json is unchanged, and dyno report tries again", err)
}

// plots opens the folder of the figures, which is made where it is missing.
func plots(folder *os.Root) (*os.Root, error) {
	if err := folder.Mkdir(PlotsDir, 0o777); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	info, err := folder.Lstat(PlotsDir)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return nil, fmt.Errorf("%s in %s is not a folder, and dyno does not write through links: remove it", PlotsDir, folder.Name())
	}
	return folder.OpenRoot(PlotsDir)
}

// writePlots draws the figures of all scenarios; PNG is most of the work, so
// the scenarios are drawn side by side.
func (r *Report) writePlots(folder *os.Root) error {
	dir, err := plots(folder)
	if err != nil {
		return err
	}
	defer dir.Close() //nolint:errcheck // it is only a way to the files
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
				err := errors.Join(
					file.In(dir, f.Name+".svg", func(w io.Writer) error { return f.SVG(w, plot.Wide, true) }),
					file.In(dir, f.Name+".png", func(w io.Writer) error { return f.PNG(w, plot.Wide) }))
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
func removeStale(dir *os.Root, keep map[string]bool) error {
	entries, err := fs.ReadDir(dir.FS(), ".")
	if err != nil {
		return err
	}
	for _, e := range entries {
		name, ext := strings.TrimSuffix(e.Name(), filepath.Ext(e.Name())), filepath.Ext(e.Name())
		ours := (ext == ".svg" || ext == ".png") && slices.ContainsFunc(figureKinds, func(kind string) bool { return strings.HasSuffix(name, "-"+kind) })
		if ours && e.Type().IsRegular() && !keep[e.Name()] {
			if err := dir.Remove(e.Name()); err != nil {
				return err
			}
		}
	}
	return nil
}
