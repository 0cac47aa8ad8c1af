package bench

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/dynobench/dyno/bench/load/plan"
	"github.com/dynobench/dyno/bench/measure"
	"github.com/dynobench/dyno/bench/meter"
	"github.com/dynobench/dyno/results"
)

// TestCeiling holds the gates that use a calibration against whom it may and
// whom it must not call the limit.
func TestCeiling(t *testing.T) {
	generatorBound := &results.Calibration{CeilingRPS: 100_000, GeneratorBusy: 0.98, ServerBusy: 0.9}
	nullBound := &results.Calibration{CeilingRPS: 100_000, GeneratorBusy: 0.6, ServerBusy: 0.99}
	busy := results.Warning{Code: results.CodeGeneratorBound, Message: "busy", Invalid: true}
	for name, test := range map[string]struct {
		calibration *results.Calibration
		rate        float64
		used        float64 // share of the server's CPU
		steal       float64 // per cent of it
		change      func(*results.Trial)
		want        string // code of the warning that makes it a lower bound
	}{
		"far below":                         {generatorBound, 84_000, 0.8, 0, nil, ""},
		"at the ceiling, time to spare":     {generatorBound, 86_000, 0.8, 0, nil, results.CodeNullCeiling},
		"above it":                          {generatorBound, 130_000, 0.9, 0, nil, results.CodeNullCeiling},
		"at the ceiling, saturated":         {generatorBound, 99_000, 0.96, 0, nil, ""},
		"saturated for what steal left":     {generatorBound, 99_000, 0.92, 4, nil, ""},
		"no calibration":                    {nil, 99_000, 0.8, 0, nil, ""},
		"null was the limit":                {nullBound, 99_000, 0.9, 0, nil, ""},
		"null was the limit, and far above": {nullBound, 150_000, 0.9, 0, nil, results.CodeNullCeiling},
		"another generator":                 {generatorBound, 99_000, 0.8, 0, func(t *results.Trial) { t.Generator = "vegeta" }, ""},
		"pipelined":                         {generatorBound, 99_000, 0.8, 0, func(t *results.Trial) { t.Pipeline = 16 }, ""},
		"an open loop":                      {generatorBound, 99_000, 0.8, 0, func(t *results.Trial) { t.Model = string(plan.Open) }, ""},
		"generator-bound and saturated":     {generatorBound, 99_000, 0.97, 0, func(t *results.Trial) { t.Warn(busy) }, results.CodeGeneratorBound},
		"generator-bound":                   {generatorBound, 70_000, 0.8, 0, func(t *results.Trial) { t.Warn(busy) }, results.CodeGeneratorBound},
	} {
		p := &Plan{Options: Options{Calibration: test.calibration}, cpus: measure.CPUs{Server: []int{0}, Generator: []int{1}}}
		trial := &results.Trial{Load: results.Load{Valid: true, Generator: "native", Model: string(plan.Closed), ThroughputRPS: test.rate}}
		if test.change != nil {
			test.change(trial)
		}
		p.gate(trial, measure.Reading{
			Used:     meter.Usage{Wall: time.Second, CPU: time.Duration(test.used * 1e9)},
			OnServer: meter.HostUsage{StealPct: test.steal},
		})
		var codes []string
		for _, w := range trial.Warnings {
			if w.Code != results.CodeNear {
				codes = append(codes, w.Code)
			}
		}
		if got := strings.Join(codes, " "); got != test.want || !trial.Valid || trial.AtLeast != (test.want != "") {
			t.Errorf("%s: a lower bound (%v) for %q, want %q; %+v", name, trial.AtLeast, got, test.want, trial.Warnings)
		}
		if Failed(trial) {
			t.Errorf("%s: a limit of the pair counts as a failure", name)
		}
	}
}

func TestPacing(t *testing.T) {
	c := &results.Calibration{Pacing: []results.Pacing{
		{RateRPS: 1000, LagUS: results.Quantiles{P99: 40}}, {RateRPS: 10_000, LagUS: results.Quantiles{P99: 100}},
	}}
	for name, test := range map[string]struct {
		rate, lag float64
		already   bool
		want      bool
	}{
		"as calibrated":          {rate: 1000, lag: 60},
		"five times, but little": {rate: 500, lag: 139},
		"far beyond":             {rate: 500, lag: 250, want: true},
		"as at the next rate":    {rate: 2000, lag: 450},
		"far beyond that":        {rate: 2000, lag: 550, want: true},
		"above all rates":        {rate: 90_000, lag: 550, want: true},
		"said already":           {rate: 1000, lag: 5000, already: true},
		"closed":                 {lag: 5000},
	} {
		p := &Plan{Options: Options{Calibration: c}, cpus: measure.CPUs{Server: []int{0}, Generator: []int{1}}}
		trial := &results.Trial{Load: results.Load{
			Valid: true, Generator: "native", Model: string(plan.Open), RateRPS: test.rate, GeneratorLagUS: results.Quantiles{P99: test.lag},
		}}
		if test.rate == 0 {
			trial.Model = string(plan.Closed)
		}
		if test.already {
			trial.Warn(results.Warning{Code: results.CodeSendLag})
		}
		p.gate(trial, measure.Reading{Used: meter.Usage{Wall: time.Second}})
		if got := hasCode(&trial.Load, results.CodePacing); got != test.want || !trial.Valid {
			t.Errorf("%s: noted %v, valid %v; want %v and valid", name, got, trial.Valid, test.want)
		}
	}
}

