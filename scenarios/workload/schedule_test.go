package workload

import (
	"errors"
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func mustParseSchedule(t testing.TB, text string) Schedule {
	t.Helper()
	p, err := ParseSchedule(text)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestParseSchedule(t *testing.T) {
	for _, test := range []struct {
		text, canonical string
		want            Schedule
	}{
		{"2000", "2000", Schedule{{2000, 2000, 0}}},
		{"10k", "10000", Schedule{{10000, 10000, 0}}},
		{"0.5", "0.5", Schedule{{0.5, 0.5, 0}}},
		{"100..5k", "100..5000", Schedule{{100, 5000, 0}}},
		{"5..5", "5", Schedule{{5, 5, 0}}},
		{"1000@5s,2000@5s,1000..5000@10s", "1000@5s,2000@5s,1000..5000@10s",
			Schedule{{1000, 1000, 5 * time.Second}, {2000, 2000, 5 * time.Second}, {1000, 5000, 10 * time.Second}}},
		{"500@900ms,5000@0.1s", "500@900ms,5000@100ms", Schedule{{500, 500, 900 * time.Millisecond}, {5000, 5000, 100 * time.Millisecond}}},
		{"0@1m30s,1.5k@1ms", "0@1m30s,1500@1ms", Schedule{{0, 0, 90 * time.Second}, {1500, 1500, time.Millisecond}}},
	} {
		p, err := ParseSchedule(test.text)
		if err != nil || !slices.Equal(p, test.want) || p.String() != test.canonical {
			t.Errorf("%s: %v (%s), %v; expected %v (%s)", test.text, []Segment(p), p, err, []Segment(test.want), test.canonical)
		}
	}
}

// Each error names the segment, what is wrong with it and what to write.
func TestBadSchedules(t *testing.T) {
	const noRate = "is no rate; write requests per second without a sign, as 2000, 0.5 or 10k"
	const nothing = "nothing there; write RATE, RATE..RATE or either with @DURATION, as 2000, 100..5000 or 500@2s"
	for text, want := range map[string]string{
		"":              `rate "": ` + nothing,
		"fast":          `rate "fast": "fast" ` + noRate,
		"-5":            `rate "-5": "-5" ` + noRate,
		"1e4":           `rate "1e4": "1e4" ` + noRate,
		"NaN":           `rate "NaN": "NaN" ` + noRate,
		"100..":         `rate "100..": "" ` + noRate,
		"..5":           `rate "..5": "" ` + noRate,
		"1...5":         `rate "1...5": ".5" ` + noRate,
		"5 @1s":         `rate "5 @1s": "5 " ` + noRate,
		"10M":           `rate "10M": "10M" ` + noRate,
		"0":             `rate "0": nothing is ever due; write a rate above 0`,
		"0@1s,0..0@2s":  `rate "0@1s,0..0@2s": nothing is ever due; write a rate above 0`,
		"2000000k":      `rate "2000000k": "2000000k" is more than one request per nanosecond; write at most 1000000000`,
		"5@":            `rate "5@": duration ""; write one with its unit and without a sign, as 5s or 100ms`,
		"5@1":           `rate "5@1": duration "1"; write one with its unit and without a sign, as 5s or 100ms`,
		"5@-1s":         `rate "5@-1s": duration "-1s"; write one with its unit and without a sign, as 5s or 100ms`,
		"5@0s":          `rate "5@0s": duration "0s"; write 1ms or more`,
		"5@1us,6@1s":    `rate "5@1us,6@1s": segment 1, "5@1us": duration "1us"; write 1ms or more`,
		"5@600h,6@600h": `rate "5@600h,6@600h": segment 2, "6@600h": the segments last longer than 1000 hours; write shorter ones, they repeat`,
		"5@1s,6":        `rate "5@1s,6": segment 2, "6": for how long? Write 6@5s; only a single segment may leave that out`,
		"5,6@1s":        `rate "5,6@1s": segment 1, "5": for how long? Write 5@5s; only a single segment may leave that out`,
		"5@1s,":         `rate "5@1s,": segment 2, "": ` + nothing,
		"5@1s,6..x@1s":  `rate "5@1s,6..x@1s": segment 2, "6..x@1s": "x" ` + noRate,
	} {
		_, err := ParseSchedule(text)
		var at *ScheduleError
		if !errors.As(err, &at) || err.Error() != want {
			t.Errorf("%q:\ngot  %v\nwant %s", text, err, want)
		}
	}
}

func TestConstant(t *testing.T) {
	for text, want := range map[string]float64{"2000": 2000, "2k@5s": 2000, "5@1s,5..5@2s": 5, "1..2": 0, "1@1s,2@1s": 0, "1..2@1s,2..1@1s": 0} {
		if rate, ok := mustParseSchedule(t, text).Constant(); rate != want || ok != (want != 0) {
			t.Errorf("%s: constant %v at %v", text, ok, rate)
		}
	}
}

// Λ by hand.
func TestCount(t *testing.T) {
	for _, test := range []struct {
		text   string
		window time.Duration
		at     time.Duration
		want   float64
	}{
		{"100", 10 * time.Second, 3 * time.Second, 300},
		{"0..100", 10 * time.Second, 10 * time.Second, 500},
		{"0..100", 10 * time.Second, 5 * time.Second, 125},
		{"100..0", 10 * time.Second, 5 * time.Second, 375},
		{"0..100@1s", 10 * time.Second, 3 * time.Second, 150},
		{"500@900ms,5000@100ms", time.Hour, 900 * time.Millisecond, 450},
		{"500@900ms,5000@100ms", time.Hour, time.Hour, 950 * 3600},
		{"0@1s,10@1s", time.Hour, 1500 * time.Millisecond, 5},
		{"0@1s,10@1s", time.Hour, -time.Second, 0},
	} {
		if got := mustParseSchedule(t, test.text).Over(test.window).Count(test.at); got != test.want {
			t.Errorf("%s: %v due before %v, expected %v", test.text, got, test.at, test.want)
		}
	}
	if got := mustParseSchedule(t, "0..100").Over(8 * time.Second).Mean(8 * time.Second); got != 50 {
		t.Errorf("a ramp to 100 has a mean of %v", got)
	}
}

// Where nothing is due the next request is that of the next burst.
func TestTimeAtEdges(t *testing.T) {
	for _, test := range []struct {
		text string
		n    float64
		want time.Duration
	}{
		{"100", 0, 0}, {"100", 1, 10 * time.Millisecond},
		{"0@1s,10@1s", 0, time.Second}, {"0@1s,10@1s", 9, 1900 * time.Millisecond}, {"0@1s,10@1s", 10, 3 * time.Second},
		{"10@1s,0@1s", 0, 0}, {"10@1s,0@1s", 10, 2 * time.Second},
		{"10@1s,0@1s,0..0@1s,20@1s", 10, 3 * time.Second},
		{"0..100@1s", 0, 0}, {"0..100@1s", 12.5, 500 * time.Millisecond}, {"0..100@1s", 50, time.Second},
		{"100..0@1s", 37.5, 500 * time.Millisecond}, {"100..0@1s", 50, time.Second},
	} {
		if got := mustParseSchedule(t, test.text).Over(time.Minute).Time(test.n); got != test.want {
			t.Errorf("%s: %v requests are due by %v, expected %v", test.text, test.n, got, test.want)
		}
	}
}

// After a thousand hours a burst still begins on the nanosecond.
func TestNoDrift(t *testing.T) {
	c := mustParseSchedule(t, "500@900ms,5000@100ms").Over(time.Second)
	cursor := c.Cursor()
	for _, second := range []int64{1, 7, 3600, 86399, 3599999} {
		n := float64(second) * 950
		if got := cursor.Time(n + 450); got != second*1e9+900e6 {
			t.Errorf("the burst of second %d begins at %d ns", second, got)
		}
	}
}

func drawSchedule(t *rapid.T) Schedule {
	rate := rapid.OneOf(rapid.Just(0.0), rapid.Float64Range(0.01, 10), rapid.Float64Range(1, 1e6))
	duration := rapid.OneOf(rapid.Int64Range(1e6, 1e9), rapid.Int64Range(1e6, 100e9))
	p := Schedule(rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Segment {
		s := Segment{From: rate.Draw(t, "from"), Duration: time.Duration(duration.Draw(t, "duration"))}
		if s.To = s.From; rapid.Bool().Draw(t, "ramp") {
			s.To = rate.Draw(t, "to")
		}
		return s
	}), 1, 6).Draw(t, "segments"))
	if p.Peak() == 0 {
		p[0].To = 1
	}
	return p
}

