package capacity

import (
	"strings"
	"testing"

	"github.com/dynobench/dyno/results"
)

func TestParse(t *testing.T) {
	for text, want := range map[string]string{
		"p99<10ms":                    "p99<10ms",
		" p99 < 10ms , errors<=0.1% ": "p99<10ms,errors<=0.1%",
		"p99.99<=1.5s,mean<800us":     "p99.99<=1.5s,mean<800us",
		"max<1m":                      "max<1m",
		"rate>5000,rate>=99%":         "rate>5000,rate>=99%",
		"service.p99<5ms,p99<5ms":     "service.p99<5ms,p99<5ms",
		"errors<100%":                 "errors<100%",
	} {
		o, err := ParseObjective(text)
		if err != nil || o.String() != want {
			t.Errorf("ParseObjective(%q) = %q, %v; want %q", text, o, err, want)
		}
	}
	for text, want := range map[string]string{
		"":                   "a term is empty; terms look like p99<10ms",
		"p99<10ms,":          "a term is empty",
		"p99":                "no bound; terms look like p99<10ms",
		"p98<10ms":           `unknown figure "p98": did you mean "p9`,
		"P99<10ms":           `unknown figure "P99": did you mean "p99"?`,
		"latency<10ms":       "known: errors, max, mean, p50",
		"<10ms":              `unknown figure ""`,
		"service.p95<10ms":   `unknown figure "service.p95"`,
		"service.errors<1%":  "unknown figure",
		"p99>10ms":           `p99 has to be bounded by < or <=, not ">"`,
		"p99=10ms":           `not "="`,
		"p99==10ms":          `not "=="`,
		"p99<<10ms":          `"<10ms": expected a time`,
		"p99<10":             `"10": expected a time such as 10ms`,
		"p99<-10ms":          "expected a time",
		"p99<0s":             "expected a time",
		"errors<0.1":         `"0.1": expected per cent, such as 0.1%`,
		"errors<101%":        "expected per cent",
		"errors<nan%":        "expected per cent",
		"errors<-1%":         "expected per cent",
		"errors>1%":          "bounded by < or <=",
		"rate<5000":          "rate has to be bounded by > or >=",
		"rate>lots":          "expected requests per second such as 5000, or a share",
		"rate>1e4":           "expected requests per second",
		"rate>inf":           "expected requests per second",
		"p99<10ms,p99<=20ms": "p99 is bounded twice",
	} {
		if _, err := ParseObjective(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("ParseObjective(%q): %v, want an error with %s", text, err, want)
		}
	}
}

// FuzzParse: whatever is read is written so that it is read again.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"p99<10ms,errors<0.1%", "rate>99%,rate>=5", "service.max<1h", "p99.99<=1µs", ",", "p99<"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		o, err := ParseObjective(text)
		if err != nil {
			return
		}
		again, err := ParseObjective(o.String())
		if err != nil || again.String() != o.String() {
			t.Fatalf("%q is read as %q, which is read as %q, %v", text, o, again, err)
		}
		for _, term := range o.terms {
			if !(term.bound >= 0) {
				t.Fatalf("%q: bound %v", text, term.bound)
			}
		}
	})
}

// seen is a run of n requests, one in a hundred of which took 100 ms and the
// others 1 ms.
func seen(t *testing.T, n int) *results.Load {
	t.Helper()
	h := results.NewHistogram()
	for i := range n {
		ns := int64(1e6)
		if i%100 == 0 {
			ns = 100e6
		}
		results.RecordNS(h, ns)
	}
	l := &results.Load{
		RateRPS: float64(n) / 10, DurationS: 10, Requests: int64(n), ThroughputRPS: float64(n) / 10,
		ServiceUS: results.Quantiles{P50: 500, Mean: 700, P99: 900, Max: 2000},
	}
	var err error
	if l.Histogram, err = results.EncodeHistogram(h); err != nil {
		t.Fatal(err)
	}
	return l
}

