package main

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dynobench/dyno/bench/target"
	"github.com/dynobench/dyno/bench/tune"
	"github.com/dynobench/dyno/engines"
	"github.com/dynobench/dyno/engines/catalog"
	"github.com/dynobench/dyno/internal/format"
	"github.com/dynobench/dyno/internal/shell"
	"github.com/dynobench/dyno/results"
	"github.com/dynobench/dyno/results/compare"
)

// What is between the marks is written by this program, all else by people.
const (
	begin = "<!-- measured: make tuning writes from here -->\n"
	end   = "<!-- to here -->\n"
)

// replace puts text between the marks of doc.
func replace(doc []byte, text string) ([]byte, error) {
	head, rest, ok := bytes.Cut(doc, []byte(begin))
	_, tail, ok2 := bytes.Cut(rest, []byte(end))
	if !ok || !ok2 {
		return nil, fmt.Errorf("it has no lines %q and %q to write between", strings.TrimSpace(begin), strings.TrimSpace(end))
	}
	return slices.Concat(head, []byte(begin+text+end), tail), nil
}

// document is what was measured: of which host, then engine by engine.
func document(all []*tune.Result, took time.Duration) string {
	var b strings.Builder
	b.WriteString(preface(all, took))
	b.WriteString("\n## Every engine\n\n")
	b.WriteString(settings(catalog.Variables))
	for _, r := range all {
		entry, err := catalog.Lookup(r.Engine)
		if err != nil {
			continue // a binary of another version
		}
		b.WriteString("\n## " + r.Engine + "\n\n")
		if len(entry.Knobs) > 0 {
			b.WriteString(settings(entry.Knobs) + "\n")
		}
		for _, s := range r.Sweeps {
			b.WriteString(table(r, s, "`"+s.Knob+"`", func(m tune.Measured) string { return "`" + m.Value + "`" }) + "\n")
		}
		if w := r.Without; w != nil {
			b.WriteString("Without each setting that was found:\n\n" +
				table(r, *w, "settings", func(m tune.Measured) string { return m.Value }) + "\n")
		}
		if c := r.Confirmation; c != nil {
			b.WriteString("Once more, beside the defaults:\n\n" +
				table(r, *c, "settings", func(m tune.Measured) string { return "`" + m.Name + "`" }) + "\n")
		}
		b.WriteString(strings.Join(r.Verdicts(), " ") + "\n\n    " + shell.Join(r.Command) + "\n")
	}
	return b.String()
}

// quiet is the share of trials that count from which on a host was quiet.
const quiet = 0.9

// preface says on what host all of it was measured, how, and how much counts.
func preface(all []*tune.Result, took time.Duration) string {
	r := all[0]
	trials, valid, better := 0, 0, []string{}
	for _, r := range all {
		sweeps := r.Sweeps
		for _, more := range []*tune.Sweep{r.Without, r.Confirmation} {
			if more != nil {
				sweeps = append(slices.Clone(sweeps), *more)
			}
		}
		for _, s := range sweeps {
			for _, m := range s.Candidates {
				trials, valid = trials+m.Trials, valid+m.Valid
			}
		}
		if len(r.Chosen) > 0 {
			better = append(better, "`"+r.Engine+"`")
		}
	}
	verdict := "On no engine was a default beaten."
	if len(better) > 0 {
		verdict = "A default was beaten on " + strings.Join(better, ", ") + "."
	}
	if float64(valid) < quiet*float64(trials) {
		verdict += " The host was not quiet, which costs trials and makes the intervals wide: what they do not exclude may be so."
	}
	return format.Wrap(fmt.Sprintf("Measured on %s with dyno %s (%s) in %v: %s. Scenario `%s` (%s), %d rounds of %s s, %s. %d of %d trials count. %s",
		r.Created.Format("2 January 2006"), r.Dyno.Version, r.Dyno.Go, took.Round(time.Second), host(r.Environment),
		r.Scenario.Name, compare.Load(r.Scenario), r.Rounds, format.Significant(r.Scenario.DurationS, 2),
		"asked for the least CPU per request", valid, trials, verdict), 80, "", "")
}

// host describes the machine in a few words.
func host(e results.Environment) string {
	parts := []string{fmt.Sprintf("%s/%s, kernel %s", e.OS, e.Arch, e.Kernel)}
	if e.CPUModel != "" {
		parts = append(parts, e.CPUModel)
	}
	parts = append(parts, fmt.Sprintf("%d CPUs, server on %s, generator on %s", e.CPUs, target.FormatCPUs(e.ServerCPUs), target.FormatCPUs(e.GeneratorCPUs)))
	if e.Virtual != "" {
		parts = append(parts, "a virtual machine")
	}
	return strings.Join(parts, ", ")
}

// settings is the table of what may be set.
func settings(knobs []engines.Knob) string {
	var b strings.Builder
	b.WriteString("| setting | default | sets | a sweep tries |\n|---|---|---|---|\n")
	for _, k := range knobs {
		tries := "nothing: " + k.Fixed
		if len(k.Sweep) > 0 {
			tries = "`" + strings.Join(k.Sweep, "`, `") + "`"
		}
		fmt.Fprintf(&b, "| `%s` | `%s` | %s | %s |\n", k.Key, k.Default, cell(k.Doc), cell(tries))
	}
	return b.String()
}

// table is a sweep.
func table(r *tune.Result, s tune.Sweep, first string, name func(tune.Measured) string) string {
	var b strings.Builder
	head := r.Head()
	b.WriteString("| " + first + " | " + strings.Join(head, " | ") + " |\n|---|" + strings.Repeat("--:|", len(head)-1) + "---|\n")
	for _, m := range s.Candidates {
		b.WriteString("| " + name(m) + " | " + strings.Join(r.Row(m), " | ") + " |\n")
	}
	return b.String()
}

// cell keeps text from ending a cell of a table.
func cell(text string) string { return strings.ReplaceAll(text, "|", `\|`) }
