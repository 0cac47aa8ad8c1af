package report

import (
	"slices"
	"strings"
	"testing"

	"github.com/dynobench/dyno/results"
	"github.com/dynobench/dyno/results/resultstest"
)

// A target whose throughput is a lower bound is marked, and not shown to be behind.
func TestLowerBounds(t *testing.T) {
	build := func(bounded string) (*Scenario, string) {
		run := resultstest.Run(resultstest.Options{NoInvalid: true, Scenarios: []string{"hello"}})
		for i := range run.Trials {
			if run.Trials[i].Target == bounded {
				run.Trials[i].AtLeast = true
			}
		}
		s := &Build(run).Scenarios[0]
		return s, s.Verdicts[0].Text
	}
	plain, text := build("")
	last := plain.Rows[len(plain.Rows)-1].name()
	for i := len(plain.Rows) - 1; slices.Contains(plain.Verdicts[0].Unranked, last) || last == nullTarget; i-- {
		last = plain.Rows[i].name()
	}
	if slices.Contains(plain.Verdicts[0].Leads, last) || strings.Contains(text, "lower bound") {
		t.Fatalf("%s is not behind: %s", last, text)
	}
	s, text := build(last)
	if v := s.Verdicts[0]; v.Metric != results.Throughput || slices.Contains(v.Leads, last) || !slices.Contains(v.Unranked, last) || !strings.Contains(text, "The throughput of "+last+" is a lower bound") {
		t.Errorf("%s, a lower bound, is behind: %s", last, text)
	}
	for i := range s.Rows {
		if got := strings.HasPrefix(colRate.cell(&s.Rows[i]), "≥"); got != (s.Rows[i].name() == last) {
			t.Errorf("%s: %s", s.Rows[i].name(), colRate.cell(&s.Rows[i]))
		}
	}
}
