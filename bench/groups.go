package bench

import (
	"fmt"

	"github.com/dynobench/dyno/bench/load"
	"github.com/dynobench/dyno/scenarios"
)

// Groups are the connection groups of a scenario as the generator takes them.
func Groups(s *scenarios.Scenario) []load.Group {
	var all []load.Group
	for _, g := range s.Load.Groups {
		all = append(all, load.Group{
			Name: g.Name, Kind: load.GroupKind(g.Kind), Connections: g.Connections, Path: g.Path, Every: g.Every, Rate: g.Rate,
			Part: g.Part, Size: g.Size, Request: g.Request, Abort: g.Abort, Limit: g.Limit,
		})
	}
	return all
}

// groupSpecs are the groups of a scenario as a plan states them.
func groupSpecs(s *scenarios.Scenario) (specs []string) {
	for _, g := range Groups(s) {
		specs = append(specs, g.String())
	}
	return specs
}

// checkGroups says which scenario asks for more than the generator has.
func (o *Options) checkGroups() error {
	for _, s := range o.Scenarios {
		if len(s.Load.Groups) > 0 && o.Generator != "native" {
			return fmt.Errorf("scenario %s has connection groups, which the %s generator has not: use the native one", s.Name, o.Generator)
		}
	}
	return nil
}
