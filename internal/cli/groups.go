package cli

import (
	"fmt"

	"github.com/dynobench/dyno/scenarios/workload"
)

const groupUsage = "connections beside the busy ones, as `kind,key=value,...`: idle, slow-send, slow-read or storm; may be repeated"

// parseGroups reads the values of --group.
func parseGroups(specs []string) ([]workload.Group, error) {
	var groups []workload.Group
	for _, spec := range specs {
		g, err := workload.ParseGroup(spec)
		if err != nil {
			return nil, fmt.Errorf("--group: %w", err)
		}
		groups = append(groups, g)
	}
	return groups, nil
}
