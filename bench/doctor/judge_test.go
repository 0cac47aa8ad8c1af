package doctor

import (
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/dynobench/dyno/bench/measure"
	"github.com/dynobench/dyno/bench/meter"
	"github.com/dynobench/dyno/results"
)

// healthy is a host on which nothing is wrong.
func healthy() (facts, *measurements) {
	f := facts{
		env: results.Environment{
			OS: "linux", Arch: "amd64", Kernel: "6.1.0", CPUModel: "Some CPU", CPUs: 8,
			ServerCPUs: []int{0, 1}, GeneratorCPUs: []int{2, 3}, ClockSource: "tsc", Governor: "performance", OpenFiles: 1 << 20, SoMaxConn: 4096,
		},
		limits: limits{
			OpenFilesHard: 1 << 20, FirstPort: 1024, LastPort: 65535, TimeWaitReuse: "2", CongestionControl: "cubic",
			IOUringDisabled: "0", FreeBytes: 8 << 30, Turbo: "off",
		},
	}
	m := &measurements{
		calm:  []look{{busyPct: 1}, {busyPct: 0.5}},
		floor: answered(saw{p50: 30, p99: 60}),
		ceiling: []seen{
			answered(saw{rps: 100_000, cpu: 7, busy: 0.99, server: 0.9}), answered(saw{rps: 101_000, cpu: 7, busy: 0.99, server: 0.9}),
			answered(saw{rps: 99_000, cpu: 7, busy: 0.99, server: 0.9}),
		},
		native: answered(saw{p50: 40}), vegeta: answered(saw{p50: 100}),
	}
	for _, rate := range pacingRates {
		m.pacing = append(m.pacing, answered(saw{rate: rate, lag: 40, p50: 40, p99: 90}))
	}
	m.freeze = froze(time.Second, 1)
	return f, m
}

// saw is what a run of a generator saw, in the words of the tests below.
type saw struct {
	rps, cpu, busy, server float64
	rate, lag              float64 // µs, p99
	p50, p99               float64 // µs
}

// calm is a histogram of latencies of 40 µs. Encoding one takes long under the
// race detector.
var calm = sync.OnceValue(func() string {
	h := results.NewHistogram()
	for range 2000 {
		results.RecordNS(h, 40e3)
	}
	return encode(h)
})

func encode(h *hdrhistogram.Histogram) string {
	s, err := results.EncodeHistogram(h)
	if err != nil {
		panic(err)
	}
	return s
}

// waited are histograms of freeze tests.
var waited sync.Map

func answered(l saw) seen {
	q := results.Quantiles{P50: l.p50, P99: l.p99}
	return seen{server: l.server, Reading: measure.Reading{
		Used: meter.Usage{Wall: time.Second}, Host: meter.HostUsage{HasPSI: true},
		Load: results.Load{
			Schema: results.LoadSchema, RateRPS: l.rate, DurationS: 1, Requests: int64(l.rate), ThroughputRPS: l.rps, Histogram: calm(),
			LatencyUS: q, ServiceUS: q, GeneratorLagUS: results.Quantiles{P50: l.lag / 2, P99: l.lag},
			GeneratorCPUUSPerRequest: l.cpu, GeneratorCPUUtilisation: l.busy,
		},
	}}
}

// froze is a freeze test of four seconds in which requests waited for a share
// of what they had to.
func froze(length time.Duration, share float64) seen {
	type key struct {
		length time.Duration
		share  float64
	}
	s := answered(saw{rate: freezeRate, p50: 40})
	s.Load.DurationS, s.Load.Requests, s.frozen = 4, 4*int64(freezeRate), length
	if h, ok := waited.Load(key{length, share}); ok {
		s.Load.Histogram = h.(string)
		return s
	}
	h := results.NewHistogram()
	due := make([]time.Duration, 4*int(freezeRate))
	for i := range due {
		due[i] = time.Duration(i) * time.Second / time.Duration(freezeRate)
	}
	for _, w := range Waits(due, time.Second, length, 10*time.Microsecond) {
		results.RecordNS(h, int64(40*time.Microsecond)+int64(share*float64(w)))
	}
	s.Load.Histogram = encode(h)
	waited.Store(key{length, share}, s.Load.Histogram)
	return s
}

