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
	hint := "end what else runs here (top shows it)"
	if busiest.PID != 0 {
		hint = fmt.Sprintf("the busiest other process was %q (pid %d), with %.0f %% of a CPU: end it", busiest.Name, busiest.PID, 100*busiest.CPUs)
	}
	hint += ", or measure on CPUs that it does not use"
	invalid := func(code, hint string, pct, limit float64, format string, a ...any) {
		l.Warn(results.Warning{Code: code, Message: fmt.Sprintf(format, a...), Hint: hint, Invalid: true, Measure: results.Above(pct, limit, "%")})
	}
	if pct, limit := foreignPct(s), foreignLimitPct(s); pct > limit {
		invalid(CodeForeignLoad, hint, pct, limit, "other processes used %.1f %% of the time of the %s's CPUs (at most %.1f %% is allowed)", pct, s.Name, limit)
	}
	share := func(d time.Duration) float64 { return 100 * d.Seconds() / wall.Seconds() }
	if pct, limit := share(s.Waited()), 100*maxWaited+share(waitedSlack); pct > limit {
		invalid(CodeRunDelay, hint, pct, limit, "a thread of the %s waited for %.1f %% of the time for a CPU that others had (at most %.1f %% is allowed)", s.Name, pct, limit)
	}
	if q := s.Throttled; share(q.For) > 100*maxHeldBack {
		invalid(CodeThrottled, "give it a larger quota, or none (cpu.max, docker run --cpus): what it would do without one cannot be told from this",
			share(q.For), 100*maxHeldBack, "the quota of a control group (%s, %.3g CPUs) held the %s back for %v", q.Group, q.CPUs, s.Name, q.For.Round(time.Millisecond))
	}
}

// foreignPct is what others had of the time of a side's CPUs, foreignLimitPct
// what they may have. Behind the bound stands what the ticks of the CPUs' idle
// time make uncertain in a window.
func foreignPct(s rig.Side) float64 {
	return 100 * s.Foreign().Seconds() / max(1e-9, s.On.Wall.Seconds()*float64(s.On.CPUs))
}

func foreignLimitPct(s rig.Side) float64 {
	return 100*maxForeign + 100*foreignSlack.Seconds()/max(1e-9, s.On.Wall.Seconds()*math.Sqrt(float64(s.On.CPUs)))
}

// hostSides is what was seen of the sides, as it is stored.
func hostSides(sides []rig.Side) (all []results.HostSide) {
	for _, s := range sides {
		if s.Used.Wall <= 0 {
			continue // it was not read
		}
		all = append(all, results.HostSide{
			Name: s.Name, ForeignPct: math.Round(10*foreignPct(s)) / 10, RunDelayS: s.Used.RunDelay.Seconds(),
			WaitedS: s.Waited().Seconds(), ThrottledS: s.Throttled.For.Seconds(),
		})
	}
	return all
}
