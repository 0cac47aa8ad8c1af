package doctor

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/dynobench/dyno/bench/meter"
	"github.com/dynobench/dyno/internal/format"
	"github.com/dynobench/dyno/results"
)

// Codes of the findings about what was measured. They are stable; docs/doctor.md
// explains each.
const (
	CodeCeiling    = "ceiling"       // what the generator can ask for
	CodeAnswers    = "answers"       // null's answers were wrong or missing
	CodeResolution = "resolution"    // how much equal windows differ
	CodeFloor      = "floor"         // latency of a server that does nothing
	CodePacing     = "pacing"        // how exactly the generator keeps to the clock
	CodeFreeze     = "freeze"        // latencies of a server that is stopped for a while
	CodeVegeta     = "freeze-vegeta" // the same by vegeta, for comparison
	CodeAgreement  = "agreement"     // native and vegeta about one server
	CodeSteal      = "steal"         // time that the hypervisor took
	CodePressure   = "pressure"      // time that somebody waited for a CPU
	CodeOthers     = "other-load"    // what else runs here
)

// Bounds of the findings about what was measured. Those of steal and lag are
// the gates' own (docs/validity.md).
const (
	noise       = 5.0   // per cent: a resolution worth no mention
	floorTail   = 1e3   // µs, p99 of one connection's latency
	lagGood     = 100.0 // µs, p99: what the generator promises
	lagBad      = 1e3   // µs, p99: a trial does not count
	rateOff     = 0.01  // of the rate
	freezeOff   = 0.03  // of the analytic answer
	stealGood   = 1.0   // per cent
	stealBad    = 5.0
	pressure    = 20.0 // per cent of the time
	othersGood  = 3.0  // per cent of the CPUs measured on
	othersBad   = 20.0
	agreeWithin = 200.0 // µs that net/http, under vegeta, may add to a service time; or twice native's, where that is more
	agreeFaster = 0.8   // of native's: vegeta does more for a request, and cannot be done sooner
	busyEnough  = 0.85  // a server or generator that was the limit of a closed loop
)

// facts are what is known of the host without measuring.
type facts struct {
	env    results.Environment
	limits limits
}

// A judgement is the list of findings so far.
type judgement []results.Finding

// figure adds a finding with a number.
func (j *judgement) figure(level, code string, value float64, unit, message, hint, limit string) {
	f := results.Finding{Code: code, Level: level, Unit: unit, Message: message, Hint: hint, Limit: limit}
	if !math.IsNaN(value) && !math.IsInf(value, 0) {
		f.Value = &value
	}
	*j = append(*j, f)
}

// word adds a finding that is no number.
func (j *judgement) word(level, code, text, message, hint, limit string) {
	*j = append(*j, results.Finding{Code: code, Level: level, Text: text, Message: message, Hint: hint, Limit: limit})
}

// judge makes findings of what is known and what was measured.
func judge(f facts, m *measurements) []results.Finding {
	var j judgement
	j.ceiling(m)
	j.resolution(m)
	j.floor(m)
	for i := range m.pacing {
		j.pacing(&m.pacing[i])
	}
	j.freeze(m)
	j.agreement(m)
	j.disturbance(m)
	j.settings(f)
	return j
}

func (j *judgement) ceiling(m *measurements) {
	c := m.calibration()
	wrong := int64(0)
	for _, s := range m.all() { // unsent ones are a matter of pacing
		wrong += s.Load.Errors.Total() - s.Load.Errors.Unsent
	}
	if wrong > 0 {
		j.figure(results.LevelProblem, CodeAnswers, float64(wrong), "count",
			"This many requests to a server that cannot fail had no right answer.", "see dmesg and the limits below; run dyno load against dyno serve --engine null by hand", "")
	}
	level, who, limit := results.LevelOK, "", ""
	switch {
	case c.ServerBusy >= busyEnough && c.GeneratorBusy >= busyEnough:
		who = "both were at their end"
	case c.GeneratorBusy >= busyEnough:
		who = "the generator was the limit"
	case c.ServerBusy >= busyEnough:
		who = fmt.Sprintf("the server was the limit, and the generator is good for about %s/s", format.Significant(c.LimitRPS(), 3))
	default:
		level, who, limit = results.LevelNote, "neither was at its end: something else took their CPUs", "the ceiling may be higher than was seen"
	}
	j.figure(level, CodeCeiling, c.CeilingRPS, "rps", fmt.Sprintf("A server that does nothing gives this many answers on %d connections, at %s of the generator's CPU each; %s (generator %.0f %% busy, server %.0f %%).",
		c.Connections, format.Duration(c.GeneratorCPUUSPerRequest), who, 100*c.GeneratorBusy, 100*c.ServerBusy), "", limit)
}

