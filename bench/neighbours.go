package bench

import (
	"fmt"
	"math"
	"time"

	"github.com/dynobench/dyno/bench/measure"
	"github.com/dynobench/dyno/bench/meter"
	"github.com/dynobench/dyno/results"
)

// judgeSide marks l where somebody else disturbed the server or the generator
// in its window: other processes used its CPUs, a thread of it waited for them,
// or a quota held it back. busiest is whom the hint names.
func judgeSide(l *results.Load, s measure.Side, busiest meter.Neighbour) {
	judgeForeign(l, s, busiest, true)
	judgeWaiting(l, s, busiest, true)
	judgeQuota(l, s.Name, s.Throttled, s.Used.Wall)
}

// JudgeAlone does the same for a generator without a harness. It shares its CPUs
// with whoever is there: others' use of them is held against them only where
// hardly anything was left, and not where they may work for the server, as a
// database does on its host. That the generator itself waited, or was held back
// by a quota, spoils what it saw, whoever it was.
func JudgeAlone(l *results.Load, seen measure.AloneReading) {
	if seen.Died != 0 { // and that is all
		l.Warnings = nil
		l.Warn(results.Warning{Code: results.CodeServerDied, Invalid: true, Message: fmt.Sprintf("the server, process %d, ended before the window did", seen.Died),
			Hint: "look at what it says"})
		return
	}
	JudgeSteal(l, seen.Host.StealPct)
	judgePressure(l, seen.Host.PSIMemorySomePct)
	for i, s := range seen.Sides {
		if i == 0 && s.Idle() < crowded { // both are on the same CPUs
			judgeForeign(l, s, seen.Busiest, !seen.Local)
		}
		judgeWaiting(l, s, seen.Busiest, s.Name == "generator")
		if s.Name != "generator" {
			judgeQuota(l, s.Name, s.Throttled, s.Used.Wall)
		}
	}
	judgeQuota(l, "generator", seen.Held, seen.Host.Wall)
}

// judgePressure marks l where the host was short of memory. Pressure on its CPUs
// is not judged: a server with more threads than CPUs makes it by itself.
func judgePressure(l *results.Load, pct float64) {
	if pct > maxPressure {
		l.Warn(results.Warning{Code: results.CodePressure, Invalid: true, Measure: results.Above(pct, maxPressure, "%"),
			Message: fmt.Sprintf("tasks of this host waited for memory for %.1f %% of the time (limit %.0f %%)", pct, maxPressure),
			Hint:    "see what uses the memory (free, top), perhaps the server itself: the kernel is swapping"})
	}
}

func judgeForeign(l *results.Load, s measure.Side, busiest meter.Neighbour, certain bool) {
	if pct, limit := foreignPct(s), foreignLimitPct(s); s.Used.Wall > 0 && pct > limit {
		l.Warn(results.Warning{Code: results.CodeForeignLoad, Invalid: certain, Hint: neighbourHint(busiest, certain), Measure: results.Above(pct, limit, "%"),
			Message: fmt.Sprintf("other processes used %.1f %% of the %s's CPUs (limit %.1f %%)", pct, s.Name, limit)})
	}
}

func judgeWaiting(l *results.Load, s measure.Side, busiest meter.Neighbour, certain bool) {
	if s.Used.Wall <= 0 {
		return
	}
	pct, limit := sharePct(s.Waited(), s.Used.Wall), 100*maxWaited+sharePct(waitedSlack, s.Used.Wall)
	if pct > limit {
		l.Warn(results.Warning{Code: results.CodeRunDelay, Invalid: certain, Hint: neighbourHint(busiest, certain), Measure: results.Above(pct, limit, "%"),
			Message: fmt.Sprintf("a thread of the %s waited %.1f %% of the time for a CPU that other processes used (limit %.1f %%)", s.Name, pct, limit)})
	}
}

func judgeQuota(l *results.Load, who string, q meter.Throttled, wall time.Duration) {
	if pct := sharePct(q.For, wall); wall > 0 && pct > 100*maxHeldBack {
		l.Warn(results.Warning{Code: results.CodeThrottled, Invalid: true, Measure: results.Above(pct, 100*maxHeldBack, "%"),
			Message: fmt.Sprintf("the quota of a control group (%s, %.3g CPUs) held the %s back for %v", q.Group, q.CPUs, who, q.For.Round(time.Millisecond)),
			Hint:    "give it a larger quota, or none (cpu.max, docker run --cpus): this does not show what it would do without one"})
	}
}

// neighbourHint says what to do about the busiest neighbour, who may be a part
// of what is measured unless it is certain that it is not.
func neighbourHint(n meter.Neighbour, certain bool) string {
	who := "end what else runs here (top shows it)"
	if n.PID != 0 {
		who = fmt.Sprintf("the busiest other process was %q (pid %d), with %.0f %% of a CPU: end it", n.Name, n.PID, 100*n.CPUs)
	}
	if !certain {
		who += " unless it works for the server"
	}
	return who + ", or measure on CPUs that it does not use"
}

func sharePct(d, of time.Duration) float64 { return 100 * d.Seconds() / max(1e-9, of.Seconds()) }

// foreignPct is what others had of the time of a side's CPUs, foreignLimitPct
// what they may have. On top of the bound stand what waking up costs, and what the
// ticks of the CPUs' idle time make uncertain in a window.
func foreignPct(s measure.Side) float64 {
	return 100 * s.Foreign().Seconds() / max(1e-9, s.On.Wall.Seconds()*float64(s.On.CPUs))
}

func foreignLimitPct(s measure.Side) float64 {
	waking := min(maxWaking, float64(s.Used.Voluntary)*wakeCost.Seconds()/max(1e-9, s.Used.Wall.Seconds()*float64(s.On.CPUs)))
	if waking < 0 { // a thread that ended took its count along
		waking = maxWaking
	}
	return 100*(maxForeign+waking) + 100*foreignSlack.Seconds()/max(1e-9, s.On.Wall.Seconds()*math.Sqrt(float64(s.On.CPUs)))
}

// hostSides is what was seen of the sides, as it is stored.
func hostSides(sides []measure.Side) (all []results.HostSide) {
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
