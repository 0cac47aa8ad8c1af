package compare

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/dynobench/dyno/internal/format"
	"github.com/dynobench/dyno/results"
	"github.com/dynobench/dyno/results/stats"
)

// The codes of a comparison's warnings.
const (
	CodeEnvironment = "environment"    // the machines or their settings differ: the figures may for that alone
	CodeBuild       = "build"          // another dyno or Go; for information, since it may be the change in question
	CodeSpec        = "spec"           // a target of one name was started differently
	CodeInvalid     = "invalid-trials" // trials left out
	CodeInterrupted = "interrupted"    // a run did not end
	CodeSameRun     = "same-run"       // a run compared with itself
	CodeCommonShift = "common-shift"   // most targets moved together
)

// unlike returns what else than the servers differs between the runs.
func unlike(old, new *results.Run) []results.Warning {
	var w []results.Warning
	if old.ID == new.ID {
		w = append(w, results.Warning{Code: CodeSameRun, Message: "both sides are run " + old.ID, Hint: "name two runs"})
	}
	for _, d := range otherHost(old, new) {
		w = append(w, results.Warning{Code: CodeEnvironment, Message: d, Hint: "measure both on one machine with the same settings"})
	}
	for _, d := range []struct{ name, old, new string }{
		{"dyno", old.Dyno.Version, new.Dyno.Version}, {"dyno's commit", old.Dyno.Commit, new.Dyno.Commit}, {"Go", old.Dyno.Go, new.Dyno.Go},
	} {
		if d.old != d.new {
			w = append(w, results.Warning{Code: CodeBuild, Message: fmt.Sprintf("%s: %s, now %s", d.name, orNone(d.old), orNone(d.new))})
		}
	}
	for _, x := range old.Plan.Targets {
		for _, y := range new.Plan.Targets {
			if x.Name == y.Name && (x.Spec != y.Spec || !slices.Equal(x.Command, y.Command)) {
				w = append(w, results.Warning{Code: CodeSpec, Message: fmt.Sprintf("%s: %s, now %s", x.Name, orNone(strings.Join(x.Command, " ")), orNone(strings.Join(y.Command, " ")))})
			}
		}
	}
	for name, run := range map[string]*results.Run{"old": old, "new": new} {
		if t := run.Tally(); t.State != results.Finished {
			w = append(w, results.Warning{Code: CodeInterrupted, Message: fmt.Sprintf("the %s run is %s: %s", name, t.State, t)})
		}
	}
	slices.SortStableFunc(w, func(a, b results.Warning) int { // the map above has no order
		if a.Code == CodeInterrupted && b.Code == CodeInterrupted {
			return -strings.Compare(a.Message, b.Message)
		}
		return 0
	})
	return w
}

// otherHost returns in what the hosts of two runs, or their settings, differ.
func otherHost(old, new *results.Run) []string {
	var all []string
	a, b := old.Environment, new.Environment
	for _, d := range []struct {
		name     string
		old, new any
	}{
		{"operating system", a.OS, b.OS}, {"architecture", a.Arch, b.Arch}, {"kernel", a.Kernel, b.Kernel},
		{"CPU model", a.CPUModel, b.CPUModel}, {"usable CPUs", a.CPUs, b.CPUs},
		{"server's CPUs", list(a.ServerCPUs), list(b.ServerCPUs)}, {"generator's CPUs", list(a.GeneratorCPUs), list(b.GeneratorCPUs)},
		{"server and generator share CPUs", a.CPUsShared, b.CPUsShared}, {"hypervisor", a.Virtual, b.Virtual},
		{"memory", format.Bytes(a.MemoryBytes), format.Bytes(b.MemoryBytes)},
		{"clock source", a.ClockSource, b.ClockSource}, {"governor", a.Governor, b.Governor},
		{"open files", a.OpenFiles, b.OpenFiles}, {"somaxconn", a.SoMaxConn, b.SoMaxConn},
		{"Go settings", strings.Join(a.Variables, " "), strings.Join(b.Variables, " ")},
	} {
		if d.old != d.new {
			all = append(all, fmt.Sprintf("%s: %s, now %s", d.name, orNone(d.old), orNone(d.new)))
		}
	}
	return all
}

// otherCommand tells whether a target of one name is started differently.
func otherCommand(old, new *results.Run, target string) bool {
	for _, x := range old.Plan.Targets {
		for _, y := range new.Plan.Targets {
			if x.Name == target && y.Name == target && (x.Spec != y.Spec || !slices.Equal(x.Command, y.Command)) {
				return true
			}
		}
	}
	return false
}

