package cli

import (
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// usageWidth bounds the columns of the flags' descriptions: longer lines are
// not read.
const usageWidth = 100

// wrapUsage makes root and its verbs wrap the descriptions of their flags to
// so many columns.
func wrapUsage(root *cobra.Command, columns int) {
	columns = min(columns, usageWidth)
	cobra.AddTemplateFunc("wrapped", func(flags *pflag.FlagSet) string { return flags.FlagUsagesWrapped(columns) })
	template := root.UsageTemplate()
	for _, set := range []string{"LocalFlags", "InheritedFlags"} {
		template = strings.ReplaceAll(template, "."+set+".FlagUsages", "wrapped ."+set)
	}
	root.SetUsageTemplate(template)
}
