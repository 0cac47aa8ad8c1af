package bench

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/dynobench/dyno/bench/target"
	"github.com/dynobench/dyno/results"
)

// calibrationAge is how long a calibration is believed. Neighbours on a shared
// host come and go.
const calibrationAge = 7 * 24 * time.Hour

// CheckCalibration tells why what dyno doctor found is not about this dyno on
// this host, or returns nil: then d.Calibration is for Options.Calibration.
func CheckCalibration(d *results.Doctor, env results.Environment, build results.Build, now time.Time) error {
	was := d.Environment
	switch age := now.Sub(d.Created); {
	case d.Calibration == nil:
		return fmt.Errorf("it has no ceiling of the generator")
	case d.Verdict == results.NotFit:
		return fmt.Errorf("the host was not fit to measure then")
	case was.CPUModel != env.CPUModel:
		return fmt.Errorf("it is of another CPU, %s", was.CPUModel)
	case was.Kernel != env.Kernel:
		return fmt.Errorf("it is of another kernel, %s", was.Kernel)
	case !slices.Equal(was.ServerCPUs, env.ServerCPUs) || !slices.Equal(was.GeneratorCPUs, env.GeneratorCPUs):
		return fmt.Errorf("server and generator had other CPUs (%v and %v)", was.ServerCPUs, was.GeneratorCPUs)
	case d.Dyno.Version != build.Version || d.Dyno.Commit != build.Commit:
		return fmt.Errorf("it is of another dyno, %s", d.Dyno.Version)
	case age > calibrationAge:
		return fmt.Errorf("it is %.0f days old", age.Hours()/24)
	}
	return nil
}

// gateCeiling asks whether a closed loop went as fast as the generator can go
// at all on this host. It is asked only of a server with time to spare: one
// that used all of its CPUs was the limit itself, however close it came. What
// was calibrated is one request at a time on each connection, over http.
func (p *Plan) gateCeiling(t *results.Trial, server float64) {
	c := p.Calibration
	if c == nil || t.Generator != "native" || t.Pipeline > 1 || cmp.Or(t.Protocol, target.DefaultProtocol) != target.DefaultProtocol {
		return
	}
	limit := c.LimitRPS()
	if limit == 0 || t.ThroughputRPS < nearCeiling*limit {
		return
	}
	t.AtLeast = true
	t.Warn(results.Warning{Code: results.CodeNullCeiling,
		Message: fmt.Sprintf("%.0f requests/s are %.0f %% of what the generator can do on this host (%.0f/s, by dyno doctor), and the server was busy for %.0f %% of the time: the throughput is a lower bound, the CPU per request is valid",
			t.ThroughputRPS, 100*t.ThroughputRPS/limit, limit, 100*server),
		Measure: results.Above(100*t.ThroughputRPS/limit, 100*nearCeiling, "%"),
		Hint:    "give the generator more CPUs, or compare CPU per request; if the host has become faster, run dyno doctor again"})
}

// gatePacing notes when an open loop's requests left much later than they do
// here by themselves: what is new is this trial's disturbance. Above a bound
// of its own the generator has already said so.
func (p *Plan) gatePacing(t *results.Trial) {
	if p.Calibration == nil || t.Generator != "native" || hasCode(&t.Load, results.CodeSendLag) {
		return
	}
	c, ok := p.Calibration.PacingAt(t.RateRPS)
	if lag := t.GeneratorLagUS.P99; ok && c.LagUS.P99 > 0 && lag > lagFactor*c.LagUS.P99 && lag > c.LagUS.P99+lagSlackUS {
		t.Warn(results.Warning{Code: results.CodePacing,
			Message: fmt.Sprintf("requests left up to %.0f µs late (p99); on the idle host it was %.0f µs (dyno doctor)", lag, c.LagUS.P99),
			Measure: results.Above(lag, max(lagFactor*c.LagUS.P99, c.LagUS.P99+lagSlackUS), "µs"),
			Hint:    "the host was disturbed, or the server uses the generator's CPUs; service_us is not affected"})
	}
}

func hasCode(l *results.Load, code string) bool {
	return slices.ContainsFunc(l.Warnings, func(w results.Warning) bool { return w.Code == code })
}
