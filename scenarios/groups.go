package scenarios

import (
	"errors"
	"fmt"

	"github.com/dynobench/dyno/internal/yamlfile"
	"github.com/dynobench/dyno/scenarios/workload"
)

func (d decoder) groups(into *[]workload.Group) yamlfile.Set {
	return d.Each("groups", func(path string, n *yamlfile.Node) {
		var g workload.Group
		d.Object(path, n, "a group", map[string]yamlfile.Set{
			"kind":        d.Text((*string)(&g.Kind)),
			"name":        d.Text(&g.Name),
			"connections": d.Integer(&g.Connections),
			"path":        d.Text(&g.Path),
			"every":       d.Duration(&g.Every),
			"rate":        d.Decimal(&g.Rate),
			"part":        d.Text(&g.Part),
			"size":        d.Integer(&g.Size),
			"request":     d.Bool(&g.Request),
			"abort":       d.Bool(&g.Abort),
			"limit":       d.Integer(&g.Limit),
		}, "kind")
		*into = append(*into, g)
	})
}

// groupProblems holds the groups against the rules of package workload, which leave
// what is not given to the default; a zero that is given is no default.
func (l *Offer) groupProblems(given func(path string) bool) []problem {
	var list []problem
	for i, g := range l.Groups {
		at := fmt.Sprintf("load.groups[%d].", i)
		for _, fault := range g.KeyFaults(func(key string) bool { return given(at + key) }) {
			list = append(list, problem{at + fault.Key, fault.Msg})
		}
	}
	_, err := workload.CompleteGroups(l.Groups, "/")
	var fault *workload.GroupError
	if len(list) == 0 && errors.As(err, &fault) {
		at := "load.groups"
		if fault.Index >= 0 {
			at = fmt.Sprintf("load.groups[%d].%s", fault.Index, fault.Key)
		}
		list = append(list, problem{at, fault.Msg})
	}
	return list
}
