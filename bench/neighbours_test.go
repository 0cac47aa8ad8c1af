package bench

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dynobench/dyno/bench/measure"
	"github.com/dynobench/dyno/bench/meter"
	"github.com/dynobench/dyno/results"
)

// TestJudgeSide holds the judgement against figures: what others had, what a
// thread waited for, what a quota took; and what a server does to itself.
func TestJudgeSide(t *testing.T) {
	const s = time.Second
	on := func(threads time.Duration, cpus int) meter.HostUsage {
		return meter.HostUsage{CPUs: cpus, Wall: s, Threads: threads}
	}
	used := func(cpu, runnable time.Duration) meter.Usage {
		return meter.Usage{Wall: s, CPU: cpu, Runnable: runnable}
	}
	for name, test := range map[string]struct {
		side measure.Side
		want string // codes
	}{
		"alone":                         {measure.Side{Used: used(s, s), Ours: s, On: on(s, 1)}, ""},
		"a little":                      {measure.Side{Used: used(s/2, s/2), Ours: s / 2, On: on(s/2+50*time.Millisecond, 1)}, ""},
		"it wakes for each answer":      {measure.Side{Used: meter.Usage{Wall: s, CPU: s / 2, Runnable: s / 2, Voluntary: 60_000}, Ours: s / 2, On: on(s/2+130*time.Millisecond, 1)}, ""},
		"a thread took its count along": {measure.Side{Used: meter.Usage{Wall: s, CPU: s / 2, Runnable: s / 2, Voluntary: -60_000}, Ours: s / 2, On: on(s/2+130*time.Millisecond, 1)}, ""},
		"and so does a busy loop":       {measure.Side{Used: meter.Usage{Wall: s, CPU: s / 2, Runnable: s / 2, Voluntary: 600_000}, Ours: s / 2, On: on(s, 1)}, results.CodeForeignLoad},
		"a busy loop":                   {measure.Side{Used: used(s/2, s), Ours: s / 2, On: on(s, 1)}, results.CodeForeignLoad + " " + results.CodeRunDelay},
		"a busy loop that gives way":    {measure.Side{Used: used(s/2, s/2), Ours: s / 2, On: on(s, 1)}, results.CodeForeignLoad},
		"short and in the way":          {measure.Side{Used: used(s/2, s/2+40*time.Millisecond), Ours: s / 2, On: on(s/2+40*time.Millisecond, 1)}, results.CodeRunDelay},
		"many threads, one CPU":         {measure.Side{Used: used(s, s), Ours: s, On: on(s, 1)}, ""},
		"this process in between":       {measure.Side{Used: used(s/2, s/2+40*time.Millisecond), Ours: s/2 + 40*time.Millisecond, On: on(s/2+40*time.Millisecond, 1)}, ""},
		"interrupts in between":         {measure.Side{Used: used(s/2, s/2+40*time.Millisecond), Ours: s / 2, On: meter.HostUsage{CPUs: 1, Wall: s, Threads: s / 2, Away: 40 * time.Millisecond}}, ""},
		"a quota":                       {measure.Side{Used: used(s/5, s/5), Ours: s / 5, On: on(s/5, 1), Throttled: meter.Throttled{Group: "/g", CPUs: 0.2, For: 700 * time.Millisecond}}, results.CodeThrottled},
		"a quota that hardly was felt":  {measure.Side{Used: used(s/5, s/5), Ours: s / 5, On: on(s/5, 1), Throttled: meter.Throttled{Group: "/g", CPUs: 0.2, For: time.Millisecond}}, ""},
		"one CPU of eight":              {measure.Side{Used: used(s, s), Ours: s, On: on(2*s, 8)}, results.CodeForeignLoad},
		"it runs elsewhere":             {measure.Side{Used: used(2*s, s), Ours: 2 * s, On: on(s/2, 1)}, ""},
		"it was not read":               {measure.Side{On: on(s, 1)}, ""},
		"the readings drift apart":      {measure.Side{Used: meter.Usage{Wall: s, CPU: s, Runnable: s}, Ours: s, On: meter.HostUsage{CPUs: 1, Wall: s + 80*time.Millisecond, Threads: s + 80*time.Millisecond}}, ""},
		"a tree without its short ones": {measure.Side{Used: used(s/10, s/10), Ours: s / 10, On: on(s, 1)}, results.CodeForeignLoad},
	} {
		test.side.Name = "server"
		l := results.Load{Valid: true}
		judgeSide(&l, test.side, meter.Neighbour{PID: 7, Name: "make\x1b[31m", CPUs: 0.5})
		var codes []string
		for _, w := range l.Warnings {
			codes = append(codes, w.Code)
			if !w.Invalid || w.Measure == nil || !(w.Measure.Value > w.Measure.Limit) {
				t.Errorf("%s: %+v", name, w)
			}
			if w.Code != results.CodeThrottled && !strings.Contains(w.Hint, `"make\x1b[31m" (pid 7), with 50 %`) {
				t.Errorf("%s: the hint names nobody: %q", name, w.Hint)
			}
		}
		if got := strings.Join(codes, " "); got != test.want || l.Valid != (test.want == "") {
			t.Errorf("%s: valid %v, codes %q; want %q", name, l.Valid, got, test.want)
		}
		if trial := (&results.Trial{Load: l}); test.want != "" && !Disturbed(trial) {
			t.Errorf("%s: it is not measured again", name)
		}
	}
}

