package doctor

import (
	"cmp"
	"slices"

	"github.com/dynobench/dyno/results"
)

// tolerate makes notes of the problems with these codes.
func tolerate(findings []results.Finding, codes []string) {
	for i := range findings {
		f := &findings[i]
		if f.Level == results.LevelProblem && slices.Contains(codes, f.Code) {
			f.Level, f.Message = results.LevelNote, f.Message+" Tolerated, as asked."
			f.Limit = cmp.Or(f.Limit, "what "+f.Code+" disturbs")
		}
	}
}

// verdict sums the findings up. A problem makes figures wrong, and one is
// enough; what notes say cannot be measured is told with the verdict, so that
// nobody has to look for it.
func verdict(findings []results.Finding) (word, sentence string) {
	var problems, limits []string
	for _, f := range findings {
		if f.Level == results.LevelProblem && !slices.Contains(problems, f.Code) {
			problems = append(problems, f.Code)
		}
		if f.Limit != "" {
			limits = append(limits, f.Limit)
		}
	}
	switch {
	case len(problems) > 0:
		return results.NotFit, "Not fit to measure, because of " + list(problems) + ": figures from here would be wrong, or nearly none would count."
	case len(limits) > 0:
		text := "Fit to measure, with limits: "
		for i, l := range limits {
			if i > 0 {
				text += "; "
			}
			text += l
		}
		return results.FitWithLimits, text + "."
	}
	return results.Fit, "Fit to measure."
}
