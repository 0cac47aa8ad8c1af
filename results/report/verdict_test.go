package report

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/dynobench/dyno/results"
	"github.com/dynobench/dyno/results/resultstest"
	"github.com/dynobench/dyno/results/stats"
)

func TestFewTrialsNameNoWinner(t *testing.T) {
	for trials := 1; trials <= 2; trials++ {
		r := Build(resultstest.Run(resultstest.Options{Trials: trials, NoInvalid: true, Scenarios: []string{"hello", "mixed"}, Targets: []string{"sync", "pool"}}))
		for _, s := range r.Scenarios {
			if len(s.Verdicts) != 1 || len(s.Verdicts[0].Leads) != 0 || !strings.HasPrefix(s.Verdicts[0].Text, "No ranking by ") {
				t.Errorf("%d trials: %+v", trials, s.Verdicts)
			}
		}
	}
	run := resultstest.Run(resultstest.Options{NoInvalid: true, Scenarios: []string{"hello"}, Targets: []string{"sync"}})
	if v := Build(run).Scenarios[0].Verdicts[0]; !strings.Contains(v.Text, "Only sync can be judged by throughput") {
		t.Errorf("alone: %s", v.Text)
	}
}

func TestVerdictsNameWhoWinsAndByHowMuch(t *testing.T) {
	run := resultstest.Run(resultstest.Options{NoInvalid: true, Trials: 5, Noise: 0.005, Scenarios: []string{"hello"}, Targets: []string{"eventloop", "goroutine", "fasthttp", "null"}})
	s := Build(run).Scenarios[0]
	for i, want := range []string{
		`^eventloop has the highest throughput: 11\d,000 requests/s; next is goroutine, 1[123] % lower than eventloop \(95 % confidence interval 1\d–1\d %\); the nearest yardstick is fasthttp, 1[678] % lower than eventloop \(95 % confidence interval 1\d–1\d %\)\.$`,
		`^eventloop has the lowest CPU time per request: 8\.\d\d µs; next is goroutine, 1[345] % higher than eventloop \(95 % confidence interval 1\d–1\d %\); the nearest yardstick is fasthttp, 2[0123] % higher than eventloop \(95 % confidence interval [12]\d–2\d %\)\.$`,
	} {
		if v := s.Verdicts[i]; !regexp.MustCompile(want).MatchString(v.Text) || !slices.Equal(v.Leads, []string{"eventloop"}) {
			t.Errorf("%v: %s", v.Leads, v.Text)
		}
	}
}

// TestNoiseHasNoWinner builds reports of ten servers that are one and the
// same: a sole winner must not appear in more than one of twenty.
func TestNoiseHasNoWinner(t *testing.T) {
	const rounds = 100
	last := ""
	r := rand.New(rand.NewPCG(3, 3))
	wins := 0
	for range rounds {
		run := &results.Run{Plan: results.Plan{Scenarios: []results.PlanScenario{{Name: "hello", Model: "closed"}}}}
		for i := range 10 {
			for trial := range 3 {
				tr := results.Trial{Scenario: "hello", Target: fmt.Sprint("server", i), Trial: trial}
				tr.Model, tr.Valid = "closed", true
				tr.ThroughputRPS = 1e5 * math.Exp(r.NormFloat64()*0.05)
				tr.Server.CPUUSPerRequest = 10 * math.Exp(r.NormFloat64()*0.05)
				run.Trials = append(run.Trials, tr)
			}
		}
		for _, v := range Build(run).Scenarios[0].Verdicts {
			if len(v.Leads) == 1 {
				wins++
			}
			if len(v.Leads) == 10 {
				last = v.Text
			}
		}
	}
	if !strings.HasPrefix(last, "No ranking by ") || !strings.Contains(last, ": all 10 are tied, at ") {
		t.Errorf("ten equal servers: %q", last)
	}
	if lo, _ := stats.ClopperPearson(wins, 2*rounds, 0.99); lo > 0.05 {
		t.Errorf("noise won %d times in %d", wins, 2*rounds)
	}
}

// drifting returns a run of trials whose level is that of their round, with
// the figures of each target around its own.
func drifting(levels []float64, rates map[string]float64) *results.Run {
	run := &results.Run{Plan: results.Plan{Scenarios: []results.PlanScenario{{Name: "hello", Model: "closed"}}}}
	r := rand.New(rand.NewPCG(1, 1))
	for i, level := range levels {
		for _, name := range slices.Sorted(maps.Keys(rates)) {
			tr := results.Trial{Scenario: "hello", Target: name, Trial: i + 1}
			tr.Model, tr.Valid = "closed", true
			tr.ThroughputRPS = rates[name] * level * math.Exp(r.NormFloat64()*0.02)
			tr.Server.CPUUSPerRequest = 1e6 / tr.ThroughputRPS
			run.Trials = append(run.Trials, tr)
		}
	}
	return run
}

