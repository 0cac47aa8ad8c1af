package report

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/dynobench/dyno/internal/format"
	"github.com/dynobench/dyno/results"
	"github.com/dynobench/dyno/results/stats"
)

// tooFew says what a comparison lacks: answers in the trials, or trials.
func (s *Scenario) tooFew(q question) string {
	if least, most, ok := s.answers(q); ok {
		need := results.SamplesFor(99)
		text := fmt.Sprintf("p99%s needs %s responses in each trial, and these have %s", ofClass(s.class()), format.Count(need), format.Count(least))
		if most > least {
			text += " to " + format.Count(most)
		}
		if longer := s.longer(need, least); longer != "" {
			text += " (" + longer + " would do)"
		}
		return text
	}
	return fmt.Sprintf("a comparison needs %d valid trials of at least two targets", stats.MinTrials)
}

// longer is the window in which the trial with the fewest answers would have
// had enough, as the option that asks for it.
func (s *Scenario) longer(need, least int64) string {
	if least == 0 || s.Plan.DurationS <= 0 {
		return ""
	}
	window := s.Plan.DurationS * float64(need) / float64(least) * 1.05 // they come by chance
	return "--duration " + time.Duration(math.Ceil(window)*float64(time.Second)).String()
}

// answers returns the fewest and the most answers of the valid trials that have
// no figure, if it is for the want of answers that targets are not compared: as
// trials they would do.
func (s *Scenario) answers(q question) (least, most int64, ok bool) {
	if q.metric != results.P99 {
		return 0, 0, false
	}
	enough := 0
	for i := range s.Rows {
		r := &s.Rows[i]
		if r.Target.Name == nullTarget || len(r.Valid) < stats.MinTrials {
			continue
		}
		enough++
		for _, t := range r.Valid {
			if q.metric.Of(t, "") > 0 {
				continue
			}
			n := answersOf(t)
			if !ok || n < least {
				least = n
			}
			most, ok = max(most, n), true
		}
	}
	return least, most, ok && enough >= 2
}

// answersOf is how many samples the latency has that t is about.
func answersOf(t *results.Trial) int64 {
	if len(t.Classes) < 2 {
		return t.Requests
	}
	return t.Classes[0].Requests
}

// notRanked names the targets that a verdict leaves out, by the reason.
func (s *Scenario) notRanked(q question, names []string) string {
	var text string
	short := func(name string) bool {
		i := slices.IndexFunc(s.Rows, func(r Row) bool { return r.name() == name })
		return i >= 0 && len(s.Rows[i].Valid) >= stats.MinTrials && len(q.metric.Values(s.Rows[i].Valid, "")) < stats.MinTrials
	}
	var few, rest []string
	for _, name := range names {
		if short(name) {
			few = append(few, name)
		} else {
			rest = append(rest, name)
		}
	}
	if few != nil {
		text += fmt.Sprintf(" Not ranked, too few responses (%s): %s.", s.tooFew(q), strings.Join(few, ", "))
	}
	if rest != nil {
		text += fmt.Sprintf(" Not ranked, fewer than %d valid trials in the same rounds as the others: %s.", stats.MinTrials, strings.Join(rest, ", "))
	}
	return text
}
