package cli

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dynobench/dyno/results"
	"github.com/dynobench/dyno/results/compare"
	"github.com/dynobench/dyno/results/resultstest"
)

// TestCompareExits runs the verb on stored runs: 1 for worse, 2 for a wrong
// option, 3 where the runs do not tell.
func TestCompareExits(t *testing.T) {
	dir := t.TempDir()
	store := func(name string, change func(*results.Run)) string {
		run := resultstest.Run(resultstest.Options{NoInvalid: true, Scenarios: []string{"hello"}, Targets: []string{"sync", "pool"}})
		run.ID = name
		change(run)
		b, err := json.Marshal(run)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, name+".json")
		if err := os.WriteFile(path, b, 0o666); err != nil {
			t.Fatal(err)
		}
		return path
	}
	trials := func(change func(*results.Trial)) func(*results.Run) {
		return func(r *results.Run) {
			for i := range r.Trials {
				change(&r.Trials[i])
			}
		}
	}
	old := store("old", func(*results.Run) {})
	same := store("same", func(*results.Run) {})
	slow := store("slow", trials(func(t *results.Trial) { t.Server.CPUUSPerRequest *= 3 }))
	fat := store("fat", trials(func(t *results.Trial) { t.Server.RSSPeakBytes *= 20 }))
	wrong := store("wrong", trials(func(t *results.Trial) { t.Errors.Status = 50 }))
	gone := store("gone", func(r *results.Run) {
		for i := range r.Trials {
			if r.Trials[i].Target == "pool" {
				r.Trials[i].Target = "renamed"
			}
		}
	})
	empty := store("empty", func(r *results.Run) { r.Trials = nil })
	for _, c := range []struct {
		args string
		code int
		says string // on either stream
	}{
		{old + " " + same, 0, "The floor is 2.0 %"},
		{old + " " + slow, 1, "WORSE hello, sync: CPU per request +200 %"},
		{old + " " + slow + " --floor 500%", 0, "The floor is 500 %"},
		{old + " " + slow + " --floor 5", 2, "5 is 500% of the whole: write 5%"},
		{old + " " + slow + " --floor 5%", 1, "above the floor of 5.0 %"},
		{old + " " + same + " --floor 0", 0, "The floor is 0.0 %"},
		{old + " " + same + " --floor -1", 2, "no share"},
		{old + " " + same + " --confidence 0", 2, "must be positive"},
		{old + " " + same + " --confidence 0.3", 2, "between 0.5 and 1"},
		{old + " " + same + " --confidence 99", 2, "write 99%"},
		{old + " " + same + " --confidence 95%", 0, "The confidence is 95 %"},
		{old + " " + fat, 0, "(RSS memory)"},
		{old + " " + fat + " --metrics memory", 1, "WORSE hello, sync: RSS memory"},
		{old + " " + same + " --metrics rss", 2, `unknown metric "rss"`},
		{old + " " + wrong, 1, "150 of "},
		{old + " " + old, 3, "both sides are run old"},
		{old + " " + gone, 3, "pool: measured in the old run only"},
		{old + " " + gone + " --allow-missing", 0, "2 missing"},
		{old + " " + empty, 3, "nothing could be compared"},
		{old + " " + empty + " --allow-missing", 3, "nothing could be compared"},
	} {
		var out, errs strings.Builder
		code := run(context.Background(), nil, strings.Fields("compare --out "+dir+" "+c.args), &out, &errs)
		said := strings.Join(strings.Fields(out.String()+errs.String()), " ")
		if code != c.code || !strings.Contains(said, c.says) {
			t.Errorf("dyno compare %s: exit code %d, want %d and %q in\n%s%s", c.args, code, c.code, c.says, out.String(), errs.String())
		}
	}
	var out, errs strings.Builder
	run(context.Background(), nil, []string{"compare", "--json", "--floor", "0", old, gone}, &out, &errs)
	var r compare.Result
	if err := json.Unmarshal([]byte(out.String()), &r); err != nil || r.Floor != 0 || r.Conclusion != compare.Inconclusive || len(r.Reasons) == 0 {
		t.Errorf("%v: %+v", err, r)
	}
}
