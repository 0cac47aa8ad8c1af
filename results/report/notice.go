package report

import (
	"fmt"
	"slices"
	"strings"

	"github.com/dynobench/dyno/internal/format"
	"github.com/dynobench/dyno/results"
)

// Notice is what the trials of a scenario were warned of under one code, told
// once for all of them, or something about the whole run.
type Notice struct {
	results.Warning                // of the worst of them
	Where           []Where        // empty if it is about the whole
	Repeated        int            // how many of them were measured again and count now
	differ          bool           // the warnings are not all the same
	last            *results.Trial // that was counted
	Each            []string       // every warning: "pool, trial 2: …"; empty if there is one only
}

// Where names trials of a target.
type Where struct {
	Target string
	Trials []int
}

// enough is from how many merged samples on a warning of too few says nothing
// that the table does not: p99 is there, and p99.9's absence has its footnote.
const (
	codeTooFew = "too-few-samples"
	enough     = 1000
)

// notices gathers the warnings of all trials by code, those that make trials
// invalid first.
func (s *Scenario) notices() []Notice {
	var all []Notice
	add := func(r *Row, t *results.Trial, w results.Warning) {
		at := slices.IndexFunc(all, func(n Notice) bool { return n.Code == w.Code && n.Invalid == w.Invalid })
		if at < 0 {
			at = len(all)
			all = append(all, Notice{Warning: w})
		}
		all[at].add(r, t, w)
	}
	for i := range s.Rows {
		r := &s.Rows[i]
		for _, t := range r.Trials {
			reason := false
			for _, w := range t.Warnings {
				reason = reason || w.Invalid
				if w.Code != codeTooFew || w.Invalid || r.Latency.Samples < enough {
					add(r, t, w)
				}
			}
			if !t.Valid && !reason {
				add(r, t, results.Warning{Code: "invalid", Message: "stored as invalid, without a reason", Invalid: true})
			}
		}
		for _, t := range r.broken {
			add(r, t, results.Warning{Code: "histogram", Message: "a histogram could not be read; its samples are in no percentile", Hint: "the run.json was changed or cut; measure again"})
		}
	}
	slices.SortStableFunc(all, func(a, b Notice) int {
		switch {
		case a.Invalid == b.Invalid:
			return 0
		case a.Invalid:
			return -1
		}
		return 1
	})
	hints := map[string]bool{}
	for i := range all {
		n := &all[i]
		if len(n.Each) == 1 {
			n.Each = nil
		}
		if hints[n.Hint] {
			n.Hint = ""
		}
		hints[n.Hint] = true
	}
	return all
}

// add counts a trial and keeps the worst of the warnings.
func (n *Notice) add(r *Row, t *results.Trial, w results.Warning) {
	n.differ = n.differ || w.Message != n.Message
	if w.Worse(n.Warning) {
		n.Warning = w
	}
	each := fmt.Sprintf("%s, trial %d: %s", r.name(), t.Trial, w.Message)
	if w.Hint != n.Hint {
		each += " → " + w.Hint
	}
	n.Each = append(n.Each, each)
	if n.last == t { // of one trial there may be several
		return
	}
	n.last = t
	if w.Invalid && slices.ContainsFunc(r.Valid, func(v *results.Trial) bool { return v.Trial == t.Trial }) {
		n.Repeated++
	}
	if last := len(n.Where) - 1; last >= 0 && n.Where[last].Target == r.name() {
		n.Where[last].Trials = append(n.Where[last].Trials, t.Trial)
		return
	}
	n.Where = append(n.Where, Where{r.name(), []int{t.Trial}})
}

