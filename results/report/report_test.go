package report

import (
	"bytes"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dynobench/dyno/internal/format"
	"github.com/dynobench/dyno/internal/testkit"
	"github.com/dynobench/dyno/results"
	"github.com/dynobench/dyno/results/resultstest"
)

func terminal(t *testing.T, r *Report, width int) string {
	t.Helper()
	var b bytes.Buffer
	if err := r.WriteTerminal(&b, width); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// whole is the fixture with everything in it. Its histograms take long under
// the race detector, so it is made once; nobody changes it.
var whole = sync.OnceValue(func() *Report { return Build(resultstest.Run(resultstest.Options{})) })

func TestTerminal(t *testing.T) {
	r := whole()
	testkit.Golden(t, "testdata/terminal-80.txt", []byte(terminal(t, r, 80)))
	testkit.Golden(t, "testdata/terminal-100.txt", []byte(terminal(t, r, 100)))
	testkit.Golden(t, "testdata/terminal-200.txt", []byte(terminal(t, r, 200)))
	long := resultstest.Run(resultstest.Options{Scenarios: []string{"hello"}, Targets: []string{"sync", "nethttp"}, NoInvalid: true})
	for i := range long.Trials {
		long.Trials[i].Target += "-with-a-name-that-goes-on-and-on"
	}
	for i := range long.Plan.Targets {
		long.Plan.Targets[i].Name += "-with-a-name-that-goes-on-and-on"
	}
	for _, report := range []*Report{r, Build(long)} {
		for _, width := range []int{0, 80, 99, 120, 140, 165, 200, 400} {
			for line := range strings.Lines(terminal(t, report, width)) {
				if w := format.Width(strings.TrimRight(line, "\n")); w > max(width, 80) {
					t.Errorf("%d columns of %d: %s", w, width, line)
				}
			}
		}
	}
	if text := terminal(t, Build(long), 80); !strings.Contains(text, "nethttp-with") || !strings.Contains(text, "… *") {
		t.Errorf("a long name loses its mark:\n%s", text)
	}
}

func TestMarkdown(t *testing.T) {
	var b bytes.Buffer
	if err := whole().WriteMarkdown(&b); err != nil {
		t.Fatal(err)
	}
	testkit.Golden(t, "testdata/report.md", b.Bytes())
}

func TestRowsAreSortedByTheScenariosMetric(t *testing.T) {
	for _, s := range whole().Scenarios {
		var last float64
		for i, r := range s.Rows {
			v := s.score(r)
			if i > 0 && v < last && len(r.Valid) > 0 && r.Target.Name != nullTarget {
				t.Errorf("%s: %s stands below a worse one", s.Plan.Name, r.Target.Name)
			}
			last = v
		}
		if last := s.Rows[len(s.Rows)-1].Target.Name; last != nullTarget {
			t.Errorf("%s: %s stands last, not the floor of cost", s.Plan.Name, last)
		}
		for _, v := range s.Verdicts {
			if slices.Contains(v.Leads, nullTarget) {
				t.Errorf("the null target is ranked: %s", v.Text)
			}
		}
	}
}

func TestInvalidTrialsAreInNoFigure(t *testing.T) {
	make := func() *results.Run {
		return resultstest.Run(resultstest.Options{Scenarios: []string{"hello"}, Targets: []string{"pool", "goroutine"}})
	}
	spoilt := make()
	for i := range spoilt.Trials {
		if tr := &spoilt.Trials[i]; !tr.Valid {
			h := results.NewHistogram()
			h.RecordValues(3e9, 1e9) //nolint:errcheck // in range
			tr.Histogram, _ = results.EncodeHistogram(h)
			tr.ThroughputRPS, tr.Server.CPUUSPerRequest, tr.Server.RSSPeakBytes = 1e9, 1e-3, 1<<50
		}
	}
	a, b := terminal(t, Build(make()), 200), terminal(t, Build(spoilt), 200)
	if d := cmp.Diff(a, b); d != "" {
		t.Errorf("an invalid trial changed the figures:\n%s", d)
	}
	for _, want := range []string{"2/3", "✗ does not count: steal, 1 trial (pool 2): 7.3 %", "→ repeat when the host is quieter"} {
		if !strings.Contains(a, want) {
			t.Errorf("no %q in\n%s", want, a)
		}
	}
}

func TestRepeatedTrialsAreSaidToBe(t *testing.T) {
	run := resultstest.Run(resultstest.Options{Scenarios: []string{"hello"}, Targets: []string{"pool", "sync"}})
	for _, tr := range run.Trials {
		if !tr.Valid {
			tr.Valid, tr.Warnings, tr.Order = true, nil, len(run.Trials)+1
			run.Trials = append(run.Trials, tr)
			break
		}
	}
	text := terminal(t, Build(run), 80)
	for _, want := range []string{"3/4", "does not count: steal, 1 trial (pool 2), measured again: 7.3 %"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if strings.Contains(text, "Not ranked") {
		t.Errorf("three trials count:\n%s", text)
	}
}

func TestWarningsAreToldOncePerCode(t *testing.T) {
	run := resultstest.Run(resultstest.Options{Scenarios: []string{"hello"}, Targets: []string{"pool", "sync", "nethttp"}, NoInvalid: true})
	warn := func(target string, trial int, code, message string, invalid bool, m *results.Measure) *results.Trial {
		for i := range run.Trials {
			if tr := &run.Trials[i]; tr.Target == target && tr.Trial == trial {
				tr.Warn(results.Warning{Code: code, Message: message, Hint: "a quieter host", Invalid: invalid, Measure: m})
				return tr
			}
		}
		t.Fatal("no such trial")
		return nil
	}
	change := func(v float64) *results.Measure { return results.Above(v, 20, "%") }
	lag := func(v float64) *results.Measure { return results.Above(v, 1000, "µs") }
	warn("pool", 1, "not-stationary", "the last third had -50 % answers", false, change(50))
	warn("pool", 3, "not-stationary", "the last third had +21 % answers", false, change(21))
	warn("sync", 2, "not-stationary", "the last third had +33 % answers", false, change(33))
	warn("sync", 1, codeTooFew, "only 12 answers", false, results.Below(12, 1000, "answers"))
	// By the first number in its text this one is the mildest.
	warn("sync", 3, "slow", "after 9 tries 5 of 10 came", false, results.Below(5, 8, "answers"))
	warn("pool", 2, "slow", "after 1 try 3 of 10 came", false, results.Below(3, 8, "answers"))
	warn("nethttp", 1, "slow", "after 8 tries 7 of 10 came", false, results.Below(7, 8, "answers"))
	// As an older dyno stored them: there is no telling which is worse.
	warn("sync", 1, "old", "99 of something", false, nil)
	warn("pool", 1, "old", "100 of something", false, nil)
	warn("pool", 2, "send-lag", "requests left up to 1980 µs late", true, lag(1980))
	late := *warn("nethttp", 2, "send-lag", "requests left up to 2018 µs late", true, lag(2018))
	late.Valid, late.Warnings = true, nil
	run.Trials = append(run.Trials, late)
	r := Build(run)
	var got []string
	for _, n := range r.Scenarios[0].Notices {
		got = append(got, n.Text()+" → "+n.Hint)
	}
	want := []string{
		"does not count: send-lag, 2 trials (pool 2; nethttp 2), 1 of them measured again, at worst: requests left up to 2018 µs late → a quieter host",
		"not-stationary, 3 trials (pool 1, 3; sync 2), at worst: the last third had -50 % answers → ",
		"old, 2 trials (pool 1; sync 1), for example: 100 of something → ",
		"slow, 3 trials (pool 2; sync 3; nethttp 1), at worst: after 1 try 3 of 10 came → ",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	var b bytes.Buffer
	if err := r.WriteHTML(&b); err != nil {
		t.Fatal(err)
	}
	for _, each := range []string{"pool, trial 3: the last third had &#43;21 % answers", "sync, trial 2: the last third", "pool, trial 2: requests left up to 1980"} {
		if !strings.Contains(strings.ReplaceAll(b.String(), "\u00a0", " "), each) {
			t.Errorf("the page does not hold %q", each)
		}
	}
}

func TestPercentilesAreMergedNotAveraged(t *testing.T) {
	run := resultstest.Run(resultstest.Options{Scenarios: []string{"hello"}, Targets: []string{"pool"}, NoInvalid: true})
	// 970 fast requests in each trial, 30 slow ones in one: p99 of the whole is
	// slow, the mean of the trials' is a third of that.
	for i := range run.Trials {
		h := results.NewHistogram()
		h.RecordValues(1e6, 970) //nolint:errcheck // in range
		if run.Trials[i].Trial == 1 {
			h.RecordValues(100e6, 60) //nolint:errcheck // in range
		}
		run.Trials[i].Histogram, _ = results.EncodeHistogram(h)
	}
	l := Build(run).Scenarios[0].Rows[0].Latency
	if math.Abs(l.P99-100e3) > 200 || l.P999 != 0 || l.Samples != 2970 {
		t.Errorf("p99 %v, p99.9 %v of %d", l.P99, l.P999, l.Samples)
	}
}

func TestOddRuns(t *testing.T) {
	broken := resultstest.Run(resultstest.Options{Scenarios: []string{"mixed"}, Targets: []string{"sync", "pool"}})
	broken.Trials[0].Histogram = "no histogram"
	broken.Trials[1].Classes[0].Histogram = "AAAA"
	broken.Environment.CPUsShared = true
	broken.Interrupted = true
	unplanned := resultstest.Run(resultstest.Options{Scenarios: []string{"hello"}, Targets: []string{"sync"}})
	unplanned.Plan = results.Plan{}
	spoilt := resultstest.Run(resultstest.Options{Scenarios: []string{"hello"}, Targets: []string{"sync", "pool"}})
	for i := range spoilt.Trials {
		spoilt.Trials[i].Valid, spoilt.Trials[i].Warnings = false, nil
	}
	foreign := resultstest.Run(resultstest.Options{Scenarios: []string{"hello"}, Targets: []string{"sync", "pool"}})
	mixed := resultstest.Run(resultstest.Options{Scenarios: []string{"hello"}, Targets: []string{"sync", "pool"}})
	for i := range foreign.Trials {
		foreign.Trials[i].Protocol = "uwsgi"
		if mixed.Trials[i].Target == "pool" {
			mixed.Trials[i].Protocol = "fastcgi"
		}
	}
	bare := &results.Run{Trials: []results.Trial{{Scenario: "x", Target: "y"}, {Load: results.Load{Valid: true}}}}
	for name, c := range map[string]struct {
		run  *results.Run
		want []string
	}{
		"empty":         {&results.Run{}, []string{"No trial was stored"}},
		"broken":        {broken, []string{"! histogram, 2 trials (", "shared their CPUs", "was interrupted: 6 of 6 planned trials"}},
		"not planned":   {unplanned, []string{"closed loop, 64 connections", "3/3"}},
		"nothing valid": {spoilt, []string{"0/3", "stored as invalid, without a reason", "No ranking by throughput"}},
		"bare":          {bare, []string{"0/1", "1/1"}},
		"no http":       {foreign, []string{"s per trial, over uwsgi"}},
		"two protocols": {mixed, []string{"s per trial, over fastcgi and http"}},
	} {
		t.Run(name, func(t *testing.T) {
			text := terminal(t, Build(c.run), 80)
			for _, want := range c.want {
				if !strings.Contains(strings.Join(strings.Fields(text), " "), want) {
					t.Errorf("no %q in\n%s", want, text)
				}
			}
			if strings.Contains(text, "NaN") || strings.Contains(text, "Inf") {
				t.Errorf("not a figure:\n%s", text)
			}
			if err := Write(c.run, t.TempDir()); err != nil {
				t.Error(err)
			}
		})
	}
}

// read returns all files below dir.
func read(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		files[strings.TrimPrefix(path, dir+string(filepath.Separator))] = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestWriteIsTheSameEachTime(t *testing.T) {
	run := resultstest.Run(resultstest.Options{Scenarios: []string{"mixed"}, Targets: []string{"eventloop", "null"}, Trials: 1})
	a, b := t.TempDir(), t.TempDir()
	for _, name := range []string{"run.json", "plots/gone-throughput.svg", "plots/gone-over-time.png", "plots/mine.svg"} {
		path := filepath.Join(b, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, dir := range []string{a, b, b} {
		if err := Write(run, dir); err != nil {
			t.Fatal(err)
		}
	}
	first, second := read(t, a), read(t, b)
	if second["run.json"] != "x" || second["plots/mine.svg"] != "x" {
		t.Error("a file that is not the report's was touched")
	}
	delete(second, "run.json")
	delete(second, "plots/mine.svg")
	if len(first) != 3+2*4 {
		t.Errorf("%d files", len(first))
	}
	for name := range first {
		if first[name] != second[name] {
			t.Errorf("%s differs from one writing to the next", name)
		}
	}
	for name := range second {
		if _, ok := first[name]; !ok {
			t.Errorf("%s is left from an earlier report", name)
		}
	}
	for _, link := range regexp.MustCompile(`\((plots/[^)]*)\)`).FindAllStringSubmatch(first[MarkdownFile], -1) {
		if _, ok := first[link[1]]; !ok {
			t.Errorf("%s links to %s, which is not there", MarkdownFile, link[1])
		}
	}
}

func TestHTMLIsWholeAndFetchesNothing(t *testing.T) {
	run := resultstest.Run(resultstest.Options{Scenarios: []string{"hello", "mixed"}, Targets: []string{"eventloop", "fasthttp", "pool"}})
	const evil = `<script>alert("x")</script>`
	run.Plan.Scenarios[0].Shows = evil
	for i := range run.Trials {
		run.Trials[i].Warn(results.Warning{Code: "odd", Message: evil, Hint: evil})
		if run.Trials[i].Target == "pool" {
			run.Trials[i].Target = evil
		}
	}
	var b bytes.Buffer
	if err := HTML(&b, run); err != nil {
		t.Fatal(err)
	}
	page := b.String()
	if strings.Contains(strings.ToLower(page), "<script") {
		t.Error("text of the run became markup")
	}
	for _, fetch := range []string{`src=`, `@import`, `url(`, `<link`, `<img`, `<iframe`, `http-equiv`} {
		if strings.Contains(page, fetch) {
			t.Errorf("the page holds %s", fetch)
		}
	}
	for _, address := range regexp.MustCompile(`https?://[^"'\s<]+`).FindAllString(page, -1) {
		if address != "http://www.w3.org/2000/svg" && !strings.HasPrefix(address, "http://127.0.0.1:") {
			t.Errorf("the page names %s", address)
		}
	}
	for _, want := range []string{`<meta name="viewport"`, "prefers-color-scheme: dark", "@media print", `id="hello"`, `href="#hello"`, "Environment", "To reproduce",
		"dyno run hello mixed --seed 4711", "dyno serve --engine eventloop", "What the numbers do not show", "How the numbers are made", "hello eventloop #1"} {
		if !strings.Contains(page, want) {
			t.Errorf("no %q in the page", want)
		}
	}
	if strings.Contains(page, "ZgotmplZ") || strings.Contains(page, "NaN") {
		t.Error("the template refused a value, or a figure is none")
	}
	if open, closed := strings.Count(page, "<svg"), strings.Count(page, "</svg>"); open != closed || open < 2*(2+2*2) {
		t.Errorf("%d figures begun, %d ended", open, closed)
	}
}

var errFull = errors.New("no space left")

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errFull }

func TestErrorsOfTheWriterAreTold(t *testing.T) {
	run := resultstest.Run(resultstest.Options{Scenarios: []string{"hello"}, Targets: []string{"sync"}})
	for name, write := range map[string]func(io.Writer) error{
		"terminal": func(w io.Writer) error { return Terminal(w, run, 80) },
		"Markdown": func(w io.Writer) error { return Markdown(w, run) },
		"HTML":     func(w io.Writer) error { return HTML(w, run) },
	} {
		if err := write(full{}); !errors.Is(err, errFull) {
			t.Errorf("%s: %v", name, err)
		}
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Write(run, file); err == nil || !strings.Contains(err.Error(), file) || !strings.Contains(err.Error(), "run.json is unchanged") {
		t.Errorf("%v", err)
	}
}

// BenchmarkWrite is a whole report of four scenarios, ten targets and three
// trials; it shall stay below three seconds of CPU.
func BenchmarkWrite(b *testing.B) {
	run := resultstest.Run(resultstest.Options{})
	dir := b.TempDir()
	for b.Loop() {
		if err := Write(run, dir); err != nil {
			b.Fatal(err)
		}
	}
}

func TestCalibrationIsNamed(t *testing.T) {
	run := resultstest.Run(resultstest.Options{Scenarios: []string{"hello"}, Targets: []string{"goroutine"}})
	if text := terminal(t, Build(run), 80); strings.Contains(text, "limit is") {
		t.Errorf("a run without a calibration names one:\n%s", text)
	}
	run.Calibration = &results.Calibration{CeilingRPS: 123_456, Created: run.Created}
	const want = "123,000/s on this host, by dyno doctor of"
	if text := strings.Join(strings.Fields(terminal(t, Build(run), 80)), " "); !strings.Contains(text, "The generator's limit is "+want) {
		t.Errorf("the terminal does not name the calibration:\n%s", text)
	}
	var b bytes.Buffer
	if err := Markdown(&b, run); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(b.String(), want) {
		t.Error("the page does not name the calibration")
	}
}

// A run that was cut says so, and names what is not there, in every form.
func TestACutRunIsNotWhole(t *testing.T) {
	run := resultstest.Run(resultstest.Options{Scenarios: []string{"hello", "wait", "mixed"}, Targets: []string{"eventloop", "pool", "sync"}, NoInvalid: true})
	run.Finished = time.Time{}
	run.Trials = slices.DeleteFunc(run.Trials, func(t results.Trial) bool {
		return t.Scenario == "mixed" || t.Target == "sync" || t.Scenario == "wait" && t.Target == "pool" && t.Trial > 1
	})
	r := Build(run)
	forms := map[string]string{"terminal": terminal(t, r, 80)}
	for name, write := range map[string]func(io.Writer) error{"Markdown": r.WriteMarkdown, "HTML": r.WriteHTML} {
		var b bytes.Buffer
		if err := write(&b); err != nil {
			t.Fatal(err)
		}
		forms[name] = strings.ReplaceAll(b.String(), "\u00a0", " ")
	}
	for name, text := range forms {
		text = strings.Join(strings.Fields(text), " ")
		for _, want := range []string{
			"27 trials planned, 10 ran, 10 count", "The run did not end: it was killed, or is still running. 10 of 27 planned trials ran.",
			"dyno run --resume 20260302-101500-k7wm continues it",
			"Planned trials that are missing: hello: sync 3 of 3; wait: pool 2 of 3, sync 3 of 3; mixed: all of every target.", "1/1 of 3", "0/0 of 3",
		} {
			if !strings.Contains(text, want) {
				t.Errorf("%s: no %q in\n%s", name, want, text)
			}
		}
		if strings.Contains(text, "All 10") || strings.Contains(text, "all 10 planned") {
			t.Errorf("%s: looks whole:\n%s", name, text)
		}
	}
}
