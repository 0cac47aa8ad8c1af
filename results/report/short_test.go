package report

import (
	"bytes"
	"encoding/json"
	"math"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/dynobench/dyno/results"
	"github.com/dynobench/dyno/results/resultstest"
)

// shorten leaves every trial of the targets so many answers of each class, and
// the percentiles that these support.
func shorten(run *results.Run, answers int64, targets ...string) {
	for i := range run.Trials {
		t := &run.Trials[i]
		if targets != nil && !slices.Contains(targets, t.Target) {
			continue
		}
		all := results.NewHistogram()
		for j := range t.Classes {
			h := results.NewHistogram()
			for k := range answers {
				h.RecordValue((100 + k) * 1000) //nolint:errcheck // in range
			}
			all.Merge(h)
			c := &t.Classes[j]
			c.Requests, c.LatencyUS = answers, results.QuantilesOf(h)
			c.Histogram, _ = results.EncodeHistogram(h)
		}
		t.Requests, t.LatencyUS = all.TotalCount(), results.QuantilesOf(all)
		t.Histogram, _ = results.EncodeHistogram(all)
	}
}

// An open loop whose trials are too short for a p99 says how many answers it
// needs, and judges what it can.
func TestAShortOpenLoopIsJudgedByCPU(t *testing.T) {
	o := resultstest.Options{Scenarios: []string{"mixed"}, Targets: []string{"eventloop", "nethttp", "goroutine"}, NoInvalid: true}
	run := resultstest.Run(o)
	shorten(run, 400)
	verdicts := Build(run).Scenarios[0].Verdicts
	if len(verdicts) != 2 || verdicts[0].Outcome != NoRanking || verdicts[1].Metric != results.CPU || !slices.Equal(verdicts[1].Leads, []string{"eventloop"}) {
		t.Fatalf("%+v", verdicts)
	}
	if want := "No ranking by p99 of fast requests: p99 of fast requests needs 1,000 responses in each trial, and these have 400 (--duration 14s would do)."; verdicts[0].Text != want {
		t.Errorf("%s\nwant %s", verdicts[0].Text, want)
	}

	// One target alone is short of answers: the others are ranked.
	run = resultstest.Run(o)
	shorten(run, 600, "goroutine")
	s := Build(run).Scenarios[0]
	if v := s.Verdicts[0]; len(v.Leads) == 0 || !slices.Equal(v.Unranked, []string{"goroutine"}) ||
		!strings.Contains(v.Text, "Not ranked, too few responses (p99 of fast requests needs 1,000 responses in each trial, and these have 600") {
		t.Errorf("%+v", v)
	}

	// Too few trials is another reason.
	run = resultstest.Run(resultstest.Options{Scenarios: []string{"mixed"}, Targets: o.Targets, Trials: 2, NoInvalid: true})
	shorten(run, 400)
	if v := Build(run).Scenarios[0].Verdicts; len(v) != 1 || !strings.Contains(v[0].Text, "a comparison needs 3 valid trials of at least two targets") {
		t.Errorf("%+v", v)
	}
}

// The range over trials stands beside the merged percentile: here one burst in
// one trial makes the p99 of all three.
func TestRangeOverTrials(t *testing.T) {
	run := resultstest.Run(resultstest.Options{Scenarios: []string{"hello"}, Targets: []string{"pool"}, NoInvalid: true})
	for i := range run.Trials {
		h := results.NewHistogram()
		h.RecordValues(1e6, 2000) //nolint:errcheck // in range
		if i == 1 {
			h.RecordValues(100e6, 100) //nolint:errcheck // in range
		}
		run.Trials[i].LatencyUS = results.QuantilesOf(h)
		run.Trials[i].Histogram, _ = results.EncodeHistogram(h)
	}
	r := Build(run)
	l := r.Scenarios[0].Rows[0].Latency
	if e := l.Trials.P99; math.Abs(e.Lo-1e3) > 5 || math.Abs(e.Hi-100e3) > 500 || math.Abs(l.P99-100e3) > 500 {
		t.Errorf("p99 %v, over trials %+v", l.P99, e)
	}
	var page, markdown bytes.Buffer
	if err := r.WriteHTML(&page); err != nil {
		t.Fatal(err)
	}
	if err := r.WriteMarkdown(&markdown); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"terminal": terminal(t, r, 200), "HTML": page.String(), "Markdown": markdown.String()} {
		for _, want := range []string{"1.00–100 ms", closedCaveat[:40]} {
			if !strings.Contains(strings.NewReplacer("\u2060", "", "\u00a0", " ").Replace(text), want) {
				t.Errorf("%s: no %q in\n%s", name, want, text)
			}
		}
	}
	if narrow := terminal(t, r, 80); !strings.Contains(narrow, "900") {
		t.Errorf("no ± of p99 in\n%s", narrow)
	}
}

// The document for programs is what the pages say, and has no null in it,
// however little there is.
func TestJudgementDocument(t *testing.T) {
	for name, run := range map[string]*results.Run{
		"whole": resultstest.Run(resultstest.Options{}),
		"empty": {},
		"bare":  {Trials: []results.Trial{{Scenario: "x", Target: "y"}, {Load: results.Load{Valid: true}}}},
	} {
		r := Build(run)
		var b bytes.Buffer
		if err := r.WriteJSON(&b); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if regexp.MustCompile(`[^"]null`).Match(b.Bytes()) {
			t.Errorf("%s: null in\n%s", name, b.String())
		}
		var d Judgement
		decoder := json.NewDecoder(&b)
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(&d); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if d.Schema != results.VerdictSchema || len(d.Scenarios) != len(r.Scenarios) {
			t.Errorf("%s: %+v", name, d)
		}
		for i, s := range d.Scenarios {
			rows := r.Scenarios[i].Rows
			for j, f := range s.Figures {
				if f.Target != rows[j].name() || f.Valid != len(rows[j].Valid) || f.Valid > 0 && f.Throughput == nil && rows[j].Throughput.N > 0 {
					t.Errorf("%s: %+v", name, f)
				}
			}
		}
	}
}
