package bench

import (
	"fmt"
	"strings"
	"testing"

	"github.com/dynobench/dyno/bench/target"
	"github.com/dynobench/dyno/scenarios"
	"github.com/dynobench/dyno/scenarios/workload"
)

// A scenario file and the command line take the same groups and refuse the same.
func TestGroupsOfFilesAndFlags(t *testing.T) {
	settings := []string{
		"", "name=a", "name=A", "connections=1", "connections=0", "connections=1048576", "connections=1048577", "path=/a?b", "path=a",
		"every=1ms", "every=0s", "every=999µs", "every=24h", "every=1441m", "every=12m", "rate=0", "rate=0.01", "rate=0.009", "rate=1000000", "rate=1000000.5",
		"rate=5,every=1s", "part=head", "part=body", "part=tail", "size=0", "size=1", "size=1048576", "size=1048577",
		"request=true", "request=false", "abort=true", "abort=no", "limit=49", "limit=50", "limit=1,rate=5", "limit=1048577", "limit=4,connections=5", "colour=red",
	}
	accepted := 0
	for _, kind := range []string{"idle", "slow-send", "slow-read", "storm", "calm"} {
		for _, setting := range settings {
			spec := strings.TrimSuffix(kind+","+setting, ",")
			file := fmt.Sprintf("name: x\nsummary: s\nrequests: [{path: /}]\nload: {model: closed, groups: [{kind: %s}]}\n",
				strings.ReplaceAll(strings.ReplaceAll(spec, ",", ", "), "=", ": "))
			s, fileErr := scenarios.Parse("x.yaml", []byte(file))
			g, flagErr := workload.ParseGroup(spec)
			if (fileErr == nil) != (flagErr == nil) {
				t.Errorf("%s: of the file %v, of the flag %v", spec, fileErr, flagErr)
			}
			if fileErr != nil || flagErr != nil {
				continue
			}
			accepted++
			if got := s.Load.Groups; len(got) != 1 || got[0] != g {
				t.Errorf("%s: of the file %+v, of the flag %+v", spec, got, g)
			}
		}
	}
	if accepted < 30 {
		t.Errorf("only %d specs were accepted", accepted)
	}
}

func TestGroupsAreInThePlan(t *testing.T) {
	s := &scenarios.Scenario{Name: "x", Load: scenarios.Offer{Model: "closed", Connections: 1, Groups: []workload.Group{{Kind: "idle", Connections: 7}}}}
	o := Options{Scenarios: []*scenarios.Scenario{s}, Targets: []target.Target{{Name: "a"}}}
	p, err := NewPlan(o)
	if err != nil {
		t.Fatal(err)
	}
	if got := p.Describe().Scenarios[0].Groups; len(got) != 1 || got[0] != "idle,connections=7" {
		t.Errorf("groups of the plan: %q", got)
	}
	o.Generator = "vegeta"
	if _, err := NewPlan(o); err == nil || !strings.Contains(err.Error(), "scenario x has connection groups") {
		t.Error(err)
	}
}
