package cli

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/dynobench/dyno/internal/suggest"
	"github.com/dynobench/dyno/internal/yamlfile"
)

// fillFlags sets what the command line left open: from DYNO_… variables, then
// from the file that --config or DYNO_CONFIG names. A variable that is empty is
// as good as none.
func fillFlags(cmd *cobra.Command) error {
	flags := cmd.Flags()
	var err error
	flags.VisitAll(func(f *pflag.Flag) {
		name := variable(f.Name)
		value := os.Getenv(name)
		if err != nil || value == "" || f.Changed || f.Name == "help" || f.Name == "version" {
			return
		}
		if e := flags.Set(f.Name, value); e != nil {
			err = fmt.Errorf("%s: %w", name, e)
		}
	})
	path, _ := flags.GetString("config")
	if err != nil || path == "" {
		return err
	}
	return fillFromFile(flags, path)
}

// variable is the one that sets a flag.
func variable(flag string) string {
	return "DYNO_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// fillFromFile sets what is still open from the file at path.
func fillFromFile(flags *pflag.FlagSet, path string) error {
	data, err := yamlfile.ReadFile(path)
	if err != nil {
		return fmt.Errorf("--config: %w", err)
	}
	return fillFrom(flags, path, data)
}

func fillFrom(flags *pflag.FlagSet, path string, data []byte) error {
	root, err := yamlfile.Parse(path, data)
	if err != nil {
		return err
	}
	d := yamlfile.NewDecoder(path)
	if root.Kind != yamlfile.Map && root.Kind != yamlfile.Null {
		d.Fault(root, "%s; write flag: value pairs", root)
		return d.Err()
	}
	for _, p := range root.Pairs {
		f := flags.Lookup(p.Key.Text)
		if f == nil || slices.Contains([]string{"config", "help", "version"}, p.Key.Text) {
			var known []string
			flags.VisitAll(func(f *pflag.Flag) { known = append(known, f.Name) })
			d.Fault(p.Key, "%v", suggest.Unknown("flag", p.Key.Text, known))
			continue
		}
		values := []*yamlfile.Node{p.Value}
		if p.Value.Kind == yamlfile.List {
			values = p.Value.Items
			if !repeatable(f) {
				d.Fault(p.Value, "%s: expected one value, not a list", f.Name)
				continue
			}
		}
		if f.Changed {
			continue
		}
		for _, v := range values {
			var text string
			if d.Word(&text)(f.Name, v); d.Faulty() {
				break
			}
			if err := flags.Set(f.Name, text); err != nil {
				d.Fault(v, "%v", err)
				break
			}
		}
	}
	return d.Err()
}

// repeatable tells whether a flag may be given several times, each adding to
// what there is.
func repeatable(f *pflag.Flag) bool {
	return strings.HasSuffix(f.Value.Type(), "Array") || strings.HasSuffix(f.Value.Type(), "Slice")
}
