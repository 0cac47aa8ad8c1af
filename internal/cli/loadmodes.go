package cli

import (
	"fmt"
	"slices"

	"github.com/dynobench/dyno/bench/load/plan"
)

// A loadMode is what kind of load is asked for, as far as flags hang on it.
type loadMode struct {
	survey, closed, recorded bool
	kept                     bool // the steps go somewhere
}

func (f loadFlags) mode(config *plan.Config, json bool) loadMode {
	return loadMode{
		survey: f.surveys(), closed: config.Model == plan.Closed && !f.surveys(), recorded: config.Arrivals == plan.Recorded,
		kept: json || f.files.hlog != "" || f.files.heatmap != "",
	}
}

// idleFlags says of flags that do something in some modes only when they do
// nothing, and why. What hangs on the protocol, and what load.Config refuses by
// itself, is not here.
var idleFlags = []struct {
	names []string
	idle  func(m loadMode) bool
	why   string
}{
	{[]string{"hdr", "hlog", "vegeta", "heatmap", "steps"}, func(m loadMode) bool { return m.survey },
		"is about a single run; --capacity and --sweep have --json and --plot"},
	{[]string{"steps"}, func(m loadMode) bool { return !m.kept }, "keeps histograms in the JSON document: give --json as well"},
	{[]string{"warmup"}, func(m loadMode) bool { return m.survey }, "is for a single run: --capacity and --sweep choose it by the window (-d)"},
	{[]string{"trace", "speed"}, func(m loadMode) bool { return !m.recorded || m.survey }, "is for --arrivals recorded in a single run"},
	{[]string{"arrivals"}, func(m loadMode) bool { return m.closed }, "is for the open loop: give a --rate as well"},
	{[]string{"arrivals"}, func(m loadMode) bool { return m.recorded && m.survey }, "recorded has its own rate: --capacity and --sweep choose the rates"},
	{[]string{"spin"}, func(m loadMode) bool { return m.closed }, "is for the open loop: nothing is due by the clock in the closed one"},
}

// idle is an error if a flag is given that would do nothing.
func (m loadMode) idle(given func(string) bool) error {
	for _, f := range idleFlags {
		if i := slices.IndexFunc(f.names, given); i >= 0 && f.idle(m) {
			return fmt.Errorf("--%s %s", f.names[i], f.why)
		}
	}
	return nil
}
