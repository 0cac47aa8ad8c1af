package results_test

import (
	"bufio"
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/dynobench/dyno/results"
	"github.com/dynobench/dyno/results/resultstest"
)

// withSteps returns a window of a quarter of a second: a step of a thousand
// answers, one without any, a part of a step with one.
func withSteps(t *testing.T) *results.Load {
	t.Helper()
	step := func(ns ...int64) string {
		h := results.NewStepHistogram()
		for _, v := range ns {
			results.RecordNS(h, v)
		}
		s, err := results.EncodeHistogram(h)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	rng := rand.New(rand.NewPCG(1, 2))
	var many []int64
	for range 1000 {
		many = append(many, int64(rng.ExpFloat64()*1e6))
	}
	return &results.Load{
		URL: "http://127.0.0.1:8000/hello", DurationS: 0.25, WindowStart: time.Date(2026, 1, 2, 3, 4, 5, 678e6, time.UTC),
		Series: []results.Point{
			{TS: 0, Done: 1000, MaxUS: 8123, Histogram: step(many...)},
			{TS: 0.1},
			{TS: 0.2, Done: 1, MaxUS: 250, Histogram: step(250e3)},
		},
	}
}

// HdrHistogram's own reader gets back what the steps hold, when they were.
func TestLogReadsBack(t *testing.T) {
	l := withSteps(t)
	for _, tag := range []string{"", "wait/threads,threads=4 x"} {
		var b bytes.Buffer
		if err := results.WriteLog(&b, l, tag); err != nil {
			t.Fatal(err)
		}
		r := hdrhistogram.NewHistogramLogReader(&b)
		for i, p := range l.Series {
			h, err := r.NextIntervalHistogram()
			if err != nil || h == nil {
				t.Fatalf("interval %d: %v, %v", i, h, err)
			}
			start := l.WindowStart.UnixMilli() + int64(p.TS*1e3)
			if h.TotalCount() != p.Done || math.Abs(float64(h.StartTimeMs()-start)) > 1 {
				t.Errorf("interval %d: %d answers from %d on, want %d from %d on", i, h.TotalCount(), h.StartTimeMs(), p.Done, start)
			}
			if length := h.EndTimeMs() - h.StartTimeMs(); math.Abs(float64(length)-[]float64{100, 100, 50}[i]) > 1 {
				t.Errorf("interval %d lasts %d ms", i, length)
			}
			if want := strings.NewReplacer(",", "_", " ", "_").Replace(tag); h.Tag() != want {
				t.Errorf("tag %q, want %q", h.Tag(), want)
			}
		}
		if h, err := r.NextIntervalHistogram(); h != nil || err != nil {
			t.Errorf("after the last interval: %v, %v", h, err)
		}
	}
}

func TestLogNeedsSteps(t *testing.T) {
	l := withSteps(t)
	l.Series[2].Histogram = ""
	if err := results.WriteLog(&bytes.Buffer{}, l, ""); err == nil || !strings.Contains(err.Error(), "0.2 s") || !strings.Contains(err.Error(), "--steps") {
		t.Error(err)
	}
}

// HdrHistogram's own reader gets back what the valid trials hold, by name, and
// the merged distribution of a name is the sum of its intervals.
func TestTrialLogReadsBack(t *testing.T) {
	run := resultstest.Run(resultstest.Options{NoInvalid: true, Scenarios: []string{"hello", "mixed"}, Targets: []string{"eventloop", "sync"}})
	for i := range run.Trials {
		run.Trials[i].WindowStart = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC).Add(time.Duration(i) * 10 * time.Second)
	}
	bad := &run.Trials[1]
	bad.Warn(results.Warning{Code: "steal", Invalid: true})
	names := results.LatencyNames(run)
	want := map[string]int64{}
	for _, tr := range run.Trials {
		classes := []results.ClassStats{{Histogram: tr.Histogram}}
		if len(tr.Classes) > 1 {
			classes = tr.Classes
		}
		for _, c := range classes {
			name := strings.TrimSuffix(tr.Scenario+"/"+tr.Target+"/"+c.Class, "/")
			if !slices.Contains(names, name) {
				t.Errorf("%s is not among %v", name, names)
			}
			if h, err := results.DecodeHistogram(c.Histogram); err != nil {
				t.Fatal(err)
			} else if tr.Valid {
				want[name] += h.TotalCount()
			}
		}
	}
	if len(want) != 6 || len(names) != 6 {
		t.Fatalf("%d names, %v", len(names), want)
	}
	for _, only := range []string{"", "mixed/sync/slow"} {
		var b bytes.Buffer
		if err := results.WriteTrialLog(&b, run, only); err != nil {
			t.Fatal(err)
		}
		if only == "" && !strings.Contains(b.String(), fmt.Sprintf("trial %d does not count: steal]", bad.Trial)) {
			t.Errorf("nothing is said of the trial that does not count:\n%.2000s", b.String())
		}
		got := map[string]int64{}
		for r := hdrhistogram.NewHistogramLogReader(&b); ; {
			h, err := r.NextIntervalHistogram()
			if err != nil {
				t.Fatal(err)
			}
			if h == nil {
				break
			}
			got[h.Tag()] += h.TotalCount()
			at := slices.IndexFunc(run.Trials, func(tr results.Trial) bool { return tr.WindowStart.UnixMilli() == h.StartTimeMs() })
			if at < 0 || !strings.HasPrefix(h.Tag(), run.Trials[at].Scenario+"/"+run.Trials[at].Target) {
				t.Fatalf("%s from %d on is no trial", h.Tag(), h.StartTimeMs())
			}
			if length := h.EndTimeMs() - h.StartTimeMs(); math.Abs(float64(length)-1e3*run.Trials[at].DurationS) > 1 {
				t.Errorf("%s lasts %d ms", h.Tag(), length)
			}
		}
		for name, n := range want {
			if only != "" && name != only {
				n = 0
			}
			if got[name] != n {
				t.Errorf("only %q: %d of %s, want %d", only, got[name], name, n)
			}
		}
	}
	for name, n := range want {
		if h, err := results.MergedLatency(run, name); err != nil || h.TotalCount() != n {
			t.Errorf("%s: %d merged, want %d; %v", name, h.TotalCount(), n, err)
		}
	}
}