func (j *judgement) resolution(m *measurements) {
	windows := m.calibration().CeilingWindowsRPS
	x := 100 * resolution(windows)
	level, hint, limit := results.LevelOK, "", ""
	if !(x < noise) {
		level, hint = results.LevelNote, "more trials (--trials), a quieter host; compare CPU per request"
		limit = fmt.Sprintf("differences of throughput below about %s %% drown in noise with three trials", format.Percent(x))
	}
	lowest, highest := math.Inf(1), 0.0
	for _, w := range windows {
		lowest, highest = min(lowest, w), max(highest, w)
	}
	j.figure(level, CodeResolution, x, "pct", fmt.Sprintf("With trials as noisy as these %d windows (%s to %s/s), three of each target tell a difference of throughput from none if it is larger than this (at 95 %%).",
		len(windows), format.Significant(lowest, 3), format.Significant(highest, 3)), hint, limit)
}

func (j *judgement) floor(m *measurements) {
	q := m.floor.Load.LatencyUS
	level, limit, tail := results.LevelOK, "", "with too few answers for a p99"
	if q.P99 > 0 {
		tail = "p99 " + format.Duration(q.P99)
	}
	if q.P99 > floorTail {
		level, limit = results.LevelNote, fmt.Sprintf("a p99 below %s is the host's, not the server's", format.Duration(q.P99))
	}
	j.figure(level, CodeFloor, q.P50, "us", fmt.Sprintf("The median answer of a server that does nothing, on one connection, takes this long (%s): no server here is faster.", tail), "", limit)
}

func (j *judgement) pacing(s *seen) {
	l := &s.Load
	rate := format.Significant(l.RateRPS, 3) + "/s"
	lag := l.GeneratorLagUS
	off := sent(s)/l.RateRPS - 1
	level, hint, limit := results.LevelOK, "", ""
	switch late := lag.P99 > lagBad || off < -rateOff; {
	case late && l.RateRPS <= freezeRate:
		level, hint = results.LevelProblem, "a quieter host; see other-load, steal and quota"
	case late:
		level, limit = results.LevelNote, "no open loop at "+rate
	case lag.P99 > lagGood:
		level, limit = results.LevelNote, fmt.Sprintf("at %s a hundredth of the requests leave %s late or more", rate, format.Duration(lag.P99))
	}
	tail := ""
	if lag.P999 > 0 {
		tail = ", p99.9 " + format.Duration(lag.P999)
	}
	j.figure(level, CodePacing, lag.P99, "us", fmt.Sprintf("At %s the generator sends 99 of 100 requests within this of their time (p50 %s%s); it kept %s of the rate.",
		rate, format.Duration(lag.P50), tail, share(1+off)), hint, limit)
}

// freeze compares the latencies of a server that was stopped with the answer
// that has to come out. What is added to the bound is how late anything is done
// on this host at that rate without a freeze.
func (j *judgement) freeze(m *measurements) {
	got := frozen(&m.freeze, m)
	switch {
	case m.freeze.frozen == 0:
		j.word(results.LevelProblem, CodeFreeze, "not done", "The server could not be stopped: what the latencies are worth is not known.", "see that processes of one user may signal each other here", "")
		return
	case got.bad():
		j.figure(results.LevelProblem, CodeFreeze, 100*got.worst, "pct", fmt.Sprintf("A server stopped for %s has to show so in the latencies, and they are this far off: %s.",
			format.Duration(us(m.freeze.frozen)), got), "run again; if it stays, the generator or the host's clock cannot be trusted, and that is worth a report", "")
	case got.worst > freezeOff:
		j.figure(results.LevelNote, CodeFreeze, 100*got.worst, "pct", fmt.Sprintf("A server stopped for %s shows in the latencies, within this and no further off than the host's own noise explains: %s.",
			format.Duration(us(m.freeze.frozen)), got), "a quieter host shows it better", "")
	default:
		j.figure(results.LevelOK, CodeFreeze, 100*got.worst, "pct", fmt.Sprintf("A server stopped for %s shows in the latencies as it has to, within this: %s.",
			format.Duration(us(m.freeze.frozen)), got), "", "")
	}
	if v := m.vegetaFreeze; v != nil && v.frozen > 0 {
		ours, own := frozen(v, m), v.Load.ServiceUS
		j.figure(results.LevelOK, CodeVegeta, own.P90, "us", fmt.Sprintf("For comparison, by vegeta's own stamps, on as many connections, p90 of the same is this; counted from when requests were due, as dyno does, it is %s.",
			format.Duration(us(ours.p90()))), "", "")
	}
}

