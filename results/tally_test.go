package results_test

import (
	"bytes"
	"encoding/csv"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dynobench/dyno/results"
	"github.com/dynobench/dyno/results/resultstest"
)

// planned is a run of two scenarios, two targets and three trials, as far as
// change leaves it.
func planned(change func(*results.Run)) *results.Run {
	run := resultstest.Run(resultstest.Options{Scenarios: []string{"hello", "wait"}, Targets: []string{"eventloop", "sync"}, NoInvalid: true})
	change(run)
	return run
}

func cut(n int) func(*results.Run) {
	return func(r *results.Run) { r.Trials, r.Finished = r.Trials[:n], time.Time{} }
}

func TestTally(t *testing.T) {
	for name, c := range map[string]struct {
		run     *results.Run
		state   string
		missing int // trials
		text    string
	}{
		"whole":                   {planned(func(*results.Run) {}), results.Finished, 0, "all 12 planned trials ran and count"},
		"killed":                  {planned(cut(5)), results.Unfinished, 7, "12 trials planned, 5 ran, 5 count"},
		"killed before the first": {planned(cut(0)), results.Unfinished, 12, "12 trials planned, 0 ran, 0 count"},
		"killed after the last":   {planned(cut(12)), results.Unfinished, 0, "12 trials planned, 12 ran, 12 count"},
		"interrupted":             {planned(func(r *results.Run) { cut(5)(r); r.Interrupted = true }), results.Interrupted, 7, "12 trials planned, 5 ran, 5 count"},
		"disturbed": {planned(func(r *results.Run) {
			again := r.Trials[3]
			r.Trials[3].Valid = false
			r.Trials = append(r.Trials, again)
		}), results.Finished, 0, "12 trials planned, 13 ran (1 of them repeated after a disturbance), 12 count"},
		// A repeat must not stand for a trial that did not run.
		"disturbed and killed": {planned(func(r *results.Run) { cut(11)(r); r.Trials = append(r.Trials, r.Trials[3]) }), results.Unfinished, 1, "12 trials planned, 12 ran (1 of them repeated after a disturbance), 12 count"},
		"refused": {planned(func(r *results.Run) {
			r.Plan.Skipped = []results.Skip{{Target: "sync", Reason: "wrong answer"}}
			r.Trials = slices.DeleteFunc(r.Trials, func(t results.Trial) bool { return t.Target == "sync" })
		}), results.Finished, 6, "12 trials planned, 6 ran, 6 count"},
		"old and whole": {planned(func(r *results.Run) { r.Plan.Planned, r.Finished = 0, time.Time{} }), results.Finished, 0, "all 12 planned trials ran and count"},
		"old and cut":   {planned(func(r *results.Run) { cut(4)(r); r.Plan.Planned = 0 }), results.Unfinished, 8, "12 trials planned, 4 ran, 4 count"},
		"a tuning": {planned(func(r *results.Run) {
			r.Plan.Targets[1].Trials = []int{2}
			r.Trials = slices.DeleteFunc(r.Trials, func(t results.Trial) bool { return t.Target == "sync" && t.Trial != 2 })
		}), results.Finished, 0, "all 8 planned trials ran and count"},
		"no plan": {&results.Run{Trials: []results.Trial{{}}}, results.Finished, 0, "1 trial ran, 0 count"},
	} {
		t.Run(name, func(t *testing.T) {
			got := c.run.Tally()
			missing := 0
			for _, m := range got.Missing {
				missing += len(m.Trials)
			}
			if got.State != c.state || missing != c.missing || got.String() != c.text {
				t.Errorf("%s, %d missing: %s\nwant %s, %d missing: %s", got.State, missing, got, c.state, c.missing, c.text)
			}
			if got.Planned > 0 && missing != got.Planned-(got.Ran-got.Repeats) {
				t.Errorf("%d planned, %d ran, %d repeats, %d missing do not add up", got.Planned, got.Ran, got.Repeats, missing)
			}
		})
	}
}

