package plan

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"
)

// shaped is scheduled with a profile, over 10 s.
func shaped(t testing.TB, arrivals Arrivals, text string, seed uint64, weights ...int) *Config {
	t.Helper()
	c := scheduled(arrivals, 0, seed, weights...)
	c.Schedule = text
	if err := c.LayOut(); err != nil {
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
	s := NewTimetable(c, 0, 0, 1)
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

func TestPlainRateIsAConstantOne(t *testing.T) {
	for _, text := range []string{"2000", "2k", "2000@3s,2000@1s"} {
		c := shaped(t, Poisson, text, 3, 1)
		if c.Rate != 2000 || c.Schedule != "" || c.curve != nil {
			t.Errorf("%s: rate %v, profile %q", text, c.Rate, c.Schedule)
		}
		if !slices.Equal(take(NewTimetable(c, 0, 0, 1), 1000), take(NewTimetable(scheduled(Poisson, 2000, 3, 1), 0, 0, 1), 1000)) {
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
			if want := c.Expected(edges[i]); math.Abs(float64(n)-want) > 1 {
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
			got, want := float64(n-last), c.Expected(edges[i])-before
			if off := math.Abs(got - want); off > 4*math.Sqrt(want)+1e-9 {
				t.Errorf("seed %d: %v requests in the segment before %v, expected %v", seed, got, edges[i], want)
			} else if want > 1 {
				squares += off * off / want
				counts++
			}
			last, before = n, c.Expected(edges[i])
		}
	}
	if math.Abs(squares-counts) > 4*math.Sqrt(2*counts) {
		t.Errorf("the index of dispersion of %v counts is %v, that of Poisson counts is 1", counts, squares/counts)
	}
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
		c, err := c.WithDefaults()
		if err == nil { // again: what it has filled in is no contradiction
			c, err = c.WithDefaults()
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
		_, err := test.config.WithDefaults()
		bad, ok := err.(*ConfigError)
		if !ok || bad.Field != test.field || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%+v: %v, expected %q of field %s", test.config, err, test.says, test.field)
		}
	}
}

// The warm-up offers what the window begins with, and evenly.
func TestWarmupRateDoesNotChange(t *testing.T) {
	for text, want := range map[string]float64{"400..5000": 400, "0..400": 200, "300@1s,0@1s": 300, "0@1s,300@1s": 150} {
		all := take(NewTimetable(shaped(t, Constant, text, 1, 1), StreamWarmup, 0, 1), 101)
		if rate := 100 / (float64(all[100].due) / 1e9); math.Abs(rate-want) > 1e-6*want {
			t.Errorf("%s is warmed up with %v/s, expected %v", text, rate, want)
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
			s := NewTimetable(c, 0, 0, 1)
			for b.Loop() {
				s.Next()
			}
		})
	}
}
