package report

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/dynobench/dyno/internal/format"
	"github.com/dynobench/dyno/results"
	"github.com/dynobench/dyno/results/resultstest"
)

// crowded is a run of two trials of two targets with a group of slow senders,
// which one of them drops, and one of idle connections.
func crowded() *results.Run {
	run := resultstest.Run(resultstest.Options{NoInvalid: true, Trials: 2, Scenarios: []string{"hello"}, Targets: []string{"eventloop", "nethttp"}})
	for i := range run.Trials {
		trial := &run.Trials[i]
		slow := results.Group{Name: "slow", Kind: "slow-send", Spec: "slow-send,name=slow_ones,connections=100", Opened: 100, Standing: 100, Requests: 600,
			LatencyUS: results.Quantiles{P50: 1e6 * float64(trial.Trial), P99: 2e6}}
		if trial.Target == "nethttp" {
			slow.Standing, slow.Closed, slow.Refused, slow.Requests, slow.Errors = 0, 90, 10, 0, 90
			slow.LatencyUS, slow.HeldUS = results.Quantiles{}, results.Quantiles{P50: 5e6}
		}
		trial.Groups = []results.Group{slow, {Name: "idle", Kind: "idle", Spec: "idle,connections=2000", Opened: 2000, Standing: 2000}}
	}
	return run
}

// Each group has a table: counts are summed up over the valid trials, times are
// their medians, and what there is nothing of is left out.
func TestGroupTables(t *testing.T) {
	run := crowded()
	s := Build(run).Scenarios[0]
	tables := s.groupTables()
	if len(tables) != 2 || tables[0].Spec != "slow-send,name=slow_ones,connections=100" {
		t.Fatalf("%+v", tables)
	}
	check := func(tables []groupTable, i int, want ...string) {
		t.Helper()
		got := []string{strings.Join(tables[i].Head, ", ")}
		for _, l := range tables[i].Lines {
			got = append(got, strings.Join(l.Cells, ", "))
		}
		slices.Sort(got[1:])
		if !slices.Equal(got, want) {
			t.Errorf("%s\n got %q\nwant %q", tables[i].Spec, got, want)
		}
	}
	check(tables, 0,
		"target, n, opened, refused, closed, after, standing, answered, failed, p50, p99",
		"eventloop, 2, 200, 0, 0, –, 200, 1,200, 0, 1.50 s, 2.00 s",
		"nethttp *, 2, 200, 20, 180, 5.00 s, 0, 0, 180, –, –")
	check(tables, 1, "target, n, opened, standing", "eventloop, 2, 4,000, 4,000", "nethttp *, 2, 4,000, 4,000")
	for i := range s.Rows {
		if tables[0].Lines[i].Row != &s.Rows[i] {
			t.Errorf("line %d is not of the target that it is of in the table above", i)
		}
	}

	run.Trials[slices.IndexFunc(run.Trials, func(t results.Trial) bool { return t.Target == "eventloop" })].Valid = false // is in no figure
	s = Build(run).Scenarios[0]
	check(s.groupTables(), 1, "target, n, opened, standing", "eventloop, 1, 2,000, 2,000", "nethttp *, 2, 4,000, 4,000")
}

// The tables are in every form of the report, and fit the terminal.
func TestGroupsInReports(t *testing.T) {
	r := Build(crowded())
	var markdown, page, wide, narrow bytes.Buffer
	for _, err := range []error{r.WriteMarkdown(&markdown), r.WriteHTML(&page), r.WriteTerminal(&wide, 120), r.WriteTerminal(&narrow, 80)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	basis := "by the server, with the median time before"
	for name, c := range map[string]struct {
		text string
		want []string
	}{
		"Markdown": {markdown.String(), []string{"`slow-send,name=slow_ones,connections=100`", "| eventloop | 2 | 200 | 0 | 0 | – | 200 | 1,200 | 0 | 1.50 s | 2.00 s |", basis}},
		"page":     {page.String(), []string{"<code>slow-send,name=slow_ones,connections=100</code>", "<td>1.50 s</td>", "<code>idle,connections=2000</code>", basis}},
		"wide":     {wide.String(), []string{"beside them slow-send,name=slow_ones,connections=100", "5.00 s", "1.50 s", "2.00 s"}},
		"narrow":   {narrow.String(), []string{"beside them slow-send,name=slow_ones,connections=100", "5.00 s"}},
	} {
		for _, want := range c.want {
			if !strings.Contains(c.text, want) {
				t.Errorf("%s: %q is missing in\n%s", name, want, c.text)
			}
		}
	}
	for line := range strings.Lines(narrow.String()) {
		if format.Width(strings.TrimRight(line, "\n")) > 80 {
			t.Errorf("wider than 80: %s", line)
		}
	}
	if plain := Build(resultstest.Run(resultstest.Options{})); strings.Contains(plain.basis(), "beside the busy ones") {
		t.Errorf("a run without groups tells of them: %s", plain.basis())
	}
}
