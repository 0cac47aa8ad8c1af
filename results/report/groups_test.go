package report

import (
	"slices"
	"strings"
	"testing"

	"github.com/dynobench/dyno/results"
	"github.com/dynobench/dyno/results/resultstest"
)

func TestGroupNotes(t *testing.T) {
	run := resultstest.Run(resultstest.Options{NoInvalid: true, Trials: 2, Scenarios: []string{"hello"}, Targets: []string{"eventloop", "sync"}})
	for i := range run.Trials {
		trial := &run.Trials[i]
		g := results.Group{Name: "slow", Kind: "slow-send", Spec: "slow-send:100,every=1s", Opened: 100, Standing: 100, Requests: 600}
		if trial.Target == "sync" {
			g.Standing, g.Closed, g.Refused, g.Requests, g.Errors = 0, 90, 10, 0, 90
		}
		trial.Groups = []results.Group{g}
	}
	run.Trials[0].Valid = false // is in no figure
	s := Build(run).Scenarios[0]
	valid := map[string]string{"eventloop": "200 opened, 200 standing at the end, 1,200 answered", "sync": "200 opened, 180 requests failed, 180 closed by the server, 20 refused"}
	valid[run.Trials[0].Target] = map[string]string{"eventloop": "100 opened, 100 standing at the end, 600 answered", "sync": "100 opened, 90 requests failed, 90 closed by the server, 10 refused"}[run.Trials[0].Target]
	notes := s.footnotes()
	at := slices.IndexFunc(notes, func(n string) bool { return strings.HasPrefix(n, "Beside the busy connections") })
	if at < 0 {
		t.Fatalf("no word of the group in %q", notes)
	}
	for target, want := range valid {
		if !strings.Contains(notes[at], "slow-send:100,every=1s: ") || !strings.Contains(notes[at], target+" "+want) {
			t.Errorf("%s: %q, want %q", target, notes[at], want)
		}
	}
	if strings.Index(notes[at], s.Rows[0].Target.Name) > strings.Index(notes[at], s.Rows[1].Target.Name) {
		t.Errorf("the targets must stand as in the table: %s", notes[at])
	}
}
