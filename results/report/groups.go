package report

import (
	"fmt"
	"strings"

	"github.com/dynobench/dyno/internal/format"
	"github.com/dynobench/dyno/results"
)

// groupNotes tells, for each group of connections beside the busy ones, how
// every target treated it, over its valid trials.
func (s *Scenario) groupNotes() []string {
	var order []string
	notes := map[string][]string{}
	spec := map[string]string{}
	for i := range s.Rows {
		r := &s.Rows[i]
		sums := map[string]*results.Group{}
		for _, t := range r.Valid {
			for _, g := range t.Groups {
				if spec[g.Name] == "" {
					order, spec[g.Name] = append(order, g.Name), g.Spec
				}
				sum := sums[g.Name]
				if sum == nil {
					sum = &results.Group{Kind: g.Kind}
					sums[g.Name] = sum
				}
				sum.Opened += g.Opened
				sum.Refused += g.Refused
				sum.Unopened += g.Unopened
				sum.Closed += g.Closed
				sum.Standing += g.Standing
				sum.Requests += g.Requests
				sum.Errors += g.Errors
			}
		}
		for name, sum := range sums {
			notes[name] = append(notes[name], r.name()+" "+treatment(sum))
		}
	}
	var all []string
	for _, name := range order {
		all = append(all, fmt.Sprintf("Beside the busy connections, over all valid trials, %s: %s.", spec[name], strings.Join(notes[name], "; ")))
	}
	return all
}

// treatment lists what became of a group's connections and requests: "300
// opened, 300 standing at the end, 12 closed by the server".
func treatment(g *results.Group) string {
	parts := []string{format.Count(g.Opened) + " opened"}
	for _, p := range []struct {
		n    int64
		what string
	}{
		{g.Standing, "standing at the end"}, {g.Requests, "answered"}, {g.Errors, "requests failed"},
		{g.Closed, "closed by the server"}, {g.Refused, "refused"}, {g.Unopened, "never opened"},
	} {
		if p.n > 0 {
			parts = append(parts, format.Count(p.n)+" "+p.what)
		}
	}
	return strings.Join(parts, ", ")
}
