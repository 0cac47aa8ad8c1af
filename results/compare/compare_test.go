package compare_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dynobench/dyno/internal/format"
	"github.com/dynobench/dyno/results"
	"github.com/dynobench/dyno/results/compare"
	"github.com/dynobench/dyno/results/resultstest"
	"github.com/dynobench/dyno/results/stats"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func must(t *testing.T, old, new *results.Run, o compare.Options) *compare.Result {
	t.Helper()
	r, err := compare.Compare(old, new, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func find(t *testing.T, r *compare.Result, scenario, target, metric string) compare.Comparison {
	t.Helper()
	for _, c := range r.Comparisons {
		if c.Scenario == scenario && c.Target == target && c.Metric == metric {
			return c
		}
	}
	t.Fatalf("no comparison of %s %s %s", scenario, target, metric)
	return compare.Comparison{}
}

func hasWarning(r *compare.Result, code, part string) bool {
	for _, w := range r.Warnings {
		if w.Code == code && strings.Contains(w.Message, part) {
			return true
		}
	}
	return false
}

func TestPlantedSlowdownIsFound(t *testing.T) {
	old := resultstest.Run(resultstest.Options{Seed: 1, NoInvalid: true})
	new := resultstest.Run(resultstest.Options{Seed: 2, NoInvalid: true, Slower: map[string]float64{"eventloop": 1.5, "nethttp": 1 / 1.5}})
	r := must(t, old, new, compare.Options{})
	if c := find(t, r, "hello", "eventloop", compare.CPU); c.Verdict != compare.Worse || c.Ratio < 1.4 || c.Ratio > 1.6 || c.RatioLo > 1.5 || c.RatioHi < 1.5 {
		t.Errorf("half as much again: %+v", c)
	}
	if c := find(t, r, "hello", "nethttp", compare.CPU); c.Verdict != compare.Better {
		t.Errorf("a third less: %+v", c)
	}
	if c := find(t, r, "mixed", "goroutine", compare.P99); c.Class != "fast" {
		t.Errorf("the latency of mixed is that of its fast class: %+v", c)
	}
	for _, c := range r.Regressions() {
		if c.Target != "eventloop" {
			t.Errorf("false alarm: %+v", c)
		}
	}
	if len(r.Regressions()) != r.Counts[compare.Worse] || len(r.Regressions()) == 0 {
		t.Errorf("%d regressions, counted %v", len(r.Regressions()), r.Counts)
	}
}

func TestEveryVerdict(t *testing.T) {
	old := resultstest.Run(resultstest.Options{Seed: 1, NoInvalid: true, Scenarios: []string{"hello", "wait", "mixed"}, Targets: []string{"eventloop", "goroutine", "sync"}})
	new := resultstest.Run(resultstest.Options{Seed: 2, NoInvalid: true, Scenarios: []string{"hello", "wait", "mixed"}, Targets: []string{"eventloop", "goroutine", "pool"}})
	new.Plan.Scenarios[1].Connections = 128
	new.Plan.Scenarios[2].RateRPS = 2500
	new.Plan.Skipped = []results.Skip{{Target: "sync", Reason: "switched off"}}
	for i := range new.Trials {
		if tr := &new.Trials[i]; tr.Scenario == "hello" && tr.Target == "goroutine" && tr.Trial == 3 {
			tr.Warn(results.Warning{Code: "steal", Message: "stolen", Invalid: true})
		}
	}
	r := must(t, old, new, compare.Options{})
	for _, c := range []struct {
		scenario, target, metric string
		want                     compare.Verdict
		reason                   string
	}{
		{"hello", "eventloop", compare.CPU, compare.CannotTell, ""},
		{"hello", "goroutine", compare.CPU, compare.TooFewTrials, "3 valid trials against 2"},
		{"hello", "sync", "", compare.Missing, "old run only: switched off"},
		{"hello", "pool", "", compare.Missing, "new run only"},
		{"wait", "eventloop", "", compare.NotComparable, "connections differs: 256, now 128"},
		{"mixed", "eventloop", "", compare.NotComparable, "rate differs: 2000, now 2500"},
	} {
		got := find(t, r, c.scenario, c.target, c.metric)
		if got.Verdict != c.want || !strings.Contains(got.Reason, c.reason) {
			t.Errorf("%s %s: %s (%s), want %s (%s)", c.scenario, c.target, got.Verdict, got.Reason, c.want, c.reason)
		}
	}
	if !hasWarning(r, compare.CodeInvalid, "hello, goroutine: 1 of 3 trials of the new run do not count (steal)") {
		t.Errorf("warnings %+v", r.Warnings)
	}

	calm := compare.Options{BetweenRuns: map[string]float64{compare.CPU: 0, compare.Throughput: 0}}
	a := resultstest.Run(resultstest.Options{Seed: 1, NoInvalid: true, Noise: 0.004, Trials: 5, Scenarios: []string{"hello"}, Targets: []string{"eventloop"}})
	b := resultstest.Run(resultstest.Options{Seed: 2, NoInvalid: true, Noise: 0.004, Trials: 5, Scenarios: []string{"hello"}, Targets: []string{"eventloop"}})
	if c := find(t, must(t, a, b, calm), "hello", "eventloop", compare.CPU); c.Verdict != compare.Same {
		t.Errorf("equal, on a machine whose runs are alike: %+v", c)
	}
	if c := find(t, must(t, a, b, compare.Options{}), "hello", "eventloop", compare.CPU); c.Verdict != compare.CannotTell || c.DetectablePct < 15 {
		t.Errorf("equal, on a machine like ours: %+v", c)
	}
	b = resultstest.Run(resultstest.Options{Seed: 2, NoInvalid: true, Noise: 0.0001, Trials: 5, Scenarios: []string{"hello"}, Targets: []string{"eventloop"}, Slower: map[string]float64{"eventloop": 1.01}})
	a = resultstest.Run(resultstest.Options{Seed: 1, NoInvalid: true, Noise: 0.0001, Trials: 5, Scenarios: []string{"hello"}, Targets: []string{"eventloop"}})
	if c := find(t, must(t, a, b, calm), "hello", "eventloop", compare.CPU); c.Verdict != compare.Same || c.PAdjusted > 0.01 {
		t.Errorf("one per cent beyond doubt is below the floor: %+v", c)
	}
}

// A rate that changes is another question than one that does not, and than one
// that changes otherwise, whatever their means.
func TestProfilesAreNotComparedWithOthers(t *testing.T) {
	run := func(profile string) *results.Run {
		r := resultstest.Run(resultstest.Options{Scenarios: []string{"mixed"}, Targets: []string{"pool"}})
		r.Plan.Scenarios[0].RateProfile = profile
		return r
	}
	r := must(t, run("1000..3000"), run("3000..1000"), compare.Options{})
	if len(r.Comparisons) != 1 || r.Comparisons[0].Verdict != compare.NotComparable || !strings.Contains(r.Comparisons[0].Reason, "the rate differs: 1000..3000, now 3000..1000") {
		t.Errorf("%+v", r.Comparisons)
	}
	want := "open loop, 1000..3000 requests/s, 2,000 on average (poisson), 64 connections"
	if got := compare.Load(run("1000..3000").Plan.Scenarios[0]); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestModelsAreNeverCompared(t *testing.T) {
	old := resultstest.Run(resultstest.Options{Scenarios: []string{"hello"}, Targets: []string{"pool"}})
	new := resultstest.Run(resultstest.Options{Scenarios: []string{"hello"}, Targets: []string{"pool"}})
	new.Plan.Scenarios[0].Model = "open"
	for i := range new.Trials {
		new.Trials[i].Model = "open"
	}
	r := must(t, old, new, compare.Options{})
	if len(r.Comparisons) != 1 || r.Comparisons[0].Verdict != compare.NotComparable || !strings.Contains(r.Comparisons[0].Reason, "load model differs: closed, now open") {
		t.Errorf("%+v", r.Comparisons)
	}
}

// A generator that talks to the kernel in another way loads a server otherwise,
// and one that talks to the server in another protocol asks for other work.
func TestOtherTalkIsNotCompared(t *testing.T) {
	run := func(transport, protocol string) *results.Run {
		r := resultstest.Run(resultstest.Options{Scenarios: []string{"hello"}, Targets: []string{"pool"}})
		for i := range r.Trials {
			r.Trials[i].Transport, r.Trials[i].Protocol = transport, protocol
		}
		return r
	}
	for _, tt := range []struct {
		old, new *results.Run
		want     string
	}{
		{run("epoll", "http"), run("io_uring", "http"), "transport differs: epoll, now io_uring"},
		{run("epoll", "http"), run("epoll", "uwsgi"), "the protocol differs: http, now uwsgi"},
	} {
		r := must(t, tt.old, tt.new, compare.Options{})
		if len(r.Comparisons) != 1 || r.Comparisons[0].Verdict != compare.NotComparable || !strings.Contains(r.Comparisons[0].Reason, tt.want) {
			t.Errorf("%s: %+v", tt.want, r.Comparisons)
		}
	}
}

func TestUnlikeEnvironments(t *testing.T) {
	old := resultstest.Run(resultstest.Options{Scenarios: []string{"hello"}, Targets: []string{"pool"}})
	new := resultstest.Run(resultstest.Options{Scenarios: []string{"hello"}, Targets: []string{"pool"}})
	new.Interrupted = true
	new.Environment.Kernel = "6.12.1"
	new.Environment.ServerCPUs = []int{1, 2}
	new.Environment.Virtual = ""
	new.Dyno.Commit = "ffff"
	new.Plan.Targets[0].Command = []string{"dyno", "serve", "--engine", "pool,workers=8"}
	r := must(t, old, new, compare.Options{})
	for _, c := range []struct{ code, part string }{
		{compare.CodeSameRun, old.ID}, {compare.CodeEnvironment, "kernel: 6.1.0-28-amd64, now 6.12.1"}, {compare.CodeEnvironment, "server's CPUs: 0, now 1 2"},
		{compare.CodeEnvironment, "hypervisor: kvm, now none"}, {compare.CodeBuild, "commit: 4f1c2ab9d0e3, now ffff"}, {compare.CodeSpec, "pool: dyno serve"},
		{compare.CodeInterrupted, "the new run is interrupted: "},
	} {
		if !hasWarning(r, c.code, c.part) {
			t.Errorf("no %s warning with %q in %+v", c.code, c.part, r.Warnings)
		}
	}
	same := must(t, old, old, compare.Options{})
	if hasWarning(same, compare.CodeEnvironment, "") || hasWarning(same, compare.CodeBuild, "") {
		t.Errorf("%+v", same.Warnings)
	}
}

func TestCommonShift(t *testing.T) {
	all := map[string]float64{}
	names := []string{"eventloop", "goroutine", "fasthttp", "nethttp", "pool"}
	for _, n := range names {
		all[n] = 1.15
	}
	old := resultstest.Run(resultstest.Options{Seed: 1, NoInvalid: true, Scenarios: []string{"hello"}, Targets: names})
	new := resultstest.Run(resultstest.Options{Seed: 2, NoInvalid: true, Scenarios: []string{"hello"}, Targets: names, Slower: all})
	if r := must(t, old, new, compare.Options{}); !hasWarning(r, compare.CodeCommonShift, "CPU per request of 5 of 5 targets") {
		t.Errorf("%+v", r.Warnings)
	}
	if r := must(t, old, old, compare.Options{}); hasWarning(r, compare.CodeCommonShift, "") {
		t.Errorf("%+v", r.Warnings)
	}
}

func TestOptionsAreChecked(t *testing.T) {
	run := &results.Run{}
	for _, o := range []compare.Options{{Floor: -1}, {Floor: math.NaN()}, {Tolerance: -1}, {Confidence: 1}, {Confidence: 0.3},
		{BetweenRuns: map[string]float64{compare.CPU: -0.1}}} {
		if _, err := compare.Compare(run, run, o); err == nil {
			t.Errorf("%+v was accepted", o)
		}
	}
	r := must(t, run, run, compare.Options{})
	if len(r.Comparisons) != 0 || len(r.Regressions()) != 0 {
		t.Errorf("two empty runs: %+v", r)
	}
	var b bytes.Buffer
	if err := r.WriteText(&b, 80); err != nil || !strings.Contains(b.String(), "nothing to compare") {
		t.Errorf("%v\n%s", err, b.String())
	}
}

// light returns a run that holds no more than Compare needs, so that many can
// be simulated: ten targets with the two metrics of a closed loop, where every
// run, target and metric is off by its noise between runs.
func light(r *rand.Rand, between map[string]float64, slower float64) *results.Run {
	run := &results.Run{Plan: results.Plan{Scenarios: []results.PlanScenario{{Name: "hello", Model: "closed"}}}}
	for i := range 10 {
		name := string(rune('a' + i))
		cpu := 10 * math.Exp(r.NormFloat64()*between[compare.CPU])
		rate := 1e5 * math.Exp(r.NormFloat64()*between[compare.Throughput])
		if i == 0 {
			cpu *= slower
			rate /= slower
		}
		run.Plan.Targets = append(run.Plan.Targets, results.PlanTarget{Name: name})
		for range 3 {
			t := results.Trial{Scenario: "hello", Target: name}
			t.Model, t.Valid = "closed", true
			t.Server.CPUUSPerRequest = cpu * math.Exp(r.NormFloat64()*0.03)
			t.ThroughputRPS = rate * math.Exp(r.NormFloat64()*0.03)
			run.Trials = append(run.Trials, t)
		}
	}
	return run
}

// TestFalseAlarms simulates two runs of ten unchanged servers, drifting as the
// documentation of BetweenRuns says: a false alarm in any of the twenty
// comparisons may come in at most 1 % of the pairs.
func TestFalseAlarms(t *testing.T) {
	const rounds = 400
	r := rand.New(rand.NewPCG(5, 5))
	alarms, found, without := 0, 0, 0
	for range rounds {
		old := light(r, compare.BetweenRuns, 1)
		again := light(r, compare.BetweenRuns, 1)
		if res := must(t, old, again, compare.Options{}); res.Counts[compare.Worse]+res.Counts[compare.Better] > 0 {
			alarms++
		}
		bare := must(t, old, again, compare.Options{BetweenRuns: map[string]float64{compare.CPU: 0, compare.Throughput: 0}})
		if bare.Counts[compare.Worse]+bare.Counts[compare.Better] > 0 {
			without++
		}
		res := must(t, old, light(r, compare.BetweenRuns, 1.5), compare.Options{})
		if find(t, res, "hello", "a", compare.CPU).Verdict == compare.Worse {
			found++
		}
	}
	if lo, _ := stats.ClopperPearson(alarms, rounds, 0.99); lo > 0.01 {
		t.Errorf("%d false alarms in %d pairs of runs", alarms, rounds)
	}
	if lo, _ := stats.ClopperPearson(found, rounds, 0.99); lo < 0.9 {
		t.Errorf("half as much CPU again was found %d times in %d", found, rounds)
	}
	if lo, _ := stats.ClopperPearson(without, rounds, 0.99); lo < 0.02 {
		t.Errorf("without the part between runs only %d of %d pairs raise a false alarm: is the part needed?", without, rounds)
	}
	t.Logf("false alarms %d, planted change found %d, false alarms without the part between runs %d, of %d", alarms, found, without, rounds)
}

func TestText(t *testing.T) {
	old := resultstest.Run(resultstest.Options{Seed: 1})
	new := resultstest.Run(resultstest.Options{Seed: 2, Slower: map[string]float64{"eventloop": 1.5}})
	new.ID, new.Created = "20260402-090000-m3xq", old.Created.AddDate(0, 1, 0)
	new.Environment.Kernel = "6.1.0-30-amd64"
	new.Dyno.Commit = "77aa01dd"
	r := must(t, old, new, compare.Options{})
	for _, width := range []int{80, 120} {
		var b bytes.Buffer
		if err := r.WriteText(&b, width); err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(b.String()) {
			if w := format.Width(strings.TrimRight(line, "\n")); w > width {
				t.Errorf("%d columns of %d: %s", w, width, line)
			}
		}
		golden(t, filepath.Join("testdata", map[int]string{80: "narrow.txt", 120: "wide.txt"}[width]), b.Bytes())
	}
	b, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	var back compare.Result
	if err := json.Unmarshal(b, &back); err != nil || back.Schema != "dyno.compare/1" || len(back.Comparisons) != len(r.Comparisons) {
		t.Errorf("JSON does not come back: %v", err)
	}
	if bytes.Contains(b, []byte(":null")) {
		t.Error("JSON holds null, where absent is the rule")
	}
}

func golden(t *testing.T, path string, got []byte) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), string(got)); d != "" {
		t.Errorf("%s differs; -update rewrites it:\n%s", path, d)
	}
}
