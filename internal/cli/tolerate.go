package cli

import (
	"strings"

	"github.com/spf13/pflag"

	"github.com/dynobench/dyno/bench"
	"github.com/dynobench/dyno/bench/doctor"
	"github.com/dynobench/dyno/results"
)

// findings are the codes under which dyno doctor finds what makes trials invalid.
func findings(tolerated []string) (codes []string) {
	for _, code := range tolerated {
		switch strings.TrimSpace(code) {
		case bench.TolerateHost:
			return []string{doctor.CodeSteal, doctor.CodeOthers, doctor.CodePacing}
		case results.CodeSteal:
			codes = append(codes, doctor.CodeSteal)
		case results.CodeForeignLoad:
			codes = append(codes, doctor.CodeOthers)
		case results.CodeSendLag, results.CodeRateMissed:
			codes = append(codes, doctor.CodePacing)
		}
	}
	return codes
}

// tolerateFlag adds --tolerate to a verb that measures.
func tolerateFlag(flags *pflag.FlagSet, codes *[]string) {
	flags.StringSliceVar(codes, "tolerate", nil, "count trials despite these `codes` about the host, with a warning: "+strings.Join(bench.Tolerable(), ", ")+" (all of them)")
}
