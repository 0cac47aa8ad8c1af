package main

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/dynobench/dyno/bench/tune"
	"github.com/dynobench/dyno/engines"
	"github.com/dynobench/dyno/engines/catalog"
	"github.com/dynobench/dyno/results"
)

// TestDocumentHasAllSettings holds docs/tuning-results.md to what the catalog has: make
// tuning writes it anew.
func TestDocumentHasAllSettings(t *testing.T) {
	b, err := os.ReadFile("../../docs/tuning-results.md")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := replace(b, ""); err != nil {
		t.Error(err)
	}
	sections := map[string]string{}
	for _, text := range strings.Split(string(b), "\n## ")[1:] {
		title, rest, _ := strings.Cut(text, "\n")
		sections[title] = rest
	}
	has := func(section string, knobs []engines.Knob) {
		for _, k := range knobs {
			if !strings.Contains(sections[section], "| `"+k.Key+"` | `"+k.Default+"` |") {
				t.Errorf("docs/tuning-results.md, section %q: no row for %s with the default %s: run make tuning, or add it by hand until then", section, k.Key, k.Default)
			}
		}
	}
	has("Every engine", catalog.Variables)
	for _, e := range catalog.List() {
		if e.Kind == catalog.Calibration {
			continue
		}
		if _, ok := sections[e.Name]; !ok {
			t.Errorf("docs/tuning-results.md has no section on %s: run make tuning", e.Name)
		}
		has(e.Name, e.Knobs)
	}
}

// TestDocument writes one of a search in which GOGC=200 saves a quarter.
func TestDocument(t *testing.T) {
	terms := tune.Terms{Engine: "goroutine", Objective: tune.CPU, Rounds: 5, Floor: 0.02, Knobs: []tune.Knob{
		{Key: "GOGC", Default: "100", Variable: true, Values: []string{"200"}},
	}}
	r, err := tune.Search(context.Background(), terms, func(_ context.Context, all []tune.Candidate, rounds int) ([]results.Trial, error) {
		var trials []results.Trial
		for i, c := range all {
			for round := range rounds {
				trial := results.Trial{Target: c.Name("goroutine"), Trial: round + 1}
				trial.Valid, trial.ThroughputRPS = true, 1000
				trial.Server.CPUUSPerRequest = (20 + 0.1*float64((i+round)%3)) * []float64{1, 0.75}[i]
				trials = append(trials, trial)
			}
		}
		return trials, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	r.Created, r.Command = time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC), []string{"GOGC=200", "dyno", "serve", "--engine", "goroutine"}
	r.Environment = results.Environment{OS: "linux", Arch: "amd64", Kernel: "6.1", CPUs: 2, ServerCPUs: []int{0}, GeneratorCPUs: []int{1}}
	text := document([]*tune.Result{r}, time.Minute)
	for _, want := range []string{
		"Measured on 2 January 2026", "linux/amd64, kernel 6.1", "30 of 30 trials count.", "A default was beaten on `goroutine`.",
		"\n## Every engine\n", "\n## goroutine\n", "| `per` | `connection` | connection: a goroutine",
		"| `slots` | `0` | connections at a time; 0: unlimited | nothing: it bounds what is in flight |",
		"| `GOGC` | n | CPU/req | change |", "| `200` | 5/5 | 15.1 µs | −25 % |", "| `GOGC=200 goroutine` | 10/10 |",
		"\n    GOGC=200 dyno serve --engine goroutine\n",
	} {
		if !strings.Contains(strings.ReplaceAll(text, "\n", " "), strings.ReplaceAll(want, "\n", " ")) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	doc, err := replace([]byte("a\n"+begin+"old\n"+end+"b\n"), text)
	if err != nil || string(doc) != "a\n"+begin+text+end+"b\n" {
		t.Errorf("%v: %s", err, doc)
	}
	if _, err := replace([]byte(begin), text); err == nil {
		t.Error("a document without the second mark was taken")
	}
}
