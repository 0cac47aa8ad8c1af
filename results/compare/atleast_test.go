package compare_test

import (
	"testing"

	"github.com/dynobench/dyno/results"
	"github.com/dynobench/dyno/results/compare"
)

// A throughput that is a lower bound is not shown to be less than another one;
// that it is more is shown.
func TestLowerBounds(t *testing.T) {
	o := compare.Defaults()
	o.Metrics = []string{"throughput"}
	change := func(factor float64, atLeast bool) func(*results.Trial) {
		return only("sync", func(t *results.Trial) { t.ThroughputRPS *= factor; t.AtLeast = atLeast })
	}
	for name, test := range map[string]struct {
		old, new *results.Run
		want     compare.Verdict
	}{
		"slower":                     {short(1, nil), short(2, change(0.2, false)), compare.Worse},
		"slower, at least":           {short(1, nil), short(2, change(0.2, true)), compare.CannotTell},
		"faster, at least":           {short(1, nil), short(2, change(5, true)), compare.Better},
		"faster than a lower bound":  {short(1, change(1, true)), short(2, change(5, false)), compare.CannotTell},
		"slower than even the bound": {short(1, change(1, true)), short(2, change(0.2, false)), compare.Worse},
	} {
		got := find(t, must(t, test.old, test.new, o), "hello", "sync", results.Throughput)
		if got.Verdict != test.want || (test.want == compare.CannotTell) != (got.Reason != "") {
			t.Errorf("%s: %s (%s), want %s", name, got.Verdict, got.Reason, test.want)
		}
	}
}
