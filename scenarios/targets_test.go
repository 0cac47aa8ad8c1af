//go:build unix

package scenarios_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/dynobench/dyno/bench/target" // which needs process groups
	"github.com/dynobench/dyno/scenarios"
)

func TestTargets(t *testing.T) {
	list, err := target.ParseList("targets.yaml", scenarios.TargetsYAML)
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range list {
		switch row.Kind {
		case "engine", "yardstick":
			// The command says the same as the spec, but for what depends on the host.
			i := slices.Index(row.Command, "--engine")
			if i < 0 || !strings.HasPrefix(row.Command[i+1], row.Spec) {
				t.Errorf("%s: spec %s, command %q", row.Name, row.Spec, row.Command)
			}
		case "outside":
			if len(row.Requires) == 0 || row.Spec != "" {
				t.Errorf("%s: an outside server has requirements and no spec", row.Name)
			}
			for _, r := range row.Requires {
				if r.Install == "" {
					t.Errorf("%s: a requirement without a way to install it", row.Name)
				}
			}
		default:
			t.Errorf("%s: kind %q", row.Name, row.Kind)
		}
		if row.Summary == "" || !strings.Contains(strings.Join(row.Command, " "), "{addr}") {
			t.Errorf("%s: summary %q, command %q", row.Name, row.Summary, row.Command)
		}
	}
}
