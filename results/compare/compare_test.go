package compare_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dynobench/dyno/internal/format"
	"github.com/dynobench/dyno/internal/testkit"
	"github.com/dynobench/dyno/results"
	"github.com/dynobench/dyno/results/compare"
	"github.com/dynobench/dyno/results/resultstest"
	"github.com/dynobench/dyno/results/stats"
)

func must(t *testing.T, old, new *results.Run, o compare.Options) *compare.Result {
	t.Helper()
	r, err := compare.Compare(old, new, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func find(t *testing.T, r *compare.Result, scenario, target string, metric results.Metric) compare.Comparison {
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
	r := must(t, old, new, compare.Defaults())
	if c := find(t, r, "hello", "eventloop", results.CPU); c.Verdict != compare.Worse || c.Ratio < 1.4 || c.Ratio > 1.6 || c.RatioLo > 1.5 || c.RatioHi < 1.5 || c.BetweenRunsFrom != compare.FromTargets {
		t.Errorf("half as much again: %+v", c)
	}
	if c := find(t, r, "hello", "nethttp", results.CPU); c.Verdict != compare.Better {
		t.Errorf("a third less: %+v", c)
	}
	if c := find(t, r, "mixed", "goroutine", results.P99); c.Class != "fast" {
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
	r := must(t, old, new, compare.Defaults())
	for _, c := range []struct {
		scenario, target string
		metric           results.Metric
		want             compare.Verdict
		reason           string
	}{
		{"hello", "eventloop", results.CPU, compare.CannotTell, ""},
		{"hello", "goroutine", results.CPU, compare.TooFewTrials, "3 valid trials against 2"},
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
	if !hasWarning(r, compare.CodeInvalid, "hello, goroutine: 1 of 3 trials of the new run are invalid (steal)") {
		t.Errorf("warnings %+v", r.Warnings)
	}

	calm := compare.Defaults()
	calm.BetweenRuns = map[results.Metric]float64{results.CPU: 0, results.Throughput: 0}
	a := resultstest.Run(resultstest.Options{Seed: 1, NoInvalid: true, Noise: 0.004, Trials: 5, Scenarios: []string{"hello"}, Targets: []string{"eventloop"}})
	b := resultstest.Run(resultstest.Options{Seed: 2, NoInvalid: true, Noise: 0.004, Trials: 5, Scenarios: []string{"hello"}, Targets: []string{"eventloop"}})
	if c := find(t, must(t, a, b, calm), "hello", "eventloop", results.CPU); c.Verdict != compare.Same {
		t.Errorf("equal, on a machine whose runs are alike: %+v", c)
	}
	if c := find(t, must(t, a, b, compare.Defaults()), "hello", "eventloop", results.CPU); c.Verdict != compare.CannotTell || c.DetectablePct < 15 {
		t.Errorf("equal, on a machine like ours: %+v", c)
	}
	b = resultstest.Run(resultstest.Options{Seed: 2, NoInvalid: true, Noise: 0.0001, Trials: 5, Scenarios: []string{"hello"}, Targets: []string{"eventloop"}, Slower: map[string]float64{"eventloop": 1.01}})
	a = resultstest.Run(resultstest.Options{Seed: 1, NoInvalid: true, Noise: 0.0001, Trials: 5, Scenarios: []string{"hello"}, Targets: []string{"eventloop"}})
	if c := find(t, must(t, a, b, calm), "hello", "eventloop", results.CPU); c.Verdict != compare.Same || c.PAdjusted > 0.01 {
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
	r := must(t, run("1000..3000"), run("3000..1000"), compare.Defaults())
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
	r := must(t, old, new, compare.Defaults())
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
		r := must(t, tt.old, tt.new, compare.Defaults())
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
	r := must(t, old, new, compare.Defaults())
	for _, c := range []struct{ code, part string }{
		{compare.CodeSameRun, old.ID}, {compare.CodeEnvironment, "kernel: 6.1.0-28-amd64, now 6.12.1"}, {compare.CodeEnvironment, "server's CPUs: 0, now 1 2"},
		{compare.CodeEnvironment, "hypervisor: kvm, now none"}, {compare.CodeBuild, "commit: 4f1c2ab9d0e3, now ffff"}, {compare.CodeSpec, "pool: dyno serve"},
		{compare.CodeInterrupted, "the new run is interrupted: "},
	} {
		if !hasWarning(r, c.code, c.part) {
			t.Errorf("no %s warning with %q in %+v", c.code, c.part, r.Warnings)
		}
	}
	same := must(t, old, old, compare.Defaults())
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
	if r := must(t, old, new, compare.Defaults()); !hasWarning(r, compare.CodeCommonShift, "CPU per request of 5 of 5 targets") {
		t.Errorf("%+v", r.Warnings)
	}
	if r := must(t, old, old, compare.Defaults()); hasWarning(r, compare.CodeCommonShift, "") {
		t.Errorf("%+v", r.Warnings)
	}
}

func TestOptionsAreChecked(t *testing.T) {
	run := &results.Run{}
	for _, o := range []compare.Options{{Floor: -1}, {Floor: math.NaN()}, {Tolerance: -1}, {Confidence: 1}, {Confidence: 0.3},
		{BetweenRuns: map[results.Metric]float64{results.CPU: -0.1}}} {
		if _, err := compare.Compare(run, run, o); err == nil {
			t.Errorf("%+v was accepted", o)
		}
	}
	r := must(t, run, run, compare.Defaults())
	if len(r.Comparisons) != 0 || len(r.Regressions()) != 0 {
		t.Errorf("two empty runs: %+v", r)
	}
	var b bytes.Buffer
	if err := r.WriteText(&b, 80); err != nil || !strings.Contains(b.String(), "nothing to compare") {
		t.Errorf("%v\n%s", err, b.String())
	}
}

// lab makes runs that hold no more than Compare needs, so that many can be
// simulated: targets with the two metrics of a closed loop, where every run,
// target and metric is off by so many times the typical noise between runs.
type lab struct {
	r       *rand.Rand
	targets int
	noise   float64 // times the typical one
	shared  float64 // the share of its variance that all targets of a run have in common
	n       int     // runs made
}

func (l *lab) run(slower float64) *results.Run {
	l.n++
	run := &results.Run{ID: fmt.Sprint(l.n), Plan: results.Plan{Scenarios: []results.PlanScenario{{Name: "hello", Model: "closed"}}}}
	common := map[results.Metric]float64{results.CPU: l.r.NormFloat64(), results.Throughput: l.r.NormFloat64()}
	off := func(metric results.Metric) float64 {
		z := math.Sqrt(l.shared)*common[metric] + math.Sqrt(1-l.shared)*l.r.NormFloat64()
		return math.Exp(z * l.noise * compare.BetweenRuns[metric])
	}
	for i := range l.targets {
		name := string(rune('a' + i))
		cpu, rate := 10*off(results.CPU), 1e5*off(results.Throughput)
		if i == 0 {
			cpu *= slower
			rate /= slower
		}
		run.Plan.Targets = append(run.Plan.Targets, results.PlanTarget{Name: name})
		for range 3 {
			t := results.Trial{Scenario: "hello", Target: name}
			t.Model, t.Valid = "closed", true
			t.Server.CPUUSPerRequest = cpu * math.Exp(l.r.NormFloat64()*0.03)
			t.ThroughputRPS = rate * math.Exp(l.r.NormFloat64()*0.03)
			run.Trials = append(run.Trials, t)
		}
	}
	return run
}

// TestFalseAlarms simulates pairs of runs of unchanged servers on hosts from
// half to four times as noisy as is typical, with the noise drawn for each
// target or for all alike. A false alarm in any of the comparisons of a pair may
// come in at most 1 % of the pairs, whatever the noise is estimated from. How
// often a change is found is what that leaves: it is stated, and bounded.
func TestFalseAlarms(t *testing.T) {
	pairs := 300
	if testkit.Race {
		pairs = 30
	}
	for _, c := range []struct {
		name    string
		targets int
		shared  float64
		history int
		slower  float64
		power   map[float64]float64 // by noise
	}{
		{"ten targets", 10, 0, 0, 2, map[float64]float64{0.5: 0.99, 1: 0.9}},
		{"ten targets that move together", 10, 0.8, 0, 2, map[float64]float64{0.5: 0.9}},
		{"four targets", 4, 0, 0, 3, map[float64]float64{0.5: 0.99, 1: 0.5}},
		{"one target", 1, 0, 0, 3, map[float64]float64{0.5: 0.99, 1: 0.99, 2: 0.95}},
		{"one target and six stored runs", 1, 0, 6, 1.5, map[float64]float64{0.5: 0.99, 1: 0.75}},
		{"three targets and ten stored runs", 3, 0.5, 10, 1.5, map[float64]float64{0.5: 0.99, 1: 0.75}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for _, noise := range []float64{0.5, 1, 2, 4} {
				l := &lab{r: rand.New(rand.NewPCG(5, uint64(10*noise))), targets: c.targets, noise: noise, shared: c.shared}
				alarms, found, trusting := 0, 0, 0
				for range pairs {
					o := compare.Defaults()
					for range c.history {
						o.History = append(o.History, l.run(1))
					}
					old := l.run(1)
					if res := must(t, old, l.run(1), o); res.Counts[compare.Worse]+res.Counts[compare.Better] > 0 {
						alarms++
					}
					if o := o; c.targets == 10 && noise == 2 {
						o.BetweenRuns = compare.BetweenRuns
						if res := must(t, old, l.run(1), o); res.Counts[compare.Worse]+res.Counts[compare.Better] > 0 {
							trusting++
						}
					}
					if find(t, must(t, old, l.run(c.slower), o), "hello", "a", results.CPU).Verdict == compare.Worse {
						found++
					}
				}
				if lo, _ := stats.ClopperPearson(alarms, pairs, 0.98); lo > 0.01 {
					t.Errorf("%s, noise × %v: %d false alarms in %d pairs of runs", c.name, noise, alarms, pairs)
				}
				if _, hi := stats.ClopperPearson(found, pairs, 0.98); hi < c.power[noise] {
					t.Errorf("%s, noise × %v: %v times the CPU was found %d times in %d", c.name, noise, c.slower, found, pairs)
				}
				if lo, _ := stats.ClopperPearson(trusting, pairs, 0.98); c.targets == 10 && noise == 2 && lo < 0.05 {
					t.Errorf("%s, noise × 2: taking the typical noise for known is wrong in %d of %d pairs only: does it have to be estimated?", c.name, trusting, pairs)
				} else if trusting > 0 {
					t.Logf("taking the typical noise for known: %.1f %%", 100*float64(trusting)/float64(pairs))
				}
				t.Logf("%s, noise × %v: false alarms %.2f %%, %v times the CPU found in %.0f %%", c.name, noise, 100*float64(alarms)/float64(pairs), c.slower, 100*float64(found)/float64(pairs))
			}
		})
	}
}

func TestText(t *testing.T) {
	old := resultstest.Run(resultstest.Options{Seed: 1})
	new := resultstest.Run(resultstest.Options{Seed: 2, Slower: map[string]float64{"eventloop": 1.5}})
	new.ID, new.Created = "20260402-090000-m3xq", old.Created.AddDate(0, 1, 0)
	new.Environment.Kernel = "6.1.0-30-amd64"
	new.Dyno.Commit = "77aa01dd"
	r := must(t, old, new, compare.Defaults())
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
		testkit.Golden(t, filepath.Join("testdata", map[int]string{80: "narrow.txt", 120: "wide.txt"}[width]), b.Bytes())
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

// short is a run of three targets under one scenario.
func short(seed uint64, change func(*results.Trial)) *results.Run {
	run := resultstest.Run(resultstest.Options{Seed: seed, NoInvalid: true, Scenarios: []string{"hello"}, Targets: []string{"eventloop", "goroutine", "sync"}})
	run.ID = fmt.Sprint("run-", seed)
	for i := range run.Trials {
		if change != nil {
			change(&run.Trials[i])
		}
	}
	return run
}

// only makes a change to one target's trials.
func only(target string, change func(*results.Trial)) func(*results.Trial) {
	return func(t *results.Trial) {
		if t.Target == target {
			change(t)
		}
	}
}

// TestFailuresAreWorseByThemselves plants failures of each kind.
func TestFailuresAreWorseByThemselves(t *testing.T) {
	invalid := func(code string) func(*results.Trial) {
		return func(t *results.Trial) { t.Warn(results.Warning{Code: code, Invalid: true}) }
	}
	timeouts := func(n int64) func(*results.Trial) {
		return func(t *results.Trial) { t.Errors.Timeout += n + int64(t.Trial)%2 }
	}
	both := func(a, b func(*results.Trial)) func(*results.Trial) { return func(t *results.Trial) { a(t); b(t) } }
	for _, c := range []struct {
		name     string
		old, new func(*results.Trial)
		want     compare.Verdict
		reason   string
	}{
		{"none", nil, nil, "", ""},
		{"one request", nil, func(t *results.Trial) { t.Errors.Read += int64(t.Trial / 3) }, compare.Worse, "1 of "},
		{"fifty wrong answers in each", nil, func(t *results.Trial) { t.Errors.Status = 50 }, compare.Worse, "150 of "},
		{"dead in all trials", nil, invalid("server-died"), compare.Worse, "3 of 3 trials failed (server-died); before, none of "},
		{"wrong bytes", nil, invalid("wrong-bytes"), compare.Worse, "wrong-bytes"},
		{"wrong answers beside timeouts", timeouts(50), both(timeouts(50), func(t *results.Trial) { t.Errors.Body = 1 }), compare.Worse, "body"},
		{"as many timeouts", timeouts(50), timeouts(50), compare.CannotTell, "timeout"},
		{"half as many more", timeouts(50), timeouts(75), compare.CannotTell, "timeout"},
		{"ten times as many", timeouts(50), timeouts(500), compare.Worse, "timeout"},
		{"no more", timeouts(50), nil, compare.Better, "none of "},
		{"stolen time is no failure", nil, invalid("steal"), "", ""},
		{"a standstill", nil, invalid("stalled"), compare.Worse, "3 of 3 trials failed (stalled)"},
		{"a standstill of the host", nil, both(invalid("steal"), invalid("stalled")), "", ""},
	} {
		a, b := short(1, nil), short(2, nil)
		for _, side := range []struct {
			run    *results.Run
			change func(*results.Trial)
		}{{a, c.old}, {b, c.new}} {
			for i := range side.run.Trials {
				if side.change != nil && side.run.Trials[i].Target == "sync" {
					side.change(&side.run.Trials[i])
				}
			}
		}
		r := must(t, a, b, compare.Defaults())
		var got compare.Comparison
		for _, x := range r.Comparisons {
			if x.Metric == compare.Failures {
				got = x
			}
		}
		if got.Verdict != c.want || !strings.Contains(got.Reason, c.reason) || got.Verdict != "" && got.Target != "sync" {
			t.Errorf("%s: %s (%s), want %s (%s)", c.name, got.Verdict, got.Reason, c.want, c.reason)
		}
		if (r.Conclusion == compare.Regression) != (c.want == compare.Worse) {
			t.Errorf("%s: %s", c.name, r.Conclusion)
		}
	}
}

// TestRefusedIsWorse has the new run refuse a target that the old one measured,
// which is the server's failure only if it was asked the same.
func TestRefusedIsWorse(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(old, new *results.Run)
		want   compare.Conclusion
	}{
		{"asked the same", func(old, new *results.Run) {}, compare.Regression},
		{"every target", func(old, new *results.Run) { new.Trials = nil }, compare.Regression},
		{"not installed", func(old, new *results.Run) { new.Plan.Skipped[0].Refused = false }, compare.Inconclusive},
		{"another definition", func(old, new *results.Run) { new.Plan.Scenarios[0].Definition += "duration: 1s" }, compare.Inconclusive},
		{"one more scenario", func(old, new *results.Run) {
			new.Plan.Scenarios = append(new.Plan.Scenarios, results.PlanScenario{Name: "other"})
		}, compare.Inconclusive},
		{"another protocol", func(old, new *results.Run) {
			for i := range new.Plan.Targets {
				new.Plan.Targets[i].Protocol = "scgi"
			}
		}, compare.Inconclusive},
		{"less time to get ready", func(old, new *results.Run) { old.Plan.ReadyTimeoutS = 99 }, compare.Inconclusive},
		{"failed before too", func(old, new *results.Run) {
			for i := range old.Trials {
				only("sync", func(t *results.Trial) { t.Warn(results.Warning{Code: "errors", Invalid: true}) })(&old.Trials[i])
			}
		}, compare.Inconclusive},
	} {
		old, new := short(1, nil), short(2, nil)
		new.Trials = slices.DeleteFunc(new.Trials, func(t results.Trial) bool { return t.Target == "sync" })
		new.Plan.Skipped = []results.Skip{{Target: "sync", Reason: "wrong answer", Refused: true}}
		c.change(old, new)
		r := must(t, old, new, compare.Defaults())
		if r.Conclusion != c.want {
			t.Errorf("%s: %s, want %s", c.name, r.Conclusion, c.want)
		}
		var b bytes.Buffer
		if err := r.WriteText(&b, 200); err != nil || strings.Contains(b.String(), "WORSE hello, sync: refused: wrong answer") != (c.want == compare.Regression) {
			t.Errorf("%s: %v\n%s", c.name, err, b.String())
		}
	}
}

// TestSilenceIsNoPass has the new run lack what the old one tells, in every way.
func TestSilenceIsNoPass(t *testing.T) {
	every := func(change func(*results.Trial)) func(*results.Run) {
		return func(r *results.Run) {
			for i := range r.Trials {
				change(&r.Trials[i])
			}
		}
	}
	stolen := func(t *results.Trial) { t.Warn(results.Warning{Code: "steal", Invalid: true}) }
	for _, c := range []struct {
		name   string
		change func(*results.Run)
		part   bool // some of it was compared
		reason string
	}{
		{"no trial", func(r *results.Run) { r.Trials = nil }, false, "nothing could be compared"},
		{"no valid trial", every(stolen), false, "3 valid trials against 0"},
		{"two trials", func(r *results.Run) { r.Trials = r.Trials[:2] }, false, "nothing could be compared"},
		{"one target has none", every(only("sync", stolen)), true, "hello, sync: 3 valid trials against 0"},
		{"a scenario renamed", func(r *results.Run) {
			r.Plan.Scenarios[0].Name = "x"
			every(func(t *results.Trial) { t.Scenario = "x" })(r)
		}, false, "hello, eventloop: measured in the old run only"},
		{"a target renamed", func(r *results.Run) {
			r.Plan.Targets[0].Name = "x"
			every(only("eventloop", func(t *results.Trial) { t.Target = "x" }))(r)
		}, true, "hello, eventloop: measured in the old run only"},
		{"a target gone from the plan", func(r *results.Run) {
			r.Plan.Targets = r.Plan.Targets[:2]
			r.Plan.Skipped = []results.Skip{{Target: "sync", Reason: "not installed"}}
			r.Trials = slices.DeleteFunc(r.Trials, func(t results.Trial) bool { return t.Target == "sync" })
		}, true, "hello, sync: measured in the old run only: not installed"},
		{"other connections", func(r *results.Run) { r.Plan.Scenarios[0].Connections = 65 }, false, "connections differs"},
		{"no CPU known", every(func(t *results.Trial) { t.Server.CPUUSPerRequest = 0 }), true, "3 valid trials against 0"},
	} {
		old, new := short(1, nil), short(2, nil)
		c.change(new)
		o := compare.Defaults()
		r := must(t, old, new, o)
		if r.Conclusion != compare.Inconclusive || !strings.Contains(strings.Join(r.Reasons, "\n"), c.reason) {
			t.Errorf("%s: %s for %q, want %q", c.name, r.Conclusion, r.Reasons, c.reason)
		}
		if (r.Tests > 0) != c.part {
			t.Errorf("%s: %d tests", c.name, r.Tests)
		}
		var b bytes.Buffer
		if err := r.WriteText(&b, 200); err != nil || !strings.Contains(b.String(), "INCONCLUSIVE "+r.Reasons[0]) {
			t.Errorf("%s: not said in\n%s", c.name, b.String())
		}
		o.AllowMissing = true
		want := compare.Inconclusive
		if c.part {
			want = compare.NoRegression
		}
		if r := must(t, old, new, o); r.Conclusion != want {
			t.Errorf("%s, allowed: %s, want %s", c.name, r.Conclusion, want)
		}
	}
	// What only the new run has is no loss.
	old, new := short(1, nil), short(2, nil)
	old.Trials = slices.DeleteFunc(old.Trials, func(t results.Trial) bool { return t.Target == "sync" })
	old.Plan.Targets = old.Plan.Targets[:2]
	if r := must(t, old, new, compare.Defaults()); r.Conclusion != compare.NoRegression {
		t.Errorf("a new target: %s for %q", r.Conclusion, r.Reasons)
	}
}

// TestWhatIsJudged plants what a closed loop does not ask about: it is shown, and
// judged where it is asked for.
func TestWhatIsJudged(t *testing.T) {
	for metric, c := range map[string]struct {
		name  results.Metric
		plant func(*results.Trial)
	}{
		"memory": {results.RSS, func(t *results.Trial) { t.Server.RSSPeakBytes *= 20 }}, // the runs have no PSS
		"p99":    {results.P99, func(t *results.Trial) { t.LatencyUS.P99 *= 50 }},
		"p50":    {results.P50, func(t *results.Trial) { t.LatencyUS.P50 *= 50 }},
	} {
		old, new := short(1, nil), short(2, only("sync", c.plant))
		if metric != "p50" {
			r := must(t, old, new, compare.Defaults())
			if got := find(t, r, "hello", "sync", c.name); got.Verdict != compare.Worse || got.Judged || got.RatioLo < 2 || r.Conclusion != compare.NoRegression {
				t.Errorf("%s informs: %+v, %s", metric, got, r.Conclusion)
			}
		}
		o := compare.Defaults()
		o.Metrics = []string{"cpu", metric}
		r := must(t, old, new, o)
		if got := find(t, r, "hello", "sync", c.name); got.Verdict != compare.Worse || !got.Judged || r.Conclusion != compare.Regression {
			t.Errorf("%s judged: %+v, %s", metric, got, r.Conclusion)
		}
		if got := find(t, r, "hello", "sync", results.Throughput); got.Judged {
			t.Errorf("--metrics cpu,%s judges %+v", metric, got)
		}
	}
	// Where both runs have PSS that is the memory, and RSS stands beside it.
	pss := func(run *results.Run, factor int64) *results.Run {
		for i := range run.Trials {
			run.Trials[i].Server.PSSPeakBytes = run.Trials[i].Server.RSSPeakBytes * factor / 2
		}
		return run
	}
	o := compare.Defaults()
	o.Metrics = []string{"memory"}
	r := must(t, pss(short(1, nil), 1), pss(short(2, nil), 20), o)
	if got := find(t, r, "hello", "sync", results.PSS); got.Verdict != compare.Worse || !got.Judged {
		t.Errorf("20 times the PSS: %+v", got)
	}
	if got := find(t, r, "hello", "sync", results.RSS); got.Verdict == compare.Worse || got.Judged {
		t.Errorf("RSS beside PSS: %+v", got)
	}
	mixed := resultstest.Run(resultstest.Options{NoInvalid: true, Scenarios: []string{"mixed"}, Targets: []string{"pool"}})
	for i := range mixed.Trials {
		mixed.Trials[i].Classes[1].LatencyUS.P99 = 52e3 // as if there were enough of them
	}
	var judged, informs []string
	for _, c := range must(t, mixed, mixed, compare.Defaults()).Comparisons {
		if c.Judged {
			judged = append(judged, string(c.Metric)+" "+c.Class)
		} else {
			informs = append(informs, string(c.Metric)+" "+c.Class)
		}
	}
	if d := cmp.Diff([]string{"latency_p99_us fast", "latency_p50_us fast", "cpu_us_per_request "}, judged); d != "" {
		t.Errorf("an open loop judges:\n%s", d)
	}
	if d := cmp.Diff([]string{"latency_p99_us slow", "rss_peak_bytes "}, informs); d != "" {
		t.Errorf("an open loop informs:\n%s", d)
	}
}

// TestWhereTheNoiseIsKnownFrom has stored runs of the same target on this host
// count, and no others.
func TestWhereTheNoiseIsKnownFrom(t *testing.T) {
	run := func(seed uint64) *results.Run {
		r := resultstest.Run(resultstest.Options{Seed: seed, NoInvalid: true, Between: 0.1, Scenarios: []string{"hello"}, Targets: []string{"pool"}})
		r.ID = fmt.Sprint(seed)
		return r
	}
	old, new := run(1), run(2)
	for _, c := range []struct {
		name   string
		change func(*results.Run)
		want   compare.Source
	}{
		{"the same", func(*results.Run) {}, compare.FromRuns},
		{"another kernel", func(r *results.Run) { r.Environment.Kernel = "7" }, compare.Assumed},
		{"another command", func(r *results.Run) { r.Plan.Targets[0].Command = []string{"other"} }, compare.Assumed},
		{"other connections", func(r *results.Run) { r.Plan.Scenarios[0].Connections = 7 }, compare.Assumed},
		{"too few trials", func(r *results.Run) { r.Trials = r.Trials[:2] }, compare.Assumed},
		{"the new run itself", func(r *results.Run) { r.ID = new.ID }, compare.Assumed},
	} {
		o := compare.Defaults()
		for seed := uint64(3); seed < 6; seed++ {
			r := run(seed)
			c.change(r)
			o.History = append(o.History, r)
		}
		got := find(t, must(t, old, new, o), "hello", "pool", results.CPU)
		if got.BetweenRunsFrom != c.want || (c.want == compare.FromRuns) != (got.BetweenRunsDF == 3) {
			t.Errorf("%s: from %s with %v degrees of freedom, want %s", c.name, got.BetweenRunsFrom, got.BetweenRunsDF, c.want)
		}
	}
}

// TestTheFloorIsHonoured compares runs that differ by one per cent, beyond doubt.
func TestTheFloorIsHonoured(t *testing.T) {
	make := func(factor float64) *results.Run {
		return short(1, func(t *results.Trial) { t.Server.CPUUSPerRequest = factor * (10 + float64(t.Trial)*1e-4) })
	}
	for floor, want := range map[float64]compare.Verdict{0: compare.Worse, 0.005: compare.Worse, 0.02: compare.Same} {
		o := compare.Defaults()
		o.Floor, o.BetweenRuns = floor, map[results.Metric]float64{results.CPU: 0, results.Throughput: 0}
		r := must(t, make(1), make(1.01), o)
		if got := find(t, r, "hello", "sync", results.CPU); got.Verdict != want || r.Floor != floor {
			t.Errorf("a floor of %v: %s with %v, want %s", floor, got.Verdict, r.Floor, want)
		}
	}
}