func TestCheckCalibration(t *testing.T) {
	now := time.Date(2026, 1, 8, 12, 0, 0, 0, time.UTC)
	env := results.Environment{CPUModel: "a", Kernel: "6.1", ServerCPUs: []int{0}, GeneratorCPUs: []int{1}}
	build := results.Build{Version: "v1", Commit: "abc"}
	for name, test := range map[string]struct {
		change func(*results.Doctor)
		says   string
	}{
		"this host":         {func(*results.Doctor) {}, ""},
		"another CPU":       {func(d *results.Doctor) { d.Environment.CPUModel = "b" }, "another CPU, b"},
		"another kernel":    {func(d *results.Doctor) { d.Environment.Kernel = "5.10" }, "5.10"},
		"other CPUs":        {func(d *results.Doctor) { d.Environment.ServerCPUs = []int{2} }, "[2] and [1]"},
		"another generator": {func(d *results.Doctor) { d.Dyno.Commit = "def" }, "another dyno"},
		"stale":             {func(d *results.Doctor) { d.Created = now.AddDate(0, 0, -8) }, "8 days"},
		"not fit":           {func(d *results.Doctor) { d.Verdict = results.NotFit }, "not fit"},
		"not calibrated":    {func(d *results.Doctor) { d.Calibration = nil }, "no ceiling"},
	} {
		d := &results.Doctor{Created: now.AddDate(0, 0, -6), Dyno: build, Environment: env, Verdict: results.Fit, Calibration: &results.Calibration{}}
		test.change(d)
		err := CheckCalibration(d, env, build, now)
		if (err == nil) != (test.says == "") || err != nil && !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: %v, want %q", name, err, test.says)
		}
	}
}

// Of a target whose rate strays about the bound of null-ceiling, and one that is a
// fifth slower: what each way of dealing with the trials beyond the bound makes of
// the difference. The generator hardly is a limit there, so that what it was seen
// to be is what it is.
func TestLowerBoundsDoNotShrinkDifferences(t *testing.T) {
	const limit, runs, rounds, slower = 100_000.0, 4000, 5, 0.8
	p := &Plan{Options: Options{Calibration: &results.Calibration{CeilingRPS: limit, GeneratorBusy: 0.99, ServerBusy: 0.5}}}
	rng := rand.New(rand.NewPCG(3, 7))
	var counted, left, dropped []float64
	for range runs {
		var fast, slow, fastLeft, slowLeft, fastRounds, slowRounds []float64
		for range rounds {
			round := 1 + 0.02*rng.NormFloat64()
			a, b := 0.85*limit*round*(1+0.04*rng.NormFloat64()), slower*0.85*limit*round*(1+0.04*rng.NormFloat64())
			near := func(rate float64) bool {
				trial := &results.Trial{Load: results.Load{Valid: true, Generator: "native", Model: string(plan.Closed), ThroughputRPS: rate}}
				p.gateCeiling(trial, 0.8)
				return trial.AtLeast
			}
			fast, slow = append(fast, a), append(slow, b)
			if !near(a) {
				fastLeft = append(fastLeft, a)
			}
			if !near(b) {
				slowLeft = append(slowLeft, b)
			}
			if !near(a) && !near(b) {
				fastRounds, slowRounds = append(fastRounds, a), append(slowRounds, b)
			}
		}
		counted = append(counted, mean(fast)/mean(slow))
		if len(fastLeft) > 0 && len(slowLeft) > 0 {
			left = append(left, mean(fastLeft)/mean(slowLeft))
		}
		if len(fastRounds) > 0 {
			dropped = append(dropped, mean(fastRounds)/mean(slowRounds))
		}
	}
	truth := 1 / slower
	t.Logf("counted %.3f, without the fast trials %.3f, without their rounds %.3f", mean(counted)/truth, mean(left)/truth, mean(dropped)/truth)
	if got := mean(counted) / truth; math.Abs(got-1) > 0.005 {
		t.Errorf("counted as lower bounds: %.3f of the difference", got)
	}
	if got := mean(left) / truth; got > 0.98 {
		t.Errorf("without the fast trials: %.3f of the difference; then they could be left out", got)
	}
	if got := mean(dropped) / truth; got > 0.985 {
		t.Errorf("without their rounds: %.3f of the difference; then these could be left out", got)
	}
}

func mean(x []float64) float64 {
	sum := 0.0
	for _, v := range x {
		sum += v
	}
	return sum / float64(len(x))
}
