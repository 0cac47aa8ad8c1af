package report

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/dynobench/dyno/results"
	"github.com/dynobench/dyno/results/resultstest"
)

// readings makes an Occupancy of n readings of which the first full have all
// slots busy.
func readings(n, full int, slots, backlog int64) *results.Occupancy {
	o := &results.Occupancy{PeriodS: 0.1, Slots: slots}
	for i := range n {
		busy := slots
		if i >= full {
			busy--
		}
		o.TS = append(o.TS, float64(i)/10)
		o.Busy, o.Queue, o.Backlog = append(o.Busy, busy), append(o.Queue, 1), append(o.Backlog, backlog)
	}
	return o
}

func TestFull(t *testing.T) {
	kernel := &results.Occupancy{TS: make([]float64, 10), Backlog: slices.Repeat([]int64{7}, 10)}
	for name, tt := range map[string]struct {
		of   []*results.Occupancy
		want string
	}{
		"full":             {[]*results.Occupancy{readings(10, 10, 8, 0), readings(10, 9, 8, 0)}, "all 8 slots of x were busy 95 % of the time, 1 connection waited (median)"},
		"the only slot":    {[]*results.Occupancy{readings(10, 10, 1, 3)}, "the only slot of x was busy 100 % of the time, 4 connections waited (median)"},
		"seldom full":      {[]*results.Occupancy{readings(10, 1, 8, 2)}, "x, 3 connections waited (median)"},
		"the kernel alone": {[]*results.Occupancy{kernel}, "x, 7 connections waited (median)"},
		"too few":          {[]*results.Occupancy{readings(3, 3, 8, 9)}, ""},
		"nothing known":    {[]*results.Occupancy{nil}, ""},
	} {
		r := Row{Target: results.PlanTarget{Name: "x"}}
		for _, o := range tt.of {
			r.Valid = append(r.Valid, &results.Trial{Occupancy: o})
		}
		if got := r.full(); got != tt.want {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
}

// TestOccupancyAndProfilesAreShown looks for what a trial holds of them in all
// three reports.
func TestOccupancyAndProfilesAreShown(t *testing.T) {
	run := resultstest.Run(resultstest.Options{NoInvalid: true, Trials: 2, Scenarios: []string{"hello"}, Targets: []string{"eventloop", "sync"}})
	run.Plan.Profile = "cpu"
	for i := range run.Trials {
		run.Trials[i].Occupancy = readings(10, 10, 1, 3)
	}
	run.Trials[0].Profiles = []string{"profiles/001.pprof", "profiles/002.pprof"}
	var terminal, markdown, page bytes.Buffer
	if err := Terminal(&terminal, run, 200); err != nil {
		t.Fatal(err)
	}
	if err := Markdown(&markdown, run); err != nil {
		t.Fatal(err)
	}
	if err := HTML(&page, run); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]struct {
		in   *bytes.Buffer
		text []string
	}{
		"terminal": {&terminal, []string{"the only slot of sync was", "2 cpu profiles in the folder profiles"}},
		"Markdown": {&markdown, []string{"the only slot of sync was", "(plots/hello-occupancy.svg)", "worker 2](<profiles/002.pprof>)"}},
		"page":     {&page, []string{"the only slot of sync was", "slots busy and queue over time", `<a href="profiles/001.pprof">`}},
	} {
		for _, text := range want.text {
			if !strings.Contains(want.in.String(), text) {
				t.Errorf("%s lacks %q", name, text)
			}
		}
	}
}
