package cli

import (
	"fmt"
	"os"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/dynobench/dyno/internal/suggest"
)

// fillFlags sets what the command line left open: from DYNO_… variables, then
// from the file that --config or DYNO_CONFIG names.
func fillFlags(cmd *cobra.Command) error {
	flags := cmd.Flags()
	var err error
	set := func(f *pflag.Flag, value, source string) {
		if err == nil && !f.Changed {
			if e := flags.Set(f.Name, value); e != nil {
				err = fmt.Errorf("%s: %w", source, e)
			}
		}
	}
	flags.VisitAll(func(f *pflag.Flag) {
		name := "DYNO_" + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
		if value, ok := os.LookupEnv(name); ok && f.Name != "help" && f.Name != "version" {
			set(f, value, name)
		}
	})
	path, _ := flags.GetString("config")
	if err != nil || path == "" {
		return err
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("--config: %w", err)
	}
	var file map[string]any
	if err := yaml.Unmarshal(data, &file); err != nil {
		return fmt.Errorf("%s: %s", path, yaml.FormatError(err, false, true))
	}
	for name, value := range file {
		f := flags.Lookup(name)
		if f == nil {
			var known []string
			flags.VisitAll(func(f *pflag.Flag) { known = append(known, f.Name) })
			return fmt.Errorf("%s: %w", path, suggest.Unknown("flag", name, known))
		}
		text := fmt.Sprint(value)
		if list, ok := value.([]any); ok {
			words := make([]string, len(list))
			for i, v := range list {
				words[i] = fmt.Sprint(v)
			}
			text = strings.Join(words, ",")
		}
		set(f, text, path)
	}
	return err
}
