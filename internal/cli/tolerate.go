package cli

import (
	"strings"

	"github.com/spf13/pflag"

	"github.com/dynobench/dyno/bench"
)

// tolerateFlag adds --tolerate to a verb that measures.
func tolerateFlag(flags *pflag.FlagSet, codes *[]string) {
	flags.StringSliceVar(codes, "tolerate", nil, "`codes` of findings about the host in spite of which a trial counts, with a warning: "+strings.Join(bench.Tolerable(), ", ")+" (all of them)")
}
