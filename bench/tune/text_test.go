package tune

import (
	"strings"
	"testing"

	"github.com/dynobench/dyno/internal/format"
	"github.com/dynobench/dyno/results"
	"github.com/dynobench/dyno/results/compare"
)

// found is a tuning that found GOGC=400 better.
func found() *Result {
	r := newResult(Terms{Engine: "goroutine", Objective: CPU, Rounds: 9, Floor: 0.02})
	r.Scenario = results.PlanScenario{Name: "hello", Summary: "13 bytes of text", Model: "closed", Connections: 64, DurationS: 1.2}
	before := Measured{Name: "goroutine", Value: "100", Trials: 9, Valid: 9, Median: 20, CPUUSPerRequest: 20, ThroughputRPS: 50000, P99US: 1500, RSSPeakBytes: 20 << 20}
	after := Measured{Name: "GOGC=400 goroutine", Value: "400", Trials: 10, Valid: 9, Median: 16, CPUUSPerRequest: 16, ThroughputRPS: 60000, P99US: 1400, RSSPeakBytes: 40 << 20,
		Settings: Candidate{{"GOGC", "400", true}}, Ratio: 0.8, Lo: 0.75, Hi: 0.85, Verdict: compare.Better}
	lost := Measured{Name: "GOGC=800 goroutine", Value: "800", Trials: 9, Valid: 1, Verdict: compare.TooFewTrials, Reason: "1 of its rounds"}
	r.Sweeps = []Sweep{{Knob: "GOGC", Candidates: []Measured{before, after, lost}, Best: 1}}
	r.Confirmation = &Sweep{Candidates: []Measured{before, after}, Best: 1}
	r.Chosen, r.Complete = after.Settings, true
	r.Command = []string{"GOGC=400", "dyno", "serve", "--engine", "goroutine"}
	return r
}

func TestText(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*Result)
		want   []string
	}{
		{"found", func(*Result) {}, []string{
			"goroutine under hello · 13 bytes of text\nclosed loop, 64 connections, 1.2 s per trial; as little CPU per request as possible\n",
			"  100     9/9  20.0 µs                           50,000  1.50 ms ",
			"  400    9/10  16.0 µs   −20 %  −25 % to −15 %   60,000  1.40 ms ",
			"  800     1/9        –                                –        –  too few trials\n",
			"→ GOGC=400 goroutine is better than the defaults: CPU/req −20 %, 95 % interval",
			"→ Its price: 40.0 MiB instead of 20.0.", "→ GOGC=800 cannot be judged: too few valid trials.",
			"\n  GOGC=400 dyno serve --engine goroutine\n",
		}},
		{"not confirmed", func(r *Result) { r.Chosen, r.Confirmation.Best = nil, 0 }, []string{"does not agree (CPU/req −20 %", "the defaults stay."}},
		{"none", func(r *Result) { r.Chosen, r.Confirmation = nil, nil }, []string{
			"none that could be compared is better by more than 25 %: the defaults stay.", "That is a wide margin: use a quieter host"}},
		{"by throughput", func(r *Result) {
			r.Objective, r.Chosen, r.Confirmation = Throughput, nil, nil
			r.Sweeps[0].Candidates[1].Hi = 1.04
		}, []string{"req/s", "better by more than 4.0 %: the defaults stay."}},
		{"cut off", func(r *Result) { r.Chosen, r.Confirmation, r.Complete = nil, nil, false }, []string{"The tuning was interrupted: nothing is chosen."}},
		{"nothing counts", func(r *Result) {
			r.Chosen, r.Confirmation = nil, nil
			r.Sweeps[0].Candidates[1].Verdict = compare.TooFewTrials
		}, []string{"No setting could be judged", "GOGC=400, 800 cannot be judged"}},
	} {
		r := found()
		c.change(r)
		var b strings.Builder
		if err := r.WriteText(&b, 80); err != nil {
			t.Fatal(err)
		}
		flat := strings.Join(strings.Fields(b.String()), " ")
		for _, want := range c.want {
			if !strings.Contains(b.String(), want) && !strings.Contains(flat, strings.Join(strings.Fields(want), " ")) {
				t.Errorf("%s: no %q in\n%s", c.name, want, b.String())
			}
		}
		for line := range strings.Lines(b.String()) {
			if w := format.Width(strings.TrimRight(line, "\n")); w > 80 {
				t.Errorf("%s: %d columns: %s", c.name, w, line)
			}
		}
	}
}