func TestJudge(t *testing.T) {
	failing := func(l *results.Load) { // 20 of 1020 that were due, half of them with an answer
		l.Errors.Status, l.Errors.Connect, l.Errors.Unsent = 10, 5, 15
		l.ThroughputRPS -= 1
	}
	for _, c := range []struct {
		text   string
		n      int
		change func(*results.Load)
		met    bool
		open   bool
		term   string // "met", "missed" or a part of the reason, of the last term
	}{
		{"p90<2ms", 1000, nil, true, false, "met"},
		{"p99.9<50ms", 10_000, nil, false, false, "missed"},
		{"p99.9<200ms", 10_000, nil, true, false, "met"},
		{"p99.9<200ms", 9_999, nil, false, true, "9999 requests are too few for p99.9, which needs 10000"},
		{"p99.99<1s", 10_000, nil, false, true, "too few for p99.99, which needs 100000"},
		{"p50<1s", 0, nil, false, true, "no request was answered"},
		{"mean<1.9ms", 1000, nil, false, false, "missed"},
		{"mean<2ms", 1000, nil, true, false, "met"},
		{"max<100ms", 1000, nil, false, false, "missed"},
		{"service.p99<1ms", 1000, nil, true, false, "met"},
		{"service.max<1ms", 1000, nil, false, false, "missed"},
		{"service.p99.9<1s", 1000, nil, false, true, "too few for p99.9"},
		{"errors<0.1%", 1000, nil, true, false, "met"},
		{"errors<=0%", 1000, nil, true, false, "met"},
		{"errors<0%", 1000, nil, false, false, "missed"},
		{"errors<3%", 1000, failing, true, false, "met"},
		{"errors<2.9%", 1000, failing, false, false, "missed"},
		{"errors<1%", 0, nil, false, true, "nothing was due"},
		{"rate>99", 1000, nil, true, false, "met"},
		{"rate>100", 1000, nil, false, false, "missed"},
		{"rate>=100", 1000, nil, true, false, "met"},
		// A server that answers nobody keeps nothing, whatever the age of what it has not
		// answered.
		{"max<5s", 0, func(l *results.Load) { l.Errors.Timeout = 4 }, false, true, "no request was answered"},
		{"errors<=100%", 0, func(l *results.Load) { l.Errors.Timeout = 4 }, false, true, "no request was answered"},
		{"rate>=0", 0, nil, false, true, "no request was answered"},
		// The age of what was never answered is the least that its latency is.
		{"max<5s", 1000, func(l *results.Load) { l.Errors.Timeout = 1 }, false, true, "1 requests were never answered"},
		{"max<50ms", 1000, func(l *results.Load) { l.Errors.Timeout = 1 }, false, false, "missed"},
		{"p90<5s", 1000, func(l *results.Load) { l.Errors.Timeout = 100 }, true, false, "met"},
		{"p90<5s", 1000, func(l *results.Load) { l.Errors.Timeout = 120 }, false, true, "never answered"},
		{"mean<5s", 1000, func(l *results.Load) { l.Errors.Timeout = 1 }, true, false, "met"},
		{"mean<5s", 1000, func(l *results.Load) { l.Errors.Unsent = 2 }, false, true, "never answered"},
		{"rate>99%", 1000, failing, false, false, "missed"},
		{"rate>97%", 1000, failing, true, false, "met"},
		{"rate>99%", 1000, func(l *results.Load) { l.RateRPS = 0 }, false, true, "a closed loop has no offered rate"},
		// What is missed is missed, whatever else cannot be told.
		{"p99.99<1s,p90<1us", 1000, nil, false, false, "missed"},
		{"p90<1s,errors<1%,p99.9<1s", 1000, nil, false, true, "too few"},
	} {
		o, err := ParseObjective(c.text)
		if err != nil {
			t.Fatal(err)
		}
		l := seen(t, c.n)
		if c.change != nil {
			c.change(l)
		}
		v, err := o.Judge(l)
		if err != nil {
			t.Fatalf("%s: %v", c.text, err)
		}
		last := v.Terms[len(v.Terms)-1]
		told := last.Reason
		if last.Seen != nil {
			told = map[bool]string{true: "met", false: "missed"}[last.Met]
		} else if last.Met {
			t.Errorf("%s: met, though nothing was seen", c.text)
		}
		if v.Met != c.met || isOpen(v) != c.open || !strings.Contains(told, c.term) || v.Text != c.text {
			t.Errorf("%s of %d: met %v, open %v, %q; want %v, %v, %q", c.text, c.n, v.Met, isOpen(v), told, c.met, c.open, c.term)
		}
	}
	if v, err := (Objective{}).Judge(seen(t, 1)); v != nil || err != nil {
		t.Errorf("an empty objective: %v, %v", v, err)
	}
	o, _ := ParseObjective("p50<1s")
	if _, err := o.Judge(&results.Load{Histogram: "?"}); err == nil {
		t.Error("a broken histogram is judged")
	}
}

func TestNeeds(t *testing.T) {
	o, _ := ParseObjective("p90<1ms,p99.9<10ms,service.p99<5ms")
	if got := o.Samples(); got != 10_000 {
		t.Errorf("p99.9 takes %d samples", got)
	}
	if o.BoundsErrors() || !o.WithErrors().BoundsErrors() || o.WithErrors().String() != o.String()+",errors<=0.1%" {
		t.Errorf("with errors it is %s", o.WithErrors())
	}
}
