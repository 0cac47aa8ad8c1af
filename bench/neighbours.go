package bench

import (
	"fmt"
	"math"
	"time"

	"github.com/dynobench/dyno/bench/meter"
	"github.com/dynobench/dyno/bench/rig"
	"github.com/dynobench/dyno/results"
)

// JudgeSide marks l where somebody else disturbed the server or the generator
// in its window: other processes used its CPUs, a thread of it waited for them,
// or a quota held it back. busiest is whom the hint names.
func JudgeSide(l *results.Load, s rig.Side, busiest meter.Neighbour) {
	wall := s.Used.Wall
	if wall <= 0 {
		return
	}
	hint := "end what else runs here (top shows it), or measure on CPUs that it does not use (--server-cpus, --generator-cpus)"
	if busiest.PID != 0 {
		hint = fmt.Sprintf("the busiest other process was %q (pid %d) with %.0f %% of a CPU: end it, or measure on CPUs that it does not use (--server-cpus, --generator-cpus)",
			busiest.Name, busiest.PID, 100*busiest.CPUs)
	}
	invalid := func(code, hint, format string, a ...any) {
		l.Warn(results.Warning{Code: code, Message: fmt.Sprintf(format, a...), Hint: hint, Invalid: true})
	}
	share := func(d time.Duration) float64 { return 100 * d.Seconds() / wall.Seconds() }

	whole := wall.Seconds() * float64(s.On.CPUs)
	if foreign := s.Foreign(); foreign.Seconds() > maxForeign*whole+foreignSlack.Seconds()*math.Sqrt(float64(s.On.CPUs)) {
		invalid(CodeForeignLoad, hint, "other processes used %.1f %% of the time of the %s's CPUs (at most %.0f %% is allowed): its figures are theirs, too",
			foreignPct(s), s.Name, 100*maxForeign)
	}
	if waited := s.Waited(); waited.Seconds() > maxWaited*wall.Seconds()+waitedSlack.Seconds() {
		invalid(CodeRunDelay, hint, "a thread of the %s waited for a CPU for %.1f %% of the time while others had it (at most %.0f %% is allowed)",
			s.Name, share(waited), 100*maxWaited)
	}
	if q := s.Throttled; q.For.Seconds() > maxHeldBack*wall.Seconds() {
		invalid(CodeThrottled, "give it a larger quota, or none (cpu.max; docker run --cpus): dyno cannot tell what it would do with more",
			"the quota of a control group (%s, %.2g CPUs) held the %s back for %v: its latencies and its throughput are the quota's",
			q.Group, q.CPUs, s.Name, q.For.Round(time.Millisecond))
	}
}

// foreignPct is the foreigners' part of the time of a side's CPUs.
func foreignPct(s rig.Side) float64 {
	if s.On.Wall <= 0 || s.On.CPUs == 0 {
		return 0
	}
	return 100 * s.Foreign().Seconds() / (s.On.Wall.Seconds() * float64(s.On.CPUs))
}

// hostSides is what was seen of the sides, as it is stored.
func hostSides(sides []rig.Side) (all []results.HostSide) {
	for _, s := range sides {
		all = append(all, results.HostSide{
			Name: s.Name, ForeignPct: math.Round(10*foreignPct(s)) / 10, RunDelayS: s.Used.RunDelay.Seconds(),
			WaitedS: s.Waited().Seconds(), ThrottledS: s.Throttled.For.Seconds(),
		})
	}
	return all
}