// Text tells it in a sentence: "does not count: steal, 1 trial (pool 2),
// measured again: …".
func (n Notice) Text() string {
	if len(n.Where) == 0 {
		return n.Message
	}
	trials := 0
	var parts []string
	for _, w := range n.Where {
		trials += len(w.Trials)
		parts = append(parts, w.Target+" "+list(w.Trials))
	}
	text := fmt.Sprintf("%s, %s (%s)", n.Code, format.Plural(trials, "trial"), strings.Join(parts, "; "))
	if n.Invalid {
		text = "does not count: " + text
		switch {
		case n.Repeated == trials:
			text += ", measured again"
		case n.Repeated > 0:
			text += fmt.Sprintf(", %d of them measured again", n.Repeated)
		}
	}
	switch {
	case trials > 1 && n.Measure != nil:
		text += ", at worst"
	case n.differ:
		text += ", for example"
	}
	return text + ": " + n.Message
}

// list prints numbers, each once: "1, 2".
func list(numbers []int) string {
	sorted := slices.Compact(slices.Sorted(slices.Values(numbers)))
	return strings.Trim(strings.ReplaceAll(fmt.Sprint(sorted), " ", ", "), "[]")
}

// lacking names what was planned and is not there, scenario by scenario. A
// target that did not run at all for a reason that is known is told with it.
func lacking(run *results.Run, tally results.Tally) string {
	var parts []string
	for _, s := range run.Plan.Scenarios {
		var names []string
		none := 0
		for _, m := range tally.Missing {
			if m.Scenario != s.Name || m.Reason != "" {
				continue
			}
			if len(m.Trials) == m.Planned {
				none++
			}
			names = append(names, fmt.Sprintf("%s %d of %d", m.Target, len(m.Trials), m.Planned))
		}
		switch {
		case names == nil:
		case none == len(run.Plan.Targets):
			parts = append(parts, s.Name+": all of every target")
		default:
			parts = append(parts, s.Name+": "+strings.Join(names, ", "))
		}
	}
	if parts == nil {
		return ""
	}
	return "Planned trials that are missing: " + strings.Join(parts, "; ") + "."
}

// runNotices returns what is to be known before any figure of the run.
func runNotices(run *results.Run, tally results.Tally) []Notice {
	var n []Notice
	add := func(code, message, hint string) {
		n = append(n, Notice{Warning: results.Warning{Code: code, Message: message, Hint: hint}})
	}
	ran := tally.Ran - tally.Repeats
	resume := ""
	if run.Resumable() == nil {
		resume = fmt.Sprintf("dyno run --resume %s continues it", run.ID)
	}
	switch {
	case tally.State == results.Interrupted:
		add("interrupted", fmt.Sprintf("The run was interrupted: %d of %s ran.", ran, format.Plural(tally.Planned, "planned trial")), resume)
	case tally.State == results.Unfinished && run.Plan.Planned > 0:
		add("unfinished", fmt.Sprintf("The run did not end: it was killed, or is still running. %d of %s ran.", ran, format.Plural(tally.Planned, "planned trial")), resume)
	case tally.State == results.Unfinished: // of an older version, which cannot be resumed
		add("unfinished", fmt.Sprintf("The run is not complete: %d of %s ran.", ran, format.Plural(tally.Planned, "planned trial")), "")
	}
	if text := lacking(run, tally); text != "" {
		add("missing", text, "")
	}
	if run.Environment.CPUsShared {
		add("cpus-shared", "Server and generator shared their CPUs: each figure includes the cost of both.", "use a machine with two CPUs or more")
	}
	if n := len(run.Resumed); n > 0 {
		add("resumed", fmt.Sprintf("The run was resumed %s, last on %s: figures from before and after were measured at different times, perhaps within one round.",
			format.Plural(n, "time"), run.Resumed[n-1].UTC().Format("2 January 2006, 15:04 UTC")), "")
	}
	if codes := run.Plan.Tolerate; len(codes) > 0 {
		add("tolerated", fmt.Sprintf("Trials count despite these findings about the host: %s (--tolerate).", strings.Join(codes, ", ")), "measure without --tolerate for figures to believe")
	}
	for _, s := range run.Plan.Skipped {
		add("skipped", fmt.Sprintf("%s did not run: %s.", s.Target, strings.TrimSuffix(s.Reason, ".")), s.Hint)
	}
	return n
}