func (j *judgement) agreement(m *measurements) {
	a, b := m.native.Load.ServiceUS.P50, m.vegeta.Load.ServiceUS.P50
	if a == 0 || b == 0 {
		j.word(results.LevelNote, CodeAgreement, "too few", "Too few answers to compare the generators.", "", "")
		return
	}
	level, hint := results.LevelOK, ""
	if b-a > max(agreeWithin, 2*a) || b < agreeFaster*a {
		level, hint = results.LevelNote, "run again; two generators that keep disagreeing are worth a report"
	}
	j.figure(level, CodeAgreement, b/a, "ratio", fmt.Sprintf("At %.0f/s vegeta's median answer takes %s and native's %s: net/http, which vegeta uses, does more for a request.",
		agreeRate, format.Duration(b), format.Duration(a)), hint, "")
}

// disturbance is about what others did while all that was measured.
func (j *judgement) disturbance(m *measurements) {
	var steal, waiting, wall, worst float64
	psi := false
	for _, s := range m.all() {
		t := s.Used.Wall.Seconds()
		steal, waiting, wall = steal+t*s.Host.StealPct, waiting+t*s.Host.PSICPUSomePct, wall+t
		worst = max(worst, s.Host.StealPct)
		psi = psi || s.Host.HasPSI
	}
	if wall > 0 {
		steal, waiting = steal/wall, waiting/wall
	}
	level, hint, limit := results.LevelOK, "", ""
	switch {
	case steal > stealBad:
		level, hint = results.LevelProblem, "measure at another time, or on a machine of your own"
	case steal > stealGood || worst > stealBad:
		level, hint, limit = results.LevelNote, "measure at another time, or on a machine of your own", "trials will be lost to steal and run again"
	}
	j.figure(level, CodeSteal, steal, "pct", fmt.Sprintf("The hypervisor took this part of the CPUs' time, %s %% in the worst run.", format.Percent(worst)), hint, limit)
	if psi {
		level, hint = results.LevelOK, ""
		if waiting > pressure {
			level, hint = results.LevelNote, "see other-load"
		}
		j.figure(level, CodePressure, waiting, "pct", "For this part of the time somebody waited for a CPU, dyno's own processes among them.", hint, "")
	}

	var busiest look
	for _, l := range m.calm {
		busiest.busyPct, busiest.runnable = max(busiest.busyPct, l.busyPct), max(busiest.runnable, l.runnable)
	}
	// What has come since, and gone, shows in the windows themselves.
	within, who := 0.0, meter.Neighbour{}
	for _, s := range m.all() {
		for _, side := range s.Sides {
			if pct := 100 * side.Foreign().Seconds() / max(1e-9, side.On.Wall.Seconds()*float64(side.On.CPUs)); pct > within {
				within, who = pct, s.Busiest
			}
		}
	}
	level, hint, limit = results.LevelOK, "", ""
	switch {
	case within > othersBad:
		level, hint = results.LevelProblem, "end what else runs here (top shows it), or measure on CPUs that it does not use (--server-cpus, --generator-cpus)"
		if who.PID != 0 {
			hint = fmt.Sprintf("the busiest other process was %q (pid %d); ", who.Name, who.PID) + hint
		}
	case busiest.busyPct > othersBad:
		level, hint = results.LevelProblem, "end what else runs here (top shows it), or measure on CPUs that it does not use (--server-cpus, --generator-cpus)"
	case busiest.busyPct > othersGood:
		level, hint, limit = results.LevelNote, "end what else runs here (top shows it)", fmt.Sprintf("other processes take %s %% of the CPUs", format.Percent(busiest.busyPct))
	}
	j.figure(level, CodeOthers, busiest.busyPct, "pct", fmt.Sprintf("The CPUs to measure on are this busy while nothing of dyno's runs; %.1f other tasks want a CPU on average. While something was measured, others used %s %% of a side's CPUs at most.", busiest.runnable, format.Percent(within)), hint, limit)
}

// all are the runs of the native generator without a freeze: those that have
// to go well.
func (m *measurements) all() []seen {
	all := append([]seen{m.floor}, m.ceiling...)
	all = append(all, m.pacing...)
	return append(all, m.native)
}

// share prints a share of a rate to a tenth of a per cent, which is what
// counts, never as all if something is missing.
func share(v float64) string {
	return strconv.FormatFloat(math.Floor(1000*min(1, v)+0.05)/10, 'f', -1, 64) + " %"
}

// us is d in microseconds.
func us(d time.Duration) float64 { return float64(d) / 1e3 }

// list joins names as people do.
func list(names []string) string {
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	return strings.Join(names[:len(names)-1], ", ") + " and " + names[len(names)-1]
}
