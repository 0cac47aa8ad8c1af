package report

import (
	"fmt"
	"strings"

	"github.com/dynobench/dyno/internal/format"
	"github.com/dynobench/dyno/results"
)

// fact is a line of the environment or the plan.
type fact struct{ Name, Value string }

// headline says in a line what was compared.
func (r *Report) headline() string {
	targets := map[string]bool{}
	for i := range r.Scenarios {
		for j := range r.Scenarios[i].Rows {
			targets[r.Scenarios[i].Rows[j].name()] = true
		}
	}
	return fmt.Sprintf("%s under %s", format.Plural(len(targets), "server"), format.Plural(len(r.Scenarios), "scenario"))
}

// counted says how many trials the figures rest on.
func (r *Report) counted() string {
	return sentence(r.Tally.String())
}

// environment lists what the figures depend on and a reader cannot see.
func environment(run *results.Run) []fact {
	e := run.Environment
	system := strings.TrimSpace(e.OS + "/" + e.Arch + " " + e.Kernel)
	shared := ""
	if e.CPUsShared {
		shared = "yes: every figure includes the cost of both"
	}
	memory, files, backlog := "", "", ""
	if e.MemoryBytes > 0 {
		memory = format.Bytes(e.MemoryBytes)
	}
	if e.OpenFiles > 0 {
		files = format.Count(int64(e.OpenFiles))
	}
	if e.SoMaxConn > 0 {
		backlog = format.Count(int64(e.SoMaxConn))
	}
	build := strings.TrimSpace(run.Dyno.Version + " " + short(run.Dyno.Commit))
	return given([]fact{
		{"CPU", e.CPUModel}, {"usable CPUs", fmt.Sprint(e.CPUs)}, {"server's CPUs", cpus(e.ServerCPUs)}, {"generator's CPUs", cpus(e.GeneratorCPUs)},
		{"CPUs shared", shared}, {"memory", memory}, {"system", system}, {"hypervisor", e.Virtual}, {"clock source", e.ClockSource}, {"governor", e.Governor},
		{"open files", files}, {"somaxconn", backlog}, {"Go settings", strings.Join(e.Variables, " ")}, {"dyno", build}, {"built with", run.Dyno.Go},
	})
}

func short(commit string) string { return strings.ToValidUTF8(commit[:min(len(commit), 12)], "") }

func cpus(list []int) string {
	return strings.Trim(strings.ReplaceAll(fmt.Sprint(list), " ", ", "), "[]")
}

func given(all []fact) []fact {
	var some []fact
	for _, f := range all {
		if f.Value != "" {
			some = append(some, f)
		}
	}
	return some
}

// plan lists how the trials were made.
func plan(run *results.Run) []fact {
	p := run.Plan
	return given([]fact{
		{"run", run.ID}, {"started", run.Created.UTC().Format("2 January 2006, 15:04 UTC")}, {"trials per scenario and target", fmt.Sprint(p.Trials)},
		{"generator", p.Generator}, {"seed", fmt.Sprint(p.Seed)}, {"generator's limit", calibrated(run)},
	})
}

// calibrated says what the trials were held against, if they were.
func calibrated(run *results.Run) string {
	c := run.Calibration
	if c == nil {
		return ""
	}
	return fmt.Sprintf("%s/s on this host, by dyno doctor of %s", format.Significant(c.LimitRPS(), 3), c.Created.UTC().Format("2 January 2006, 15:04 UTC"))
}

// order lists the trials as they ran.
func order(run *results.Run) string {
	var parts []string
	for i := range run.Trials {
		t := &run.Trials[i]
		parts = append(parts, fmt.Sprintf("%s %s #%d", t.Scenario, t.Target, t.Trial))
	}
	return strings.Join(parts, " · ")
}

// limits says what the numbers do not show, and method how they are made; both
// end every page, because figures travel without their author.
var limits = []string{
	"One host, loopback: no network, no packet loss, no distance. Server and generator share caches and memory even where they share no CPU.",
	"The app does next to nothing, so the server is what is measured. With a real app the differences shrink to the server's share of the whole.",
	"A closed loop waits for each response before it sends the next request: it cannot overload a server, and its latency restates its throughput. Only an open loop shows how a server behaves at a rate it cannot sustain.",
	"Two runs are measured at different times. Do not compare a figure of this page with one of another page: dyno compare allows for the noise between runs.",
}

var method = []string{
	"Each trial starts a fresh server process, checks that it responds to every request correctly, warms it up until the rate is steady, measures, and ends it. The trials of all servers are interleaved in an order drawn from the seed.",
	"Latency counts from when a request was due, not from when it was sent. Percentiles come from the merged histograms of the valid trials; none is averaged, and none is printed with fewer than ten samples beyond it.",
	"A trial that the generator, the host or the server spoiled is marked invalid by fixed rules, before anyone looks at its figures, and is left out of all of them.",
	"Servers are compared within rounds: the trials of one round run one after the other in random order, so a slow phase of the host affects all alike and cancels in their ratio. A difference has to pass two tests: with the noise of all servers together, the residual of the two-way layout, and with the pair's own.",
	"Each ranking holds at 95 % for all pairs of servers at once, widened where successive rounds are correlated; servers that it cannot tell apart are tied. The interval of a difference accounts for its having been selected. A server that is much noisier than the others is named as too erratic to rank.",
}
