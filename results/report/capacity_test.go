package report_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dynobench/dyno/internal/format"
	"github.com/dynobench/dyno/results"
	"github.com/dynobench/dyno/results/report"
)

// aCapacity is a search as the calibration responder gives it.
func aCapacity() *results.Capacity {
	seen := 1.0
	c := &results.Capacity{
		Schema: results.CapacitySchema, URL: "http://127.0.0.1:8000/hello", Generator: "native", Arrivals: "poisson",
		Connections: 64, Threads: 1, Objective: "p99<10ms,errors<=0.1%", Bound: &results.LatencyBound{Figure: "p99", US: 10e3},
		CapacityRPS: 1774, Interval: &results.Interval{LowRPS: 1710, HighRPS: 1840, Confidence: 0.95}, SpreadPct: 3.1, ClosedRPS: 2000,
		Knee: &results.Knee{RateRPS: 1060, ThroughputRPS: 1061, LatencyMeanUS: 912}, BudgetS: 60, DurationS: 59.4,
		Probes: make([]results.Probe, 27),
	}
	for _, p := range []struct{ rate, right, p50, p99, p999, mean float64 }{
		{178, 176, 561, 0, 0, 585}, {355, 349, 580, 1210, 0, 622}, {530, 535, 596, 1460, 0, 666}, {710, 712, 621, 1740, 0, 730},
		{890, 885, 662, 2110, 0, 805}, {1060, 1061, 730, 2590, 3700, 912}, {1240, 1238, 848, 3280, 4800, 1080}, {1420, 1417, 1070, 4480, 6900, 1400},
		{1600, 1603, 1590, 7290, 9800, 2120}, {1740, 1738, 2480, 9060, 14e3, 3090}, {1780, 1774, 2710, 11.4e3, 17e3, 3740}, {1960, 1948, 14e3, 39e3, 42e3, 15e3},
	} {
		point := results.CapacityPoint{
			RateRPS: p.rate, ThroughputRPS: p.right, Windows: 2, Valid: true, Requests: int64(4 * p.right), DurationS: 4,
			LatencyUS: results.Quantiles{P50: p.p50, P99: p.p99, P999: p.p999, Mean: p.mean},
			Objective: &results.Objective{Terms: []results.Term{{Text: "p99<10ms"}}},
		}
		switch {
		case p.p99 == 0:
			point.Objective.Terms[0].Reason = "too few"
		default:
			point.Objective.Terms[0].Seen = &seen
			if p.p99 < 10e3 {
				point.Kept, point.Objective.Met = 2, true
			}
		}
		c.Points = append(c.Points, point)
	}
	c.Points[10].Kept = 1
	return c
}