func TestADriftingHostHidesNothing(t *testing.T) {
	s := Build(drifting([]float64{1, 0.5, 0.8}, map[string]float64{"a": 100e3, "b": 100e3, "c": 80e3, "d": 20e3})).Scenarios[0]
	for _, v := range s.Verdicts {
		if !slices.Equal(v.Leads, []string{"a", "b"}) || !strings.Contains(v.Text, "(this run can detect differences of ") || !strings.Contains(v.Text, "; next is c, 2") {
			t.Errorf("%v: %s", v.Leads, v.Text)
		}
	}
	if notes := strings.Join(s.footnotes(), " "); !strings.Contains(notes, "The host drifted: one round of trials was ") {
		t.Errorf("no drift in %q", notes)
	}
	calm := Build(drifting([]float64{1, 1, 1}, map[string]float64{"a": 100e3, "b": 100e3, "c": 80e3, "d": 20e3})).Scenarios[0]
	if notes := calm.footnotes(); len(notes) > 0 {
		t.Errorf("a calm host: %q", notes)
	}
}

// TestRoundsAreMatchedByTheTrialsNumber leaves gaps: a target that has three
// trials, but none in the rounds of the others, cannot be ranked.
func TestRoundsAreMatchedByTheTrialsNumber(t *testing.T) {
	run := drifting([]float64{1, 0.5, 0.8, 1.1, 0.6, 0.9}, map[string]float64{"a": 100e3, "b": 80e3, "c": 60e3})
	run.Trials = slices.DeleteFunc(run.Trials, func(tr results.Trial) bool { return (tr.Target == "c") == (tr.Trial <= 3) })
	slices.Reverse(run.Trials)
	v := Build(run).Scenarios[0].Verdicts[0]
	if !slices.Equal(v.Leads, []string{"a"}) || !strings.HasSuffix(v.Text, "Not ranked, fewer than 3 valid trials in the same rounds as the others: c.") {
		t.Errorf("%v: %s", v.Leads, v.Text)
	}
}

// TestTheVerdictsDocument holds the document to the sentences, with a target that
// is too erratic to rank.
func TestTheVerdictsDocument(t *testing.T) {
	run := drifting([]float64{1, 0.5, 0.8, 1.1, 0.9}, map[string]float64{"a": 100e3, "b": 100e3, "c": 50e3, "d": 20e3, "wild": 90e3})
	factors := []float64{1, 3, 0.4, 0.3, 2}
	for i := range run.Trials {
		if tr := &run.Trials[i]; tr.Target == "wild" {
			tr.ThroughputRPS *= factors[tr.Trial-1]
		}
	}
	j := Judge(run)
	if j.Schema != results.VerdictSchema || j.Confidence != Confidence || len(j.Scenarios) != 1 || len(j.Scenarios[0].Verdicts) != 2 {
		t.Fatalf("%+v", j)
	}
	v := j.Scenarios[0].Verdicts[0]
	if v.Metric != "throughput_rps" || v.Outcome != Tied || !slices.Equal(slices.Sorted(slices.Values(v.Leads)), []string{"a", "b"}) || !slices.Equal(v.Erratic, []string{"wild"}) || v.Rounds != 5 || v.Power != power {
		t.Errorf("%+v", v)
	}
	if !(v.DetectablePct > 1 && v.DetectablePct < 20) || !strings.Contains(v.Text, "Too erratic to rank (rounds differ far more than for the others): wild.") {
		t.Errorf("%v: %s", v.DetectablePct, v.Text)
	}
	for _, s := range v.Targets {
		switch want := map[string]float64{"c": 0.5, "d": 0.2}[s.Target]; {
		case s.Trials != 5 || !(s.Value > 0):
			t.Errorf("%+v", s)
		case want > 0 && (s.Lead || s.Against == "" || !(s.RatioLo < want && want < s.RatioHi) || s.Ratio < s.RatioLo || s.Ratio > s.RatioHi):
			t.Errorf("%+v, is %v in truth", s, want)
		case s.Target == "wild" && s.Lead:
			t.Errorf("%+v leads", s)
		}
	}
	b, err := json.Marshal(Judge(&results.Run{}))
	if err != nil || strings.Contains(string(b), "null") {
		t.Errorf("an empty run: %s, %v", b, err)
	}
	b, err = json.Marshal(j)
	if err != nil || strings.Contains(string(b), "null") {
		t.Errorf("%s, %v", b, err)
	}
}
