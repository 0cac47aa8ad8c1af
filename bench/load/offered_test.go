package load

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dynobench/dyno/results"
)

// shaped is scheduled with a profile, over 10 s.
func shaped(t testing.TB, arrivals Arrivals, text string, seed uint64, weights ...int) *Config {
	t.Helper()
	c := scheduled(arrivals, 0, seed, weights...)
	c.Schedule = text
	if err := c.layOut(); err != nil {
		t.Fatal(err)
	}
	return c
}

// evenly is a trace of n arrivals, a millisecond apart.
func evenly(n int) *Trace {
	t := &Trace{name: "even"}
	for k := range n {
		t.due = append(t.due, int64(k)*1e6)
	}
	return t
}

// count is the number of arrivals before each of the edges.
func count(c *Config, edges ...time.Duration) []int {
	s := newSchedule(c, 0, 0, 1)
	counts, n := make([]int, len(edges)), 0
	for i, edge := range edges {
		for due, _ := s.due(); due < int64(edge); due, _ = s.due() {
			n++
			s.next()
		}
		counts[i] = n
	}
	return counts
}

func TestPlainRateIsAConstantOne(t *testing.T) {
	for _, text := range []string{"2000", "2k", "2000@3s,2000@1s"} {
		c := shaped(t, Poisson, text, 3, 1)
		if c.Rate != 2000 || c.Schedule != "" || c.curve != nil {
			t.Errorf("%s: rate %v, profile %q", text, c.Rate, c.Schedule)
		}
		if !slices.Equal(take(newSchedule(c, 0, 0, 1), 1000), take(newSchedule(scheduled(Poisson, 2000, 3, 1), 0, 0, 1), 1000)) {
			t.Errorf("%s: another schedule than that of the number", text)
		}
	}
}

// Constant arrivals keep to Λ: before any moment as many are due as it says.
func TestConstantArrivalsFollowTheProfile(t *testing.T) {
	for _, text := range []string{"100..5000", "5000..0", "1000@1s,2000@1s,1000..5000@2s", "500@900ms,5000@100ms", "0@90ms,3333@10ms", "0.3..0.7@7s"} {
		c := shaped(t, Constant, text, 1, 1)
		var edges []time.Duration
		for at := 50 * time.Millisecond; at <= c.Duration; at += 50 * time.Millisecond {
			edges = append(edges, at)
		}
		for i, n := range count(c, edges...) {
			if want := c.expected(edges[i]); math.Abs(float64(n)-want) > 1 {
				t.Errorf("%s: %d requests are due before %v, expected %v", text, n, edges[i], want)
			}
		}
	}
}

// Poisson arrivals have Λ on average, and the chance of a Poisson process about
// it, in each part of a profile alike: counts are within four standard
// deviations, and their squares add up as those of Poisson counts do. The seeds
// are fixed, so the test cannot fail by chance.
func TestPoissonArrivalsFollowTheProfile(t *testing.T) {
	var edges []time.Duration
	for second := range 10 {
		for _, part := range []time.Duration{2, 3, 5, 10} {
			edges = append(edges, time.Duration(second)*time.Second+part*100*time.Millisecond)
		}
	}
	squares, counts := 0.0, 0.0
	for seed := range uint64(20) {
		c := shaped(t, Poisson, "200..2000@200ms,0@100ms,5000@200ms,1000..0@500ms", seed, 1)
		last, before := 0, 0.0
		for i, n := range count(c, edges...) {
			got, want := float64(n-last), c.expected(edges[i])-before
			if off := math.Abs(got - want); off > 4*math.Sqrt(want)+1e-9 {
				t.Errorf("seed %d: %v requests in the segment before %v, expected %v", seed, got, edges[i], want)
			} else if want > 1 {
				squares += off * off / want
				counts++
			}
			last, before = n, c.expected(edges[i])
		}
	}
	if math.Abs(squares-counts) > 4*math.Sqrt(2*counts) {
		t.Errorf("the index of dispersion of %v counts is %v, that of Poisson counts is 1", counts, squares/counts)
	}
}

