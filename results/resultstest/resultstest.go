// Package resultstest makes runs that look like measured ones: ten servers
// under a few scenarios, with real histograms, series, warnings and gaps, the
// same ones for the same options. Tests of what reads a run start from here.
package resultstest

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/dynobench/dyno/results"
)

// Options says which run. The zero value is a run of ten targets and four
// scenarios with three trials each, a few of them invalid.
type Options struct {
	Seed      uint64   // of the noise
	Trials    int      // per scenario and target; 0 is 3
	Scenarios []string // of hello, wait, mixed, hello-rate; empty is all
	Targets   []string // of the ten; empty is all
	NoInvalid bool     // leave every trial valid
	Noise     float64  // sd between trials on the log scale; 0 is 0.02
	Between   float64  // sd of what all trials of the run share, per target and metric

	// Slower multiplies what a target costs: "eventloop": 1.5 takes half as
	// much CPU again per request and answers as many fewer.
	Slower map[string]float64
}

// server is what a target is like in truth.
type server struct {
	name, kind, spec string
	cpu              float64 // µs per request
	slots            int     // requests in flight; 0 is unbounded
	memory           float64 // MiB
	tail             float64 // how much heavier than lognormal
	threads          int
	processes        int
}

var servers = []server{
	{"eventloop", "engine", "eventloop", 8.4, 1, 14, 0.6, 6, 1},
	{"goroutine", "engine", "goroutine", 9.6, 0, 19, 0.8, 8, 1},
	{"pool", "engine", "pool,workers=64", 10.1, 64, 18, 0.8, 8, 1},
	{"prefork", "engine", "prefork:sync,processes=4", 14.2, 4, 52, 1.1, 28, 5},
	{"threads", "engine", "threads,threads=64", 12.7, 64, 21, 1.3, 70, 1},
	{"sync", "engine", "sync", 26, 1, 12, 1.2, 5, 1},
	{"fasthttp", "yardstick", "fasthttp", 10.2, 0, 20, 0.7, 8, 1},
	{"nethttp", "yardstick", "nethttp", 28.9, 0, 27, 1.0, 9, 1},
	{"null", "yardstick", "null", 6.8, 0, 9, 0.5, 5, 1},
	{"uwsgi-gevent", "outside", "", 96, 0, 64, 1.6, 1, 1},
}

var scenarios = []results.PlanScenario{
	{Name: "hello", Summary: "the shortest answer, 64 connections at once", Model: "closed", Connections: 64, DurationS: 5,
		Shows: "what an engine itself costs per request, because the app costs next to nothing"},
	{Name: "wait", Summary: "10 ms of waiting per request, 256 connections", Model: "closed", Connections: 256, DurationS: 5,
		Shows: "which engines hold many requests in flight at once and which hand out slots"},
	{Name: "mixed", Summary: "one slow request in a hundred among fast ones", Model: "open", Arrivals: "poisson", RateRPS: 2000, Connections: 64, DurationS: 5, Classes: []string{"fast", "slow"},
		Shows: "the p99 of the fast class tells which engines let a slow request hold up the others"},
	{Name: "hello-rate", Summary: "the shortest answer at a fixed rate", Model: "open", Arrivals: "constant", RateRPS: 5000, Connections: 64, DurationS: 5,
		Shows: "latency at equal work, below the knee of every target"},
}

// Run returns the run that o describes.
func Run(o Options) *results.Run {
	if o.Trials == 0 {
		o.Trials = 3
	}
	if o.Noise == 0 {
		o.Noise = 0.02
	}
	m := maker{o: o, r: rand.New(rand.NewPCG(o.Seed, 7))}
	run := &results.Run{
		Schema: results.RunSchema, ID: "20260302-101500-k7wm", Created: time.Date(2026, 3, 2, 10, 15, 0, 0, time.UTC),
		Dyno: results.Build{Version: "0.1.0", Commit: "4f1c2ab9d0e3", Go: "go1.26.0"},
		Environment: results.Environment{OS: "linux", Arch: "amd64", Kernel: "6.1.0-28-amd64", CPUModel: "AMD EPYC 7763 64-Core Processor",
			CPUs: 2, ServerCPUs: []int{0}, GeneratorCPUs: []int{1}, MemoryBytes: 8 << 30, Virtual: "kvm", ClockSource: "kvm-clock",
			OpenFiles: 65536, SoMaxConn: 4096, Variables: []string{"GOMAXPROCS=1"}},
		Plan: results.Plan{Command: []string{"dyno", "run", "hello", "mixed", "--seed", "4711"}, Seed: 4711, Trials: o.Trials, Generator: "native",
			Skipped: []results.Skip{{Target: "uwsgi-prefork", Reason: "uwsgi is not installed", Hint: "make peers"}}},
	}
	chosen := pick(servers, o.Targets, func(s server) string { return s.name })
	for _, s := range chosen {
		run.Plan.Targets = append(run.Plan.Targets, results.PlanTarget{Name: s.name, Kind: s.kind, Spec: s.spec, Command: command(s, "{addr}")})
	}
	run.Plan.Scenarios = pick(scenarios, o.Scenarios, func(s results.PlanScenario) string { return s.Name })
	for i := range run.Plan.Scenarios {
		run.Plan.Scenarios[i].Definition = "name: " + run.Plan.Scenarios[i].Name + "\n"
	}
	for _, sc := range run.Plan.Scenarios {
		shared := map[string][2]float64{}
		for _, s := range chosen {
			shared[s.name] = [2]float64{m.noise(o.Between), m.noise(o.Between)}
		}
		for trial := 1; trial <= o.Trials; trial++ {
			for _, i := range m.r.Perm(len(chosen)) {
				t := m.trial(sc, chosen[i], shared[chosen[i].name])
				t.Trial, t.Order = trial, len(run.Trials)+1
				t.Started = run.Created.Add(time.Duration(len(run.Trials)) * 7 * time.Second)
				if !o.NoInvalid {
					m.spoil(&t)
				}
				run.Trials = append(run.Trials, t)
			}
		}
	}
	run.Plan.Planned, run.Finished = run.Plan.Count(), run.Created.Add(time.Duration(len(run.Trials))*7*time.Second)
	return run
}