func TestJudge(t *testing.T) {
	for name, test := range map[string]struct {
		change  func(*facts, *measurements)
		code    string
		level   string
		verdict string
		says    string // in the message, the hint or the limit
	}{
		"healthy": {func(*facts, *measurements) {}, CodeCeiling, results.LevelOK, results.Fit, "the generator was busy|both were at their end"},
		"null was the limit": {func(_ *facts, m *measurements) {
			for i := range m.ceiling {
				m.ceiling[i].server, m.ceiling[i].Load.GeneratorCPUUtilisation = 0.99, 0.5
			}
		}, CodeCeiling, results.LevelOK, results.Fit, "good for about 200,000/s"},
		"neither was the limit": {func(_ *facts, m *measurements) {
			for i := range m.ceiling {
				m.ceiling[i].server, m.ceiling[i].Load.GeneratorCPUUtilisation = 0.3, 0.3
			}
		}, CodeCeiling, results.LevelNote, results.FitWithLimits, "something else took their CPUs"},
		"errors": {func(_ *facts, m *measurements) { m.floor.Load.Errors.Read = 3 }, CodeAnswers, results.LevelProblem, results.NotFit, ""},
		"noise": {func(_ *facts, m *measurements) { m.ceiling[0].Load.ThroughputRPS = 80_000 }, CodeResolution, results.LevelNote, results.FitWithLimits,
			"drown in noise"},
		"a slow tail": {func(_ *facts, m *measurements) { m.floor.Load.LatencyUS.P99 = 2500 }, CodeFloor, results.LevelNote, results.FitWithLimits, "below 2.50 ms"},
		"late at the lowest rate": {func(_ *facts, m *measurements) { m.pacing[0].Load.GeneratorLagUS.P99 = 1500 }, CodePacing, results.LevelProblem,
			results.NotFit, ""},
		"late at the highest rate": {func(_ *facts, m *measurements) { m.pacing[2].Load.GeneratorLagUS.P99 = 1500 }, CodePacing, results.LevelNote,
			results.FitWithLimits, "no open loop at 50,000/s"},
		"a little late": {func(_ *facts, m *measurements) { m.pacing[1].Load.GeneratorLagUS.P99 = 150 }, CodePacing, results.LevelNote,
			results.FitWithLimits, "leave 150 µs late"},
		"the rate was not kept": {func(_ *facts, m *measurements) { m.pacing[2].Load.Requests = 45_000 }, CodePacing, results.LevelNote,
			results.FitWithLimits, "90 % of the rate"},
		"the freeze is hidden": {func(_ *facts, m *measurements) { m.freeze = froze(time.Second, 0.01) }, CodeFreeze, results.LevelProblem, results.NotFit, "p90"},
		"a twentieth of the freeze is missing": {func(_ *facts, m *measurements) { m.freeze = froze(time.Second, 0.95) }, CodeFreeze, results.LevelProblem, results.NotFit,
			"p99 91"},
		"off, but so is the host": {func(_ *facts, m *measurements) {
			m.freeze = froze(time.Second, 0.95)
			m.freeze.unsure = 50 * time.Millisecond
		}, CodeFreeze, results.LevelNote, results.Fit, "own noise"},
		"requests lost": {func(_ *facts, m *measurements) { m.freeze.Load.DurationS = 4.5 }, CodeFreeze, results.LevelProblem, results.NotFit,
			"500 more requests were due"},
		"no freeze": {func(_ *facts, m *measurements) { m.freeze.frozen = 0 }, CodeFreeze, results.LevelProblem, results.NotFit, "could not be stopped"},
		"vegeta's stamps": {func(_ *facts, m *measurements) {
			v := froze(time.Second, 1)
			v.Load.ServiceUS.P90 = 300
			m.vegetaFreeze = &v
		}, CodeVegeta, results.LevelOK, results.Fit, "it is 6"},
		"generators disagree": {func(_ *facts, m *measurements) { m.vegeta.Load.ServiceUS.P50 = 20 }, CodeAgreement, results.LevelNote, results.Fit, ""},
		"too few to compare":  {func(_ *facts, m *measurements) { m.vegeta.Load.ServiceUS.P50 = 0 }, CodeAgreement, results.LevelNote, results.Fit, ""},
		"steal":               {func(_ *facts, m *measurements) { steal(m, 6) }, CodeSteal, results.LevelProblem, results.NotFit, ""},
		"some steal":          {func(_ *facts, m *measurements) { steal(m, 2) }, CodeSteal, results.LevelNote, results.FitWithLimits, "run again"},
		"pressure":            {func(_ *facts, m *measurements) { m.floor.Host.PSICPUSomePct = 1000 }, CodePressure, results.LevelNote, results.Fit, ""},
		"another load":        {func(_ *facts, m *measurements) { m.calm[1].busyPct = 30 }, CodeOthers, results.LevelProblem, results.NotFit, "top"},
		"one while it measured": {func(_ *facts, m *measurements) {
			m.floor.Sides = []measure.Side{{Name: "server", Used: meter.Usage{Wall: time.Second, CPU: time.Second / 2}, Ours: time.Second / 2, On: meter.HostUsage{CPUs: 1, Wall: time.Second, Threads: time.Second}}}
			m.floor.Busiest = meter.Neighbour{PID: 7, Name: "loop"}
		}, CodeOthers, results.LevelProblem, results.NotFit, "\"loop\" (pid 7)"},
		"a small one":             {func(_ *facts, m *measurements) { m.calm[0].busyPct = 4 }, CodeOthers, results.LevelNote, results.FitWithLimits, "4.0 %"},
		"one CPU":                 {func(f *facts, _ *measurements) { f.env.CPUsShared = true }, CodeCPUs, results.LevelNote, results.FitWithLimits, "per request only"},
		"one core":                {func(f *facts, _ *measurements) { f.env.CPUsOneCore = true }, CodeCPUs, results.LevelNote, results.FitWithLimits, "siblings"},
		"a CPU each":              {func(f *facts, _ *measurements) { f.env.ServerCPUs = []int{0} }, CodeCPUs, results.LevelOK, results.Fit, "a CPU each"},
		"a quota below":           {func(f *facts, _ *measurements) { f.limits.QuotaCPUs = 1.5 }, CodeQuota, results.LevelProblem, results.NotFit, "4 CPUs"},
		"a quota above":           {func(f *facts, _ *measurements) { f.limits.QuotaCPUs = 6 }, CodeQuota, results.LevelOK, results.Fit, ""},
		"virtual":                 {func(f *facts, _ *measurements) { f.env.Virtual = "KVM" }, CodeVirtual, results.LevelNote, results.Fit, ""},
		"a slow clock":            {func(f *facts, _ *measurements) { f.env.ClockSource = "hpet" }, CodeClock, results.LevelProblem, results.NotFit, "tsc"},
		"an unknown clock":        {func(f *facts, _ *measurements) { f.env.ClockSource = "sundial" }, CodeClock, results.LevelNote, results.Fit, ""},
		"no clock":                {func(f *facts, _ *measurements) { f.env.ClockSource = "" }, CodeClock, results.LevelNote, results.Fit, ""},
		"powersave":               {func(f *facts, _ *measurements) { f.env.Governor = "powersave" }, CodeGovernor, results.LevelNote, results.Fit, "cpupower"},
		"turbo":                   {func(f *facts, _ *measurements) { f.limits.Turbo = "on" }, CodeGovernor, results.LevelNote, results.Fit, "Turbo"},
		"no governor":             {func(f *facts, _ *measurements) { f.env.Governor = "" }, CodeGovernor, results.LevelOK, results.Fit, ""},
		"an old kernel":           {func(f *facts, _ *measurements) { f.env.Kernel = "5.10.0-28-amd64" }, CodeKernel, results.LevelNote, results.FitWithLimits, "milliseconds"},
		"little memory":           {func(f *facts, _ *measurements) { f.limits.FreeBytes = 1 << 20 }, CodeMemory, results.LevelNote, results.Fit, ""},
		"swapped out":             {func(f *facts, _ *measurements) { f.limits.SwapUsedBytes = 1 << 20 }, CodeMemory, results.LevelNote, results.Fit, "1.00 MiB"},
		"nearly no files":         {func(f *facts, _ *measurements) { f.env.OpenFiles = 256 }, CodeOpenFiles, results.LevelProblem, results.NotFit, "ulimit"},
		"few files":               {func(f *facts, _ *measurements) { f.env.OpenFiles = 1024 }, CodeOpenFiles, results.LevelNote, results.FitWithLimits, "900 connections"},
		"few ports":               {func(f *facts, _ *measurements) { f.limits.FirstPort = 60_000 }, CodePorts, results.LevelNote, results.FitWithLimits, "5,536"},
		"a short backlog":         {func(f *facts, _ *measurements) { f.env.SoMaxConn = 128 }, CodeBacklog, results.LevelNote, results.FitWithLimits, "128"},
		"ports rest":              {func(f *facts, _ *measurements) { f.limits.TimeWaitReuse = "0" }, CodeTimeWait, results.LevelNote, results.Fit, ""},
		"bbr":                     {func(f *facts, _ *measurements) { f.limits.CongestionControl = "bbr" }, CodeCongestion, results.LevelNote, results.Fit, "cubic"},
		"io_uring is not allowed": {func(f *facts, _ *measurements) { f.limits.IOUringDisabled = "2" }, CodeIOUring, results.LevelNote, results.Fit, ""},
		"settings of Go":          {func(f *facts, _ *measurements) { f.env.Variables = []string{"GOGC=off"} }, CodeVariables, results.LevelNote, results.Fit, ""},
	} {
		f, m := healthy()
		test.change(&f, m)
		findings := judge(f, m)
		word, sentence := verdict(findings)
		found := slices.ContainsFunc(findings, func(f results.Finding) bool {
			text := f.Message + " " + f.Hint + " " + f.Limit
			says := test.says == "" || slices.ContainsFunc(strings.Split(test.says, "|"), func(s string) bool { return strings.Contains(text, s) })
			return f.Code == test.code && f.Level == test.level && says
		})
		if !found || word != test.verdict {
			t.Errorf("%s: verdict %s (%s); want %s and %s as %s saying %q among %+v", name, word, sentence, test.verdict, test.code, test.level, test.says, findings)
		}
		for _, f := range findings {
			if f.Level == results.LevelProblem && f.Hint == "" {
				t.Errorf("%s: problem %s without what to do", name, f.Code)
			}
			if f.Level == results.LevelOK && f.Limit != "" {
				t.Errorf("%s: %s is ok and a limit", name, f.Code)
			}
			if f.Message == "" || f.Value == nil && f.Text == "" {
				t.Errorf("%s: %s says nothing: %+v", name, f.Code, f)
			}
		}
	}
}

