package cli

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/dynobench/dyno/bench/target"
	"github.com/dynobench/dyno/engines"
	"github.com/dynobench/dyno/engines/catalog"
	"github.com/dynobench/dyno/internal/suggest"
	"github.com/dynobench/dyno/results"
	"github.com/dynobench/dyno/scenarios"
	"github.com/dynobench/dyno/scenarios/apps"
)

func (c *cli) listCommand() *cobra.Command {
	kinds := []string{"engines", "targets", "scenarios", "apps"}
	var runs string
	cmd := &cobra.Command{
		Use:   "list [engines|targets|scenarios|apps|runs]",
		Short: "List engines, targets, scenarios, apps and runs",
		Long: `list shows engines with their settings, targets, scenarios and apps, or the stored
runs, newest first, with how many trials were planned, ran and count.`,
		Example:   "  dyno list\n  dyno list engines\n  dyno list targets --json\n  dyno list runs",
		Args:      cobra.MaximumNArgs(1),
		ValidArgs: append(kinds, listRuns),
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 1 {
				kinds = args
			}
			return c.list(kinds, runs)
		},
	}
	cmd.Flags().StringVarP(&runs, "out", "o", "runs", "`folder` for runs")
	return cmd
}

// listRuns is the kind that is listed only where it is asked for.
const listRuns = "runs"

// row is one thing that there is.
type row struct {
	Name     string         `json:"name"`
	Kind     string         `json:"kind,omitempty"`
	Summary  string         `json:"summary"`
	InFlight string         `json:"in_flight,omitempty"`
	Missing  string         `json:"missing,omitempty"` // what must be installed first
	Knobs    []engines.Knob `json:"knobs,omitempty"`
	Trials   *results.Tally `json:"trials,omitempty"` // of a run
}

func (c *cli) list(kinds []string, runs string) error {
	all := map[string][]row{}
	for _, kind := range kinds {
		rows, err := c.rowsOf(kind, runs)
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

func (c *cli) rowsOf(kind, runs string) ([]row, error) {
	rows := []row{}
	switch kind {
	case listRuns:
		names, err := results.List(runs)
		if err != nil {
			return nil, failed(err)
		}
		for _, name := range names {
			run, err := results.Read(filepath.Join(runs, name))
			if err != nil {
				rows = append(rows, row{Name: name, Summary: "cannot be read: " + err.Error()})
				continue
			}
			tally := run.Tally()
			rows = append(rows, row{Name: name, Summary: fmt.Sprintf("%s, %s: %s", run.Created.UTC().Format("2 January 2006, 15:04 UTC"), tally.State, tally), Trials: &tally})
		}
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
		return nil, usageError(suggest.Unknown("list", kind, []string{"engines", "targets", "scenarios", "apps", listRuns}))
	}
	return rows, nil
}

func builtinTargets() ([]target.Target, error) {
	return target.ParseList("targets.yaml", scenarios.TargetsYAML)
}