// A generator without a harness accuses others of what spoils its figures, and
// not the server's own helpers.
func TestJudgeAlone(t *testing.T) {
	const s = time.Second
	generator := func(waited time.Duration, threads time.Duration) measure.Side {
		return measure.Side{Name: "generator", Used: meter.Usage{Wall: s, CPU: s / 2, Runnable: s/2 + waited}, Ours: s / 2, On: meter.HostUsage{CPUs: 2, Wall: s, Threads: threads}}
	}
	server := func(waited time.Duration) measure.Side {
		return measure.Side{Name: "server", Used: meter.Usage{Wall: s, CPU: s / 4, Runnable: s/2 + waited}, Ours: s / 2, On: meter.HostUsage{CPUs: 2, Wall: s, Threads: s / 2}}
	}
	held := meter.Throttled{Group: "/g", CPUs: 0.1, For: s / 2}
	for name, test := range map[string]struct {
		seen  measure.AloneReading
		want  string
		valid bool
	}{
		"alone":                           {measure.AloneReading{Sides: []measure.Side{generator(0, s/2)}}, "", true},
		"others, and room for all":        {measure.AloneReading{Sides: []measure.Side{generator(0, s)}}, "", true},
		"others, and no room":             {measure.AloneReading{Sides: []measure.Side{generator(0, 2*s)}}, results.CodeForeignLoad, false},
		"no room, beside the server":      {measure.AloneReading{Local: true, Sides: []measure.Side{generator(0, 2*s)}}, results.CodeForeignLoad, true},
		"it had to wait":                  {measure.AloneReading{Local: true, Sides: []measure.Side{generator(s/10, s)}}, results.CodeRunDelay, false},
		"the server waited for somebody":  {measure.AloneReading{Local: true, Sides: []measure.Side{generator(0, s/2), server(s / 10)}}, results.CodeRunDelay, true},
		"a quota":                         {measure.AloneReading{Local: true, Held: held, Host: meter.HostUsage{Wall: s}}, results.CodeThrottled, false},
		"the server died":                 {measure.AloneReading{Local: true, Died: 7, Held: held, Host: meter.HostUsage{Wall: s}}, results.CodeServerDied, false},
		"short of memory":                 {measure.AloneReading{Host: meter.HostUsage{PSIMemorySomePct: 6, Wall: s}}, results.CodePressure, false},
		"steal":                           {measure.AloneReading{Host: meter.HostUsage{StealPct: 6}}, results.CodeSteal, false},
		"nobody knows who the server is":  {measure.AloneReading{Local: true}, "", true},
		"the server is held by its quota": {measure.AloneReading{Local: true, Sides: []measure.Side{generator(0, s/2), {Name: "server", Used: meter.Usage{Wall: s}, Ours: s, Throttled: held}}}, results.CodeThrottled, false},
	} {
		l := results.Load{Valid: true}
		JudgeAlone(&l, test.seen)
		var codes []string
		for _, w := range l.Warnings {
			codes = append(codes, w.Code)
		}
		if got := strings.Join(codes, " "); got != test.want || l.Valid != test.valid {
			t.Errorf("%s: valid %v, codes %q; want %v, %q", name, l.Valid, got, test.valid, test.want)
		}
	}
}

// TestForeignLoadErrors simulates what the kernel's ticks do to the judgement:
// idle and stolen time and interrupts in ticks of 10 ms of unknown phase, beside
// a background of half a per cent. No more than one trial in a hundred may be
// lost to them, and what is beyond the bound by as much again has to be seen.
func TestForeignLoadErrors(t *testing.T) {
	const trials = 4000
	for _, cpus := range []int{1, 2, 8} {
		for _, window := range []time.Duration{200 * time.Millisecond, time.Second, 10 * time.Second} {
			alarms := func(foreign float64) int {
				rng, n := rand.New(rand.NewPCG(7, uint64(cpus))), 0
				for range trials {
					l := results.Load{Valid: true}
					judgeSide(&l, simulated(rng, cpus, window, foreign), meter.Neighbour{})
					n += one(slices.ContainsFunc(l.Warnings, func(w results.Warning) bool { return w.Code == results.CodeForeignLoad }))
				}
				return n
			}
			if n := alarms(0.005); n > trials/100 {
				t.Errorf("%d CPUs, %v: %d of %d quiet trials are lost", cpus, window, n, trials)
			}
			twice := maxForeign + 2*foreignSlack.Seconds()/(window.Seconds()*math.Sqrt(float64(cpus)))
			if n := alarms(twice); n < trials*99/100 {
				t.Errorf("%d CPUs, %v: %.0f %% of foreign load were seen in %d of %d trials only", cpus, window, 100*twice, n, trials)
			}
		}
	}
}

// simulated is a side with a server of some load beside a foreign share of its
// CPUs.
func simulated(rng *rand.Rand, cpus int, window time.Duration, foreign float64) measure.Side {
	const tick = 10 * time.Millisecond
	a, b := meter.HostSample{CPUs: map[int]meter.CPUTime{}}, meter.HostSample{Time: window, CPUs: map[int]meter.CPUTime{}}
	own := time.Duration(0)
	for cpu := range cpus {
		const steal = 0.002
		share := rng.Float64() * (1 - foreign - steal) // of the CPU, by the server
		of := func(share float64) (before, after time.Duration) {
			phase := time.Duration(rng.Int64N(int64(tick)))
			return 0, (phase + time.Duration(share*float64(window))).Truncate(tick)
		}
		var before, after meter.CPUTime
		before.Idle, after.Idle = of(1 - foreign - share - steal)
		before.Steal, after.Steal = of(steal)
		a.CPUs[cpu], b.CPUs[cpu] = before, after
		own += time.Duration(share * float64(window))
	}
	return measure.Side{Name: "server", Used: meter.Usage{Wall: window, CPU: own}, Ours: own, On: b.Sub(a, nil)}
}