// pick returns those of all that are named, all if none is.
func pick[T any](all []T, names []string, name func(T) string) []T {
	if len(names) == 0 {
		return append([]T(nil), all...)
	}
	var chosen []T
	for _, n := range names {
		for _, a := range all {
			if name(a) == n {
				chosen = append(chosen, a)
			}
		}
	}
	return chosen
}

func command(s server, addr string) []string {
	if s.kind == "outside" {
		return []string{"uwsgi", "--http-socket", addr, "--gevent", "64", "--wsgi-file", "scenarios/apps/wsgi/bench.py"}
	}
	return []string{"dyno", "serve", "--engine", s.spec, "--listen", addr}
}

type maker struct {
	o Options
	r *rand.Rand
}

// noise returns a factor around 1 with the sd on the log scale.
func (m *maker) noise(sd float64) float64 { return math.Exp(m.r.NormFloat64() * sd) }

func (m *maker) trial(sc results.PlanScenario, s server, shared [2]float64) results.Trial {
	slower := 1.0
	if f := m.o.Slower[s.name]; f != 0 {
		slower = f
	}
	cpu := s.cpu * slower * shared[0] * m.noise(m.o.Noise)
	rate := 1e6 / cpu * 0.97 / shared[1] * m.noise(m.o.Noise)
	median, sigma := float64(sc.Connections)/rate*1e6, 0.18*s.tail
	var classes []class
	switch sc.Name {
	case "wait":
		ceiling := float64(sc.Connections) / 0.0101
		if s.slots > 0 {
			ceiling = min(ceiling, float64(s.slots)/0.0101)
		}
		rate = min(rate, ceiling) * m.noise(m.o.Noise/4)
		median, sigma = float64(sc.Connections)/rate*1e6, 0.01
	case "mixed":
		rate = sc.RateRPS * m.noise(0.0003)
		held := 1.0
		if s.slots > 0 && s.slots < 8 {
			held = 400 / math.Sqrt(float64(s.slots))
		}
		median, sigma = 90+4*s.cpu, 0.25
		classes = []class{{"fast", 0.99, median, sigma, held}, {"slow", 0.01, 51e3, 0.02, 1 + held/40}}
	case "hello-rate":
		rate = sc.RateRPS * m.noise(0.0002)
		median = (60 + 5*s.cpu) * m.noise(m.o.Noise)
		sigma = 0.25 * s.tail
	}
	requests := int64(rate * sc.DurationS)
	if classes == nil {
		classes = []class{{"", 1, median, sigma, s.tail}}
	}

	l := results.Load{
		Schema: results.LoadSchema, URL: "http://127.0.0.1:41234/hello", Generator: "native", Model: sc.Model, Arrivals: sc.Arrivals, Seed: 4711,
		Connections: sc.Connections, Threads: 1, RateRPS: sc.RateRPS, WarmupS: 1.2, DurationS: sc.DurationS,
		Requests: requests, BytesRead: requests * 132, ThroughputRPS: float64(requests) / sc.DurationS,
		GeneratorCPUUSPerRequest: 3.1 * m.noise(0.02), GeneratorCPUUtilisation: min(0.8, rate*3.1e-6), Valid: true,
		Connection: results.Fairness{Min: requests / int64(sc.Connections) * 9 / 10, P50: requests / int64(sc.Connections), Max: requests / int64(sc.Connections) * 11 / 10},
	}
	var all *hdrhistogram.Histogram
	for _, c := range classes {
		h := c.histogram(int64(float64(requests)*c.share), m.noise(m.o.Noise))
		if c.name == "" {
			all = h // the only one: a merge takes its time
		} else {
			if all == nil {
				all = results.NewHistogram()
			}
			all.Merge(h)
			l.Classes = append(l.Classes, results.ClassStats{Class: c.name, Requests: h.TotalCount(), LatencyUS: results.QuantilesOf(h), Histogram: encode(h)})
		}
	}
	l.LatencyUS, l.Histogram = results.QuantilesOf(all), encode(all)
	l.ServiceUS = l.LatencyUS
	l.SendLagUS = results.Quantiles{Mean: 3, P50: 2, P99: 9, Max: 41}
	for i := range int(sc.DurationS * 10) {
		p := results.Point{TS: float64(i) / 10, Done: requests / int64(sc.DurationS*10), P50US: l.LatencyUS.P50 * m.noise(0.05)}
		if l.LatencyUS.P99 > 0 && p.Done >= 1000/10 {
			p.P99US = l.LatencyUS.P99 * m.noise(0.15)
		}
		p.MaxUS = l.LatencyUS.Max * m.noise(0.3)
		l.Series = append(l.Series, p)
	}
	if sc.Model == "open" {
		cpu *= 1.35
	}
	total := cpu * float64(requests) / 1e6
	return results.Trial{
		Load: l, Scenario: sc.Name, Target: s.name, Spec: s.spec, Protocol: "http",
		ServerCommand: command(s, "127.0.0.1:41234"),
		LoadCommand:   []string{"dyno", "load", l.URL, "-c", fmt.Sprint(sc.Connections), "-d", fmt.Sprintf("%gs", sc.DurationS), "--json"},
		Server: results.Server{CPUUSPerRequest: cpu, CPUS: total, CPUUserS: total * 0.35, CPUSystemS: total * 0.65,
			RSSPeakBytes: int64(s.memory * m.noise(0.01) * (1 << 20)), ThreadsPeak: s.threads, ProcessesPeak: s.processes,
			CtxSwitchesVoluntary: requests / 20, CtxSwitchesInvoluntary: requests / 900},
		Host: results.Host{StealPct: 0.4},
	}
}

