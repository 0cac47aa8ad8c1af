package main

import (
	"fmt"
	"slices"

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

// values returns what of gives for one that was measured, by round; without
// the rounds that have nothing of it.
func values[T any](rounds []map[string]T, name string, of func(T) float64) []float64 {
	var all []float64
	for _, round := range rounds {
		if v := of(round[name]); v > 0 {
			all = append(all, v)
		}
	}
	return all
}

// ratios are a's over b's of the same round.
func ratios[T any](rounds []map[string]T, a, b string, of func(T) float64) []float64 {
	var all []float64
	for _, round := range rounds {
		if x, y := of(round[a]), of(round[b]); x > 0 && y > 0 {
			all = append(all, x/y)
		}
	}
	return all
}

// itself is for values that are numbers already.
func itself(v float64) float64 { return v }