func TestTextReturns(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := drawSchedule(t)
		for i := range p { // as precise as one can write
			p[i].From, p[i].To = math.Round(p[i].From*1e3)/1e3, math.Round(p[i].To*1e3)/1e3
			p[i].Duration = p[i].Duration.Round(time.Microsecond)
		}
		if p.Peak() == 0 {
			p[0].To = 1
		}
		back, err := ParseSchedule(p.String())
		if err != nil || !slices.Equal(p, back) {
			t.Fatalf("%s became %s, %v", p, back, err)
		}
	})
}

// rateAt is the rate at t, by looking at the segments one after another.
func (p Schedule) rateAt(t time.Duration) float64 {
	for i := 0; ; i = (i + 1) % len(p) {
		s := p[i]
		if t < s.Duration {
			return s.From + (s.To-s.From)*float64(t)/float64(s.Duration)
		}
		t -= s.Duration
	}
}

// Λ⁻¹(Λ(t)) = t wherever something is due before and after, and Λ(Λ⁻¹(n)) = n
// everywhere, to the nanosecond and the last digits of a float64, also after many
// repetitions.
func TestInverse(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := drawSchedule(t)
		c := p.Over(time.Second)
		at := time.Duration(rapid.Int64Range(0, int64(c.period)*1000).Draw(t, "t"))
		n := c.Count(at)
		lost := 1e-14 * (n + 1) // digits
		if rate := p.rateAt(at); rate > 0.01 {
			most := 2 + 2e9*lost/rate
			around := time.Duration(most + 1)
			falls := min(p.rateAt(max(0, at-around)), p.rateAt(at+around)) < rate/2
			if off := math.Abs(float64(c.Time(n) - at)); off > most && !falls {
				t.Errorf("%s: Λ⁻¹(Λ(%d)) is off by %v ns, at most %v are lost in rounding", p, at, off, most)
			}
		}
		if back, most := c.Count(c.Time(n)), lost+2e-9*p.Peak(); math.Abs(back-n) > most {
			t.Errorf("%s: Λ(Λ⁻¹(%v)) = %v", p, n, back)
		}
	})
}