// spoil makes some trials invalid, as a shared machine and a server with a
// fault do.
func (m *maker) spoil(t *results.Trial) {
	switch {
	case t.Scenario == "hello" && t.Target == "pool" && t.Trial == 2:
		t.Host.StealPct = 7.3
		t.Warn(results.Warning{Code: "steal", Message: "7.3 % of the CPU time was stolen by the host, 5 % is the limit", Hint: "repeat when the host is quieter", Invalid: true, Measure: results.Above(7.3, 5, "%")})
	case t.Scenario == "wait" && t.Target == "uwsgi-gevent":
		t.Errors.Read, t.Errors.Timeout = 212, 31
		t.Warn(results.Warning{Code: "errors", Message: fmt.Sprintf("243 of %d requests failed: 212 read, 31 timeout", t.Requests), Hint: "dyno check uwsgi-gevent", Invalid: true, Measure: results.Above(24300/float64(t.Requests), 0.1, "%")})
	case t.Scenario == "wait" && t.Target == "sync" && t.Trial == 1:
		t.Connection.Starved = 12
		t.Warn(results.Warning{Code: "starvation", Message: "12 of 256 connections got no answer", Hint: "sync serves one connection at a time", Measure: results.Above(12, 0, "connections")})
	}
}

// class is a lognormal body with a tail of the Pareto kind.
type class struct {
	name          string
	share         float64
	median, sigma float64 // µs and log scale
	tail          float64
}

// histogram returns n latencies at their expected places rather than drawn, so
// that it is quick and smooth; a factor shifts all of them.
func (c class) histogram(n int64, factor float64) *hdrhistogram.Histogram {
	h := results.NewHistogram()
	beyond, left := 1.0, n
	for left > 0 {
		next := beyond * 0.97
		k := int64(math.Round(float64(n)*beyond)) - int64(math.Round(float64(n)*next))
		if k = min(max(k, 1), left); beyond*float64(n) < 2 {
			k = left
		}
		u := (beyond + next) / 2
		us := c.median * factor * math.Exp(c.sigma*math.Sqrt2*math.Erfinv(1-2*u))
		us *= 1 + c.tail*0.02*(1/math.Sqrt(u)-1)
		h.RecordValues(int64(us*1e3), k) //nolint:errcheck // far below an hour
		left -= k
		beyond = next
	}
	return h
}

func encode(h *hdrhistogram.Histogram) string {
	s, err := results.EncodeHistogram(h)
	if err != nil {
		panic(err) // a histogram of dyno's own always encodes
	}
	return s
}