// What the plotter takes, lines of four numbers, is the distribution.
func TestPercentilesReadBack(t *testing.T) {
	h := results.NewHistogram()
	for v := int64(1); v <= 10000; v++ {
		results.RecordNS(h, v*1000)
	}
	var b bytes.Buffer
	if err := results.WritePercentiles(&b, h); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(&b)
	lines.Scan()
	if head := strings.Fields(lines.Text()); len(head) != 4 || head[0] != "Value" || head[3] != "1/(1-Percentile)" {
		t.Errorf("head %q", head)
	}
	n, lastCount := 0, 0.0
	for lines.Scan() {
		line := lines.Text()
		if line == "" || line[0] == '#' {
			continue
		}
		var v []float64
		for _, f := range strings.Fields(line) {
			x, err := strconv.ParseFloat(f, 64)
			if err != nil {
				t.Fatalf("%q: %v", line, err)
			}
			v = append(v, x)
		}
		if len(v) == 3 {
			if v[1] != 1 || v[2] != 10000 || math.Abs(v[0]-10) > 0.02 {
				t.Errorf("the last line is %q", line)
			}
			lastCount = v[2]
			continue
		}
		if math.Abs(v[0]-v[2]/1000) > 0.002*v[0]+1e-6 {
			t.Errorf("%v of 10000 are within %v ms", v[2], v[0])
		}
		if v[1] > v[2]/10000+1e-9 || math.Abs(v[3]-1/(1-v[1])) > 0.006 || v[2] < lastCount {
			t.Errorf("%q", line)
		}
		lastCount = v[2]
		n++
	}
	if n < 40 || lastCount != 10000 {
		t.Errorf("%d lines up to %v", n, lastCount)
	}

	b.Reset()
	if err := results.WritePercentiles(&b, results.NewHistogram()); err != nil || strings.Contains(b.String(), "NaN") || strings.Count(b.String(), "\n") != 4 {
		t.Errorf("nothing recorded: %v\n%s", err, b.String())
	}
}
