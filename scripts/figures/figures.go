package main

import (
	"fmt"
	"slices"

	"github.com/dynobench/dyno/results"
	"github.com/dynobench/dyno/results/stats"
)

// figures counts what is missed.
type figures struct{ missed int }

// say prints one figure: values are per pair, the promise is about their median.
func (f *figures) say(what string, values []float64, most bool, limit float64) {
	if len(values) == 0 {
		f.miss("%-52s no pair of trials counts", what)
		return
	}
	sign, ok := "≥", false
	median := stats.Median(values)
	if most {
		sign, ok = "≤", median <= limit
	} else {
		ok = median >= limit
	}
	mark := "met"
	if !ok {
		mark = "MISSED"
		f.missed++
	}
	fmt.Printf("%-52s %s  promised %s %s  %s\n", what, spread(values), sign, number(limit), mark)
}

// miss prints a figure that is missed since there is none.
func (f *figures) miss(format string, a ...any) {
	f.missed++
	fmt.Printf(format+"  MISSED\n", a...)
}

// note prints values that nothing is promised of.
func note(what string, values []float64) {
	if len(values) == 0 {
		fmt.Printf("  %-50s no pair of trials counts\n", what)
		return
	}
	fmt.Printf("  %-50s %s\n", what, spread(values))
}

// spread is the median of values and how far they lie apart.
func spread(values []float64) string {
	text := fmt.Sprintf("%8s", number(stats.Median(values)))
	if n := len(values); n > 1 {
		text += fmt.Sprintf("  (%d, %s to %s)", n, number(slices.Min(values)), number(slices.Max(values)))
	}
	return text
}

// number is v to the decimals that say something.
func number(v float64) string {
	switch {
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.3f", v)
}

// values returns what of gives for each trial of target.
func values(r *results.Run, target string, of func(*results.Trial) float64) []float64 {
	var all []float64
	for i := range r.Trials {
		if t := &r.Trials[i]; t.Target == target && of(t) > 0 {
			all = append(all, of(t))
		}
	}
	return all
}

// ratios pairs the trials of a and b that are of the same round.
func ratios(r *results.Run, a, b string, of func(*results.Trial) float64) []float64 {
	byRound := map[int]map[string]float64{}
	for i := range r.Trials {
		t := &r.Trials[i]
		if byRound[t.Trial] == nil {
			byRound[t.Trial] = map[string]float64{}
		}
		byRound[t.Trial][t.Target] = of(t) // a repeat replaces the trial that the host disturbed
	}
	var all []float64
	for _, round := range byRound {
		if round[a] > 0 && round[b] > 0 {
			all = append(all, round[a]/round[b])
		}
	}
	return all
}