func steal(m *measurements, pct float64) {
	m.floor.Host.StealPct, m.native.Host.StealPct = pct, pct
	for i := range m.ceiling {
		m.ceiling[i].Host.StealPct = pct
	}
	for i := range m.pacing {
		m.pacing[i].Host.StealPct = pct
	}
}

func TestResolution(t *testing.T) {
	if x := resolution([]float64{100, 100, 100}); x != 0 {
		t.Errorf("equal windows resolve %v, want 0", x)
	}
	// Logarithms −s, 0 and s have the standard deviation s.
	const s = 0.05
	windows := []float64{math.Exp(-s), 1, math.Exp(s)}
	if x, want := resolution(windows), math.Expm1(student*s*math.Sqrt(2.0/3)); math.Abs(x-want) > 1e-12 {
		t.Errorf("resolution %v, want %v", x, want)
	}
	if x := resolution([]float64{1}); !math.IsNaN(x) {
		t.Errorf("one window resolves %v; it tells nothing", x)
	}
}

func TestAtLeast(t *testing.T) {
	for release, want := range map[string]bool{
		"5.11.0": true, "5.10.0-28": false, "6.1": true, "4.19.0": false, "5.11-rc1": true, "weird": true, "10.0.1": true, "5.9": false, "5": true,
	} {
		if got := atLeast(release, 5, 11); got != want {
			t.Errorf("%s is at least 5.11: %v, want %v", release, got, want)
		}
	}
}

// What is tolerated is told, and no reason to be unfit.
func TestTolerate(t *testing.T) {
	f, m := healthy()
	steal(m, 6)
	m.calm[1].busyPct = 30
	found := judge(f, m)
	tolerate(found, []string{CodeSteal})
	if word, text := verdict(found); word != results.NotFit || strings.Contains(text, CodeSteal) || !strings.Contains(text, CodeOthers) {
		t.Errorf("%s: %s", word, text)
	}
	tolerate(found, []string{CodeSteal, CodeOthers})
	if word, text := verdict(found); word != results.FitWithLimits {
		t.Errorf("%s: %s", word, text)
	}
}