func TestCapacityText(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*results.Capacity)
		want   []string
		not    []string
	}{
		{"found", nil, []string{
			"up to 1,770 requests/s (95 % interval 1,710 to 1,840, that is ±3.7 %)", "half of the windows", "about 3.1 %.", "knee is near 1,060 requests/s", "912 µs",
			"▸  1,060", "┊ p99 asked for", "  1,770 ──", "1/2", "27 windows", "  ?", "1,960    1,950",
		}, []string{"!", "spoiled"}},
		{"at least", func(c *results.Capacity) {
			c.AtLeast, c.Interval.HighRPS = true, 0
			c.Warnings = []results.Warning{{Code: "at-least", Message: "the generator was the limit", Hint: "more threads"}}
		}, []string{"up to at least 1,770 requests/s", "≥  1,770 ──", "! the generator was the limit [at-least]", "  → more threads"}, []string{"interval"}},
		{"never", func(c *results.Capacity) { c.CapacityRPS, c.Interval = 0, nil }, []string{"at no rate probed"}, []string{"──────────── ", "up to"}},
		{"beyond", func(c *results.Capacity) {
			c.CapacityRPS, c.Interval, c.BudgetS, c.Points, c.Knee = 0, nil, 0, c.Points[:5], nil
		}, []string{"The knee is beyond 890 requests/s"}, []string{"near", "▸"}},
		{"interrupted", func(c *results.Capacity) {
			c.Interrupted, c.Points, c.CapacityRPS, c.Arrivals, c.Knee, c.Interval = true, nil, 0, "", nil, nil
		}, []string{"Interrupted", "64 connections"}, []string{"No rate", "due/s"}},
		{"sweep", func(c *results.Capacity) {
			c.CapacityRPS, c.Interval, c.BudgetS, c.Objective, c.Bound = 0, nil, 0, "", nil
			for i := range c.Points {
				c.Points[i].Objective = nil
			}
			c.Points[3].Valid = false
		}, []string{"knee", "spoiled"}, []string{"No rate", "┊", "asked", "2/2"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			doc := aCapacity()
			if c.change != nil {
				c.change(doc)
			}
			for _, width := range []int{10, 100, 200, 80} {
				var b bytes.Buffer
				if err := report.WriteCapacity(&b, doc, width); err != nil {
					t.Fatal(err)
				}
				unbroken := strings.Join(strings.Fields(b.String()), " ")
				for _, want := range c.want {
					if !strings.Contains(unbroken, strings.Join(strings.Fields(want), " ")) {
						t.Errorf("at %d columns %q is missing:\n%s", width, want, b.String())
					}
				}
				for _, not := range c.not {
					if strings.Contains(b.String(), not) {
						t.Errorf("at %d columns there is %q:\n%s", width, not, b.String())
					}
				}
				for line := range strings.Lines(b.String()) {
					if w := format.Width(strings.TrimRight(line, "\n")); w > max(width, 80) {
						t.Errorf("%d columns in %d: %s", w, width, line)
					}
				}
				if dir := os.Getenv("CAPACITY_OUT"); dir != "" {
					os.WriteFile(filepath.Join(dir, c.name+".txt"), b.Bytes(), 0o666) //nolint:errcheck // to look at
				}
			}
		})
	}
}

func TestCapacityFigure(t *testing.T) {
	least := aCapacity()
	least.AtLeast, least.Interval.HighRPS = true, 0
	empty := aCapacity()
	empty.Points = empty.Points[:1]
	if !report.CapacityFigure(empty).Empty {
		t.Error("one point makes a curve")
	}
	sweep := aCapacity()
	sweep.CapacityRPS, sweep.Interval, sweep.Bound, sweep.Objective, sweep.Knee = 0, nil, nil, "", nil
	for name, doc := range map[string]*results.Capacity{"found": aCapacity(), "least": least, "sweep": sweep} {
		figure := report.CapacityFigure(doc)
		for _, width := range []int{352, 760} {
			var svg, png bytes.Buffer
			if err := figure.SVG(&svg, width, true); err != nil {
				t.Fatal(err)
			}
			if err := figure.PNG(&png, width); err != nil {
				t.Fatal(err)
			}
			want := map[string][]string{
				"found": {"limit 1,770", "p99 asked for: 10 ms", "knee", "1,770 requests/s"}, "least": {"at least 1,770"}, "sweep": {"Latency by throughput", "p50"},
			}[name]
			for _, text := range want {
				if !strings.Contains(svg.String(), text) {
					t.Errorf("%s at %d pixels lacks %q", name, width, text)
				}
			}
			if dir := os.Getenv("CAPACITY_OUT"); dir != "" {
				os.WriteFile(filepath.Join(dir, name+format.Count(int64(width))+".png"), png.Bytes(), 0o666) //nolint:errcheck // to look at
			}
		}
	}
}

// A curve of which no point has a latency is a table all the same.
func TestCapacityOfNothing(t *testing.T) {
	for _, width := range []int{10, 40, 80, 100, 200} {
		c := &results.Capacity{Points: []results.CapacityPoint{{RateRPS: 74, Valid: true}}}
		var b strings.Builder
		if err := report.WriteCapacity(&b, c, width); err != nil || !strings.Contains(b.String(), "74.0") {
			t.Errorf("at %d columns: %v, %q", width, err, b.String())
		}
	}
}
