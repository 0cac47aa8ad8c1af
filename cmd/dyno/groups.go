package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/dynobench/dyno/bench/load"
	"github.com/dynobench/dyno/internal/format"
	"github.com/dynobench/dyno/results"
)

const groupUsage = "connections beside the busy ones, as `kind,key=value…`: idle, slow-send, slow-read or storm; may be repeated"

// parseGroups reads the values of --group.
func parseGroups(specs []string) ([]load.Group, error) {
	var groups []load.Group
	for _, spec := range specs {
		g, err := load.ParseGroup(spec)
		if err != nil {
			return nil, fmt.Errorf("--group: %w", err)
		}
		groups = append(groups, g)
	}
	return groups, nil
}

// printGroups is the part of the summary for people about connection groups.
func printGroups(w io.Writer, l *results.Load) error {
	if len(l.Groups) == 0 {
		return nil
	}
	fmt.Fprintln(w)
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(tw, "group\topened\trefused\tclosed\tstanding\tanswers\terrors\tp50\tp99\theld p50\t")
	for _, g := range l.Groups {
		standing := fmt.Sprint(g.Standing)
		if g.Kind == string(load.Storm) {
			standing = format.None
		}
		fmt.Fprintf(tw, "%s\t%d\t%d\t%d\t%s\t%d\t%d\t%s\t%s\t%s\t\n", g.Name, g.Opened, g.Refused, g.Closed, standing,
			g.Requests, g.Errors, micros(g.LatencyUS.P50), micros(g.LatencyUS.P99), micros(g.HeldUS.P50))
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	var unopened []string
	for _, g := range l.Groups {
		if g.Unopened > 0 {
			unopened = append(unopened, fmt.Sprintf("%d of %s", g.Unopened, g.Name))
		}
	}
	if len(unopened) > 0 {
		fmt.Fprintf(w, "  not opened, since too many were still open: %s\n", strings.Join(unopened, ", "))
	}
	_, err := fmt.Fprintf(w, "  the groups took %.2f s of the generator's CPU\n", l.GroupsCPUS)
	return err
}