func list(cpus []int) string { return strings.Trim(fmt.Sprint(cpus), "[]") }

func orNone(v any) string {
	if s := fmt.Sprint(v); s != "" {
		return s
	}
	return "none"
}

// differs says why trials of one scenario and target do not answer the same
// question in both runs, or nothing. The length of the window is no reason: it
// only makes one side noisier.
func differs(old, new *results.Run, a, b *results.Trial) string {
	x, y := planned(old, a), planned(new, b)
	for _, d := range []struct {
		name     string
		old, new any
	}{
		{"load model", a.Model, b.Model}, {"load model", x.Model, y.Model}, {"arrivals", x.Arrivals, y.Arrivals}, {"rate", x.RateRPS, y.RateRPS},
		{"rate", x.RateProfile, y.RateProfile},
		{"connections", x.Connections, y.Connections}, {"request classes", strings.Join(x.Classes, " "), strings.Join(y.Classes, " ")},
		{"requests", strings.Join(x.Requests, ", "), strings.Join(y.Requests, ", ")},
		{"connection groups", strings.Join(x.Groups, " "), strings.Join(y.Groups, " ")},
		{"generator", a.Generator, b.Generator}, {"generator's transport", a.Transport, b.Transport}, {"protocol", a.Protocol, b.Protocol},
		{"profile that was taken in the trials", profiled(old, a), profiled(new, b)},
	} {
		if d.old != d.new {
			return fmt.Sprintf("the %s differs: %s, now %s", d.name, orNone(d.old), orNone(d.new))
		}
	}
	return ""
}

// profiled is what t was profiled for, or nothing.
func profiled(run *results.Run, t *results.Trial) string {
	if len(t.Profiles) == 0 {
		return ""
	}
	return run.Plan.Profile
}

// planned returns the scenario of t as run planned it, or as t shows it.
func planned(run *results.Run, t *results.Trial) results.PlanScenario {
	for _, s := range run.Plan.Scenarios {
		if s.Name == t.Scenario {
			return s
		}
	}
	return results.PlanScenario{Name: t.Scenario, Model: t.Model, Arrivals: t.Arrivals, RateRPS: t.RateRPS, RateProfile: t.RateProfile, Connections: t.Connections}
}

// leftOut names the trials of run that do not count.
func leftOut(side string, run *results.Run) []results.Warning {
	var w []results.Warning
	g := group(run)
	for _, k := range keys(run) {
		var codes []string
		for _, t := range g[k] {
			for _, x := range t.Warnings {
				if x.Invalid && !slices.Contains(codes, x.Code) {
					codes = append(codes, x.Code)
				}
			}
		}
		if out := len(g[k]) - len(valid(g[k])); out > 0 {
			w = append(w, results.Warning{Code: CodeInvalid, Message: fmt.Sprintf("%s, %s: %d of %d trials of the %s run are invalid (%s)",
				k.scenario, k.target, out, len(g[k]), side, orNone(strings.Join(codes, ", ")))})
		}
	}
	return w
}

// commonShift warns when at least four targets were compared under a scenario
// and nearly all of them moved the same way by more than the floor: a change of
// one server does not do that, a change of the machine's mood does.
func (r *Result) commonShift() []results.Warning {
	type family struct {
		scenario string
		metric   results.Metric
	}
	moved := map[family][]float64{}
	var order []family
	for _, c := range r.Comparisons {
		if c.Metric == "" || !c.welch.Known {
			continue
		}
		f := family{c.Scenario, c.Metric}
		if _, seen := moved[f]; !seen {
			order = append(order, f)
		}
		moved[f] = append(moved[f], math.Log(c.Ratio))
	}
	var w []results.Warning
	for _, f := range order {
		x := moved[f]
		if len(x) < 4 {
			continue
		}
		same := 0
		middle := stats.Median(x)
		for _, v := range x {
			if v*middle > 0 && math.Abs(v) > math.Log1p(r.Floor) {
				same++
			}
		}
		if math.Abs(middle) > math.Log1p(r.Tolerance) && same*10 >= len(x)*9 {
			w = append(w, results.Warning{Code: CodeCommonShift,
				Message: fmt.Sprintf("%s: the %s of %d of %d targets changed in the same direction, by %s (median)", f.scenario, name(f.metric), same, len(x), format.Change(math.Exp(middle))),
				Hint:    "the machine, the kernel or something else they share has changed: measure both versions interleaved in one run"})
		}
	}
	return w
}
