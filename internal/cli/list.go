package cli

import (
	"encoding/json"
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/dynobench/dyno/bench/target"
	"github.com/dynobench/dyno/engines"
	"github.com/dynobench/dyno/engines/catalog"
	"github.com/dynobench/dyno/internal/suggest"
	"github.com/dynobench/dyno/scenarios"
	"github.com/dynobench/dyno/scenarios/apps"
)

func (c *cli) listCommand() *cobra.Command {
	kinds := []string{"engines", "targets", "scenarios", "apps"}
	return &cobra.Command{
		Use:       "list [engines|targets|scenarios|apps]",
		Short:     "Say what there is",
		Example:   "  dyno list\n  dyno list engines\n  dyno list targets --json",
		Args:      cobra.MaximumNArgs(1),
		ValidArgs: kinds,
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 1 {
				kinds = args
			}
			return c.list(kinds)
		},
	}
}

// row is one thing that there is.
type row struct {
	Name     string         `json:"name"`
	Kind     string         `json:"kind,omitempty"`
	Summary  string         `json:"summary"`
	InFlight string         `json:"in_flight,omitempty"`
	Missing  string         `json:"missing,omitempty"` // what must be installed first
	Knobs    []engines.Knob `json:"knobs,omitempty"`
}

func (c *cli) list(kinds []string) error {
	all := map[string][]row{}
	for _, kind := range kinds {
		rows, err := c.rowsOf(kind)
		if err != nil {
			return err
		}
		all[kind] = rows
	}
	if c.json {
		return json.NewEncoder(c.stdout).Encode(all)
	}
	for i, kind := range kinds {
		if i > 0 {
			fmt.Fprintln(c.stdout)
		}
		fmt.Fprintf(c.stdout, "%s\n", kind)
		tw := tabwriter.NewWriter(c.stdout, 0, 0, 2, ' ', 0)
		for _, r := range all[kind] {
			fmt.Fprintf(tw, "  %s\t%s\n", r.Name, r.Summary)
			if r.Missing != "" {
				fmt.Fprintf(tw, "  \tmissing: %s\n", r.Missing)
			}
			for _, k := range r.Knobs {
				fmt.Fprintf(tw, "  \t  %s=%s  %s\n", k.Key, k.Default, k.Doc)
			}
		}
		if err := tw.Flush(); err != nil {
			return err
		}
	}
	return nil
}

func (c *cli) rowsOf(kind string) ([]row, error) {
	var rows []row
	switch kind {
	case "engines":
		for _, e := range catalog.List() {
			rows = append(rows, row{Name: e.Name, Kind: string(e.Kind), Summary: e.Summary, InFlight: e.InFlight, Knobs: e.Knobs})
		}
	case "targets":
		targets, err := builtinTargets()
		if err != nil {
			return nil, err
		}
		for _, t := range targets {
			rows = append(rows, row{Name: t.Name, Kind: t.Kind, Summary: t.Summary, Missing: missing(t)})
		}
	case "scenarios":
		for _, s := range scenarios.List() {
			rows = append(rows, row{Name: s.Name, Summary: s.Summary + "; shows " + s.Shows})
		}
	case "apps":
		if c.own != nil {
			rows = append(rows, row{Name: ownApp, Summary: "the app of this program"})
		}
		for _, a := range apps.List() {
			rows = append(rows, row{Name: a.Name, Summary: a.Summary})
		}
	default:
		return nil, usageError(suggest.Unknown("list", kind, []string{"engines", "targets", "scenarios", "apps"}))
	}
	return rows, nil
}

func builtinTargets() ([]target.Target, error) {
	return target.ParseList("targets.yaml", scenarios.TargetsYAML)
}