// What reads a line for each trial sees those that are not there.
func TestExportsNameWhatDidNotRun(t *testing.T) {
	run := planned(func(r *results.Run) {
		cut(12)(r)
		r.Trials = slices.DeleteFunc(r.Trials, func(t results.Trial) bool {
			return t.Target == "sync" && t.Scenario == "wait" || t.Target == "eventloop" && t.Scenario == "hello" && t.Trial == 2
		})
	})
	var b bytes.Buffer
	if err := results.WriteCSV(&b, run); err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(&b).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var absent []string
	for _, row := range rows {
		if slices.Contains(row, "not-run") {
			absent = append(absent, strings.Trim(strings.Join(row, " "), " "))
		}
	}
	for i := range absent {
		absent[i] = strings.Join(strings.Fields(absent[i]), " ")
	}
	if d := cmp.Diff([]string{"hello eventloop 2 false not-run", "wait sync 1 false not-run", "wait sync 2 false not-run", "wait sync 3 false not-run"}, absent); d != "" || len(rows) != 1+12 {
		t.Errorf("%d rows\n%s", len(rows), d)
	}
	b.Reset()
	if err := results.WriteBenchmark(&b, run); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"# trials: 12 trials planned, 8 ran, 8 count\n", "# BenchmarkDyno/scenario=wait/target=sync-1: 3 of 3 planned trials did not run\n"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
	b.Reset()
	if err := results.WriteTrialLog(&b, run, ""); err != nil {
		t.Fatal(err)
	}
	if want := "#[wait/sync: 3 of 3 planned trials did not run]\n"; !strings.Contains(b.String(), want) {
		t.Errorf("no %q in the log", want)
	}
}

// A plan that no machine could carry out is refused, not counted up.
func TestReadRefusesAPlanWithoutBounds(t *testing.T) {
	for _, plan := range []string{`{"trials":-1}`, `{"trials":2000000000,"scenarios":[{"name":"a"}],"targets":[{"name":"b"}]}`} {
		path := filepath.Join(t.TempDir(), "run.json")
		if err := os.WriteFile(path, []byte(`{"schema":"dyno.run/1","plan":`+plan+`}`), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := results.Read(path); err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "not a run of dyno") {
			t.Errorf("%s: %v", plan, err)
		}
	}
}

// Figures that nothing can have are refused by their names.
func TestReadRefusesImpossibleFigures(t *testing.T) {
	for name, trial := range map[string]string{
		"requests":                  `"requests":-5`,
		"throughput_rps":            `"throughput_rps":-0.5`,
		"latency_us.p99":            `"latency_us":{"p99":-1}`,
		"server.cpu_us_per_request": `"server":{"cpu_us_per_request":-2}`,
		"errors.timeout":            `"errors":{"timeout":-1}`,
		"occupancy.queue[0]":        `"occupancy":{"queue":[-2]}`,
		"classes[0].requests":       `"classes":[{"requests":-1}]`,
		"host.steal_pct":            `"host":{"steal_pct":1e17}`,
		"":                          `"occupancy":{"queue":[-1]},"warnings":[{"measure":{"value":-1}}]`,
	} {
		path := filepath.Join(t.TempDir(), "run.json")
		if err := os.WriteFile(path, []byte(`{"schema":"dyno.run/1","trials":[{`+trial+`}]}`), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := results.Read(path)
		if name == "" && err != nil || name != "" && (err == nil || !strings.Contains(err.Error(), "not a run of dyno: trials[0]."+name+": ")) {
			t.Errorf("%s: %v", trial, err)
		}
	}
}

// A p99 over fast and slow requests together is what no verdict is about.
func TestExportsTellClassesApart(t *testing.T) {
	run := resultstest.Run(resultstest.Options{Scenarios: []string{"mixed"}, Targets: []string{"goroutine"}, Trials: 1})
	trial := &run.Trials[0]
	trial.LatencyUS.P99 = 123456.5
	fast, slow, all := trial.Classes[0].LatencyUS, trial.Classes[1].LatencyUS, trial.LatencyUS
	if fast.P99 == 0 || fast.P99 == all.P99 || slow.P50 == 0 {
		t.Fatalf("the fixture cannot tell: %+v", trial.Classes)
	}
	text := func(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }
	for name, c := range map[string]struct {
		write func(io.Writer, *results.Run) error
		want  []string
	}{
		"csv":       {results.WriteCSV, []string{",fast,", text(fast.P50), text(fast.P99)}},
		"benchmark": {results.WriteBenchmark, []string{"/class=fast-1 ", text(fast.P99) + " p99-us", "/class=slow-1 ", text(slow.P50) + " p50-us"}},
	} {
		var b bytes.Buffer
		if err := c.write(&b, run); err != nil {
			t.Fatal(err)
		}
		for _, want := range c.want {
			if !strings.Contains(b.String(), want) {
				t.Errorf("%s: no %q in\n%s", name, want, b.String())
			}
		}
		if strings.Contains(b.String(), text(all.P99)) {
			t.Errorf("%s: holds the p99 of all classes together:\n%s", name, b.String())
		}
	}
}
