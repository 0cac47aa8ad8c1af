package load

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/dynobench/dyno/bench/load/loadtest"
	"github.com/dynobench/dyno/bench/load/plan"
	"github.com/dynobench/dyno/bench/load/record"
	"github.com/dynobench/dyno/results"
)

// A run offers what the profile says when it says so: answers never outnumber
// what was due, and what was due longer ago than the longest latency is
// answered, whatever the host does to the run.
func TestRunFollowsTheProfile(t *testing.T) {
	eachGenerator(t, func(t *testing.T, generator string) {
		r := loadtest.Respond(t, "tcp", nil)
		for _, text := range []string{"100@200ms,2000@100ms", "1500..0", "0..1500"} {
			c := loadtest.Short(r)
			c.Generator, c.Model, c.Schedule, c.Duration, c.Threads = generator, plan.Open, text, 600*time.Millisecond, threadsOf(generator, 2)
			l := mustRun(t, c)
			if c, err := c.WithDefaults(); err != nil || l.RateProfile != text || l.RateRPS != c.Rate || math.Abs(l.RateRPS*l.DurationS-float64(due(t, c, l))) > 1e-6 {
				t.Errorf("%s: stored %s at %v/s on average, %d were due, %v", text, l.RateProfile, l.RateRPS, due(t, c, l), err)
			}
			if got, want := l.Requests+l.Errors.Total(), due(t, c, l); got != want {
				t.Errorf("%s: %d requests accounted for, %d were due", text, got, want)
			}
			c, _ = c.WithDefaults()
			longest := time.Duration(1.01 * l.LatencyUS.Max * 1e3)
			done := int64(0)
			for i, p := range l.Series {
				done += p.Done
				edge := time.Duration(int64(i+1) * record.SeriesStep)
				least, most := count(&c, max(0, edge-longest))[0], count(&c, edge)[0]
				if done > int64(most) || done+l.Errors.Total()+int64(c.Connections) < int64(least) {
					t.Errorf("%s: %d answers in the first %v, expected %d to %d", text, done, edge, least, most)
				}
			}
		}
	})
}

func TestRunPlaysTheTrace(t *testing.T) {
	eachGenerator(t, func(t *testing.T, generator string) {
		r := loadtest.Respond(t, "tcp", nil)
		trace, err := plan.ReadTrace("t", strings.NewReader("0\n"+strings.Repeat("0.1 slow\n", 50)+strings.Repeat("0.2 fast\n", 30)))
		if err != nil {
			t.Fatal(err)
		}
		c := loadtest.Short(r)
		c.Generator, c.Model, c.Arrivals, c.Trace, c.Duration, c.Threads = generator, plan.Open, plan.Recorded, trace, time.Hour, threadsOf(generator, 3)
		c.Warmup = 150 * time.Millisecond
		c.Requests = []plan.Request{{Class: "fast", Path: "/a", Length: 13}, {Class: "slow", Path: "/b", Length: 13}}
		l := mustRun(t, c)
		if l.Arrivals != "recorded" || l.DurationS != 0.2025 || math.Abs(l.RateRPS*l.DurationS-81) > 1e-9 {
			t.Errorf("%s arrivals, %v/s for %v s", l.Arrivals, l.RateRPS, l.DurationS)
		}
		fast, slow := l.Classes[0].Requests+l.Errors.Unsent, l.Classes[1].Requests+l.Errors.Unsent
		if l.Requests+l.Errors.Total() != 81 || l.Errors.Total() != l.Errors.Unsent || fast < 30 || slow < 50 {
			t.Errorf("%d answers, %+v; %d fast, %d slow", l.Requests, l.Errors, fast, slow)
		}
	})
}

func TestJudgeFollowing(t *testing.T) {
	for _, test := range []struct {
		name   string
		answer func(i int, due float64) float64 // in step i of 30
		fires  bool
	}{
		{"all", func(_ int, due float64) float64 { return due }, false},
		{"late by a step", func(i int, due float64) float64 { return due - 20 }, false},
		{"fewer at the end", func(i int, due float64) float64 { return due * (1 - float64(i)/60) }, true},
		{"a constant rate", func(int, float64) float64 { return 255 }, true},
		{"nothing", func(int, float64) float64 { return 0 }, false},
	} {
		c := &plan.Config{Model: plan.Open, Arrivals: plan.Constant, Seed: 1, Requests: []plan.Request{{Weight: 1}}}
		c.Schedule, c.Duration = "100..5000", 3100*time.Millisecond
		if err := c.LayOut(); err != nil {
			t.Fatal(err)
		}
		l := &results.Load{Series: make([]results.Point, 31)}
		for i := range l.Series {
			from := time.Duration(int64(i) * record.SeriesStep)
			l.Series[i].Done = int64(max(0, test.answer(i, c.Expected(from+time.Duration(record.SeriesStep))-c.Expected(from))))
		}
		fired := false
		judgeStationary(l, c, func(code, _, format string, a ...any) *results.Warning {
			fired = code == results.CodeNotStationary
			return new(results.Warning)
		})
		if fired != test.fires {
			t.Errorf("%s: fired %v", test.name, fired)
		}
	}
}

// count is the number of arrivals before each of the edges.
func count(c *plan.Config, edges ...time.Duration) []int {
	s := plan.NewTimetable(c, 0, 0, 1)
	counts, n := make([]int, len(edges)), 0
	for i, edge := range edges {
		for due, _ := s.Due(); due < int64(edge); due, _ = s.Due() {
			n++
			s.Next()
		}
		counts[i] = n
	}
	return counts
}