// A run offers what the profile says when it says so: answers never outnumber
// what was due, and what was due longer ago than the longest latency is
// answered, whatever the host does to the run.
func TestRunFollowsTheProfile(t *testing.T) {
	eachGenerator(t, func(t *testing.T, generator string) {
		r := respond(t, "tcp", nil)
		for _, text := range []string{"100@200ms,2000@100ms", "1500..0", "0..1500"} {
			c := short(r)
			c.Generator, c.Model, c.Schedule, c.Duration, c.Threads = generator, Open, text, 600*time.Millisecond, threadsOf(generator, 2)
			l := mustRun(t, c)
			if c, err := c.withDefaults(); err != nil || l.RateProfile != text || l.RateRPS != c.Rate || math.Abs(l.RateRPS*l.DurationS-float64(due(t, c, l))) > 1e-6 {
				t.Errorf("%s: stored %s at %v/s on average, %d were due, %v", text, l.RateProfile, l.RateRPS, due(t, c, l), err)
			}
			if got, want := l.Requests+l.Errors.Total(), due(t, c, l); got != want {
				t.Errorf("%s: %d requests accounted for, %d were due", text, got, want)
			}
			c, _ = c.withDefaults()
			longest := time.Duration(1.01 * l.LatencyUS.Max * 1e3)
			done := int64(0)
			for i, p := range l.Series {
				done += p.Done
				edge := time.Duration(int64(i+1) * seriesStep)
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
		r := respond(t, "tcp", nil)
		trace, err := ReadTrace("t", strings.NewReader("0\n"+strings.Repeat("0.1 slow\n", 50)+strings.Repeat("0.2 fast\n", 30)))
		if err != nil {
			t.Fatal(err)
		}
		c := short(r)
		c.Generator, c.Model, c.Arrivals, c.Trace, c.Duration, c.Threads = generator, Open, Recorded, trace, time.Hour, threadsOf(generator, 3)
		c.Warmup = 150 * time.Millisecond
		c.Requests = []Request{{Class: "fast", Path: "/a", Length: 13}, {Class: "slow", Path: "/b", Length: 13}}
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

func TestLayOut(t *testing.T) {
	for _, test := range []struct {
		change   func(*Config)
		mean     float64
		duration time.Duration
		profile  string
	}{
		{func(c *Config) { c.Schedule = "0..5k" }, 2500, 10 * time.Second, "0..5000"},
		{func(c *Config) { c.Schedule, c.Duration = "1000@1s,3000@1s", time.Second }, 1000, time.Second, "1000@1s,3000@1s"},
		{func(c *Config) { c.Schedule, c.Duration = "1000@1s,3000@1s", 2*time.Second }, 2000, 2 * time.Second, "1000@1s,3000@1s"},
		{func(c *Config) { c.Arrivals, c.Trace = Recorded, evenly(300) }, 1000, 300 * time.Millisecond, ""},
		{func(c *Config) { c.Arrivals, c.Trace, c.Speed = Recorded, evenly(300), 2 }, 2000, 150 * time.Millisecond, ""},
		{func(c *Config) { c.Arrivals, c.Trace, c.Speed = Recorded, evenly(300), 0.5 }, 500, 600 * time.Millisecond, ""},
		{func(c *Config) { c.Arrivals, c.Trace, c.Duration = Recorded, evenly(300), time.Minute }, 1000, 300 * time.Millisecond, ""},
		{func(c *Config) { c.Arrivals, c.Trace, c.Duration = Recorded, evenly(300), 50*time.Millisecond }, 1000, 50 * time.Millisecond, ""},
	} {
		c := Config{URL: "http://127.0.0.1:1/", Model: Open}
		test.change(&c)
		c, err := c.withDefaults()
		if err == nil { // again: what it has filled in is no contradiction
			c, err = c.withDefaults()
		}
		if err != nil || c.Rate != test.mean || c.Duration != test.duration || c.Schedule != test.profile {
			t.Errorf("rate %v for %v, profile %q, %v; expected %v for %v, %q", c.Rate, c.Duration, c.Schedule, err, test.mean, test.duration, test.profile)
		}
		if n := count(&c, c.Duration)[0]; float64(n) != test.mean*test.duration.Seconds() {
			t.Errorf("%d requests are due in %v at %v/s", n, c.Duration, c.Rate)
		}
	}
}

func TestBadOffers(t *testing.T) {
	late := &Trace{name: "late.txt", due: []int64{5e9, 6e9}}
	classes := &Trace{name: "trace.txt", due: []int64{0, 1}, class: []int32{-1, 0}, names: []string{"slow"}, lines: []int{7}}
	for _, test := range []struct {
		config      Config
		field, says string
	}{
		{Config{Model: Open, Schedule: "5..x"}, "Schedule", `rate "5..x": "x" is no rate`},
		{Config{Schedule: "5..6"}, "Schedule", "use the open model"},
		{Config{Model: Open, Schedule: "5..6", Duration: -1}, "Duration", "negative"},
		{Config{Model: Open, Schedule: "0@10s,5@1s"}, "Schedule", "nothing is due within the window of 10s"},
		{Config{Model: Open, Schedule: "5..6", Rate: 5}, "Rate", "give one of the two"},
		{Config{Model: Open, Schedule: "5", Rate: 6}, "Rate", "give one of the two"},
		{Config{Model: Open, Arrivals: Recorded}, "Trace", "no trace"},
		{Config{Arrivals: Recorded, Trace: evenly(2)}, "Arrivals", "use the open model"},
		{Config{Model: Open, Rate: 5, Trace: evenly(2)}, "Trace", "have to be recorded"},
		{Config{Model: Open, Arrivals: Recorded, Trace: evenly(2), Rate: 5}, "Rate", "have their own"},
		{Config{Model: Open, Arrivals: Recorded, Trace: evenly(2), Schedule: "5"}, "Schedule", "have their own"},
		{Config{Model: Open, Arrivals: Recorded, Trace: evenly(2), Speed: -1}, "Speed", "above 0"},
		{Config{Model: Open, Arrivals: Recorded, Trace: evenly(2), Speed: math.NaN()}, "Speed", "above 0"},
		{Config{Model: Open, Rate: 5, Speed: 2}, "Speed", "only recorded"},
		{Config{Model: Open, Arrivals: Recorded, Trace: late, Duration: time.Second}, "Duration", "first arrival is after 5s"},
		{Config{Model: Open, Arrivals: Recorded, Trace: classes, Requests: []Request{{Path: "/b"}, {Path: "/a"}, {Path: "/a"}}}, "Trace",
			`trace.txt:7: no request has the class "slow"; known: /a, /b`},
	} {
		test.config.URL = "http://127.0.0.1:1/"
		_, err := test.config.withDefaults()
		bad, ok := err.(*ConfigError)
		if !ok || bad.Field != test.field || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%+v: %v, expected %q of field %s", test.config, err, test.says, test.field)
		}
	}
}

// The warm-up offers what the window begins with, and evenly.
func TestWarmupRateDoesNotChange(t *testing.T) {
	for text, want := range map[string]float64{"400..5000": 400, "0..400": 200, "300@1s,0@1s": 300, "0@1s,300@1s": 150} {
		all := take(newSchedule(shaped(t, Constant, text, 1, 1), streamWarmup, 0, 1), 101)
		if rate := 100 / (float64(all[100].due) / 1e9); math.Abs(rate-want) > 1e-6*want {
			t.Errorf("%s is warmed up with %v/s, expected %v", text, rate, want)
		}
	}
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
		c := scheduled(Constant, 0, 1, 1)
		c.Schedule, c.Duration = "100..5000", 3100*time.Millisecond
		if err := c.layOut(); err != nil {
			t.Fatal(err)
		}
		l := &results.Load{Series: make([]results.Point, 31)}
		for i := range l.Series {
			from := time.Duration(int64(i) * seriesStep)
			l.Series[i].Done = int64(max(0, test.answer(i, c.expected(from+time.Duration(seriesStep))-c.expected(from))))
		}
		fired := false
		judgeStationary(l, c, func(code, _, format string, a ...any) *results.Warning {
			fired = code == CodeNotStationary
			return new(results.Warning)
		})
		if fired != test.fires {
			t.Errorf("%s: fired %v", test.name, fired)
		}
	}
}

func BenchmarkSchedule(b *testing.B) {
	for name, c := range map[string]*Config{
		"constant":         scheduled(Constant, 1000, 1, 1),
		"constant profile": shaped(b, Constant, "500@900ms,1000..5000@100ms", 1, 1),
		"poisson":          scheduled(Poisson, 1000, 1, 1),
		"poisson profile":  shaped(b, Poisson, "500@900ms,1000..5000@100ms", 1, 1),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			s := newSchedule(c, 0, 0, 1)
			for b.Loop() {
				s.next()
			}
		})
	}
}
