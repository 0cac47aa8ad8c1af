package cli

import (
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// fill fills the flags of cmd that the command line left open, and remembers
// those for commandLine.
func (c *cli) fill(cmd *cobra.Command) error {
	given := map[string]bool{}
	c.settings = map[string]bool{}
	cmd.Flags().Visit(func(f *pflag.Flag) { given[f.Name] = true })
	if err := fillFlags(cmd); err != nil {
		return err
	}
	cmd.Flags().Visit(func(f *pflag.Flag) {
		if !given[f.Name] && f.Name != "config" {
			c.filled = append(c.filled, words(f)...)
			c.settings[f.Name] = true
		}
	})
	return nil
}

// words are those of a command line that set f as it is.
func words(f *pflag.Flag) []string {
	name := "--" + f.Name
	inner := f.Value
	if v, ok := inner.(*value); ok {
		inner = v.Value
	}
	switch list, ok := inner.(pflag.SliceValue); {
	case ok && f.Value.Type() == "stringArray": // a value of it may hold a comma
		var all []string
		for _, v := range list.GetSlice() {
			all = append(all, name+"="+v)
		}
		return all
	case ok:
		return []string{name + "=" + strings.Join(list.GetSlice(), ",")}
	}
	return []string{name + "=" + f.Value.String()}
}

// commandLine is the command that does the same again, wherever it is given:
// what came from the environment or a file stands in it as flags, and the seed
// that was drawn.
func (c *cli) commandLine(seed uint64) []string {
	line := []string{c.program()}
	end := len(c.args) // of the flags
	if i := slices.Index(c.args, "--"); i >= 0 {
		end = i
	}
	for i := 0; i < end; i++ {
		switch arg := c.args[i]; {
		case arg == "--config":
			i++ // and its value
		case !strings.HasPrefix(arg, "--config="):
			line = append(line, arg)
		}
	}
	line = append(line, c.filled...)
	if !slices.ContainsFunc(line, func(arg string) bool { return arg == "--seed" || strings.HasPrefix(arg, "--seed=") }) {
		line = append(line, "--seed", strconv.FormatUint(seed, 10))
	}
	return append(line, c.args[end:]...)
}