// A cursor finds what a search finds, in any steps, and never goes back.
func TestCursor(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := drawSchedule(t)
		c := p.Over(time.Second)
		cursor, n, last := c.Cursor(), 0.0, int64(0)
		step := rapid.SampledFrom([]float64{1, 0.1, c.total / 7, c.total, 3.5 * c.total}).Draw(t, "step")
		for range 100 {
			got := cursor.Time(n)
			if want := int64(c.Time(n)); got != want {
				t.Fatalf("%s: %v requests are due by %d, the cursor says %d", p, n, want, got)
			}
			if got < last {
				t.Fatalf("%s: %d after %d", p, got, last)
			}
			last, n = got, n+step
		}
	})
}

func TestCursorAllocatesNothing(t *testing.T) {
	c := mustParseSchedule(t, "0..1000@1s,500@900ms,5000@100ms").Over(time.Second)
	cursor, n := c.Cursor(), 0.0
	if made := testing.AllocsPerRun(1000, func() { cursor.Time(n); n += 1.7 }); made != 0 {
		t.Errorf("%v allocations", made)
	}
}

func FuzzParseSchedule(f *testing.F) {
	for _, seed := range []string{"2000", "100..5000", "1000@5s,2000@5s,1000..5000@10s", "500@900ms,5000@100ms", "0@1s,10k@1ms", "1...2", "@", ",", "..@"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := ParseSchedule(text)
		if err != nil {
			return
		}
		back, err := ParseSchedule(p.String())
		if err != nil || !slices.Equal(p, back) {
			t.Fatalf("%q is %s, which becomes %s, %v", text, p, back, err)
		}
		c := p.Over(time.Second)
		if n := c.Count(time.Hour); !(n >= 0) || math.IsInf(n, 0) || c.Time(n) < 0 {
			t.Fatalf("%q: %v requests in an hour, by %v", text, n, c.Time(n))
		}
	})
}

func BenchmarkCursor(b *testing.B) {
	c := mustParseSchedule(b, "1000..5000@1s,500@900ms,5000@100ms").Over(time.Second)
	cursor, n := c.Cursor(), 0.0
	for b.Loop() {
		cursor.Time(n)
		n++
	}
}
