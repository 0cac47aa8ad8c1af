package plan

import (
	"cmp"
	"math"
	"time"

	"github.com/dynobench/dyno/scenarios/workload"
)

// LayOut makes a rate that changes, or a trace, into what the schedule goes
// by, and fills in what follows: the mean rate, and the window of a trace. It
// may be called again.
func (c *Config) LayOut() error {
	switch {
	case c.Duration < 0:
		return Errorf("Duration", "duration %v: a duration cannot be negative", c.Duration)
	case c.Arrivals == Recorded:
		return c.layOutTrace()
	case c.Trace != nil:
		return Errorf("Trace", "a trace, but not the arrivals for it: they have to be recorded, in the open model")
	case c.Speed != 0:
		return Errorf("Speed", "speed %v: only recorded arrivals have one; write another rate", c.Speed)
	case c.Schedule == "":
		return nil
	case c.Model == Closed:
		return Errorf("Schedule", "rate %s: the closed model has none, the server's answers set the pace; use the open model for a rate", c.Schedule)
	}
	p, err := workload.ParseSchedule(c.Schedule)
	if err != nil {
		return Errorf("Schedule", "%v", err)
	}
	c.Duration = cmp.Or(c.Duration, defaultDuration)
	mean, constant := p.Constant()
	if c.Schedule = ""; !constant {
		c.Schedule, c.curve = p.String(), p.Over(c.Duration)
		mean = c.curve.Mean(c.Duration)
	}
	switch {
	case mean == 0:
		return Errorf("Schedule", "rate %s: nothing is due within the window of %v; write a longer one, or a rate that begins earlier", p, c.Duration)
	case c.Rate != 0 && c.Rate != mean:
		return Errorf("Rate", "rate %v beside the rate %s: give one of the two", c.Rate, p)
	}
	c.Rate = mean
	return nil
}

func (c *Config) layOutTrace() error {
	c.Speed = cmp.Or(c.Speed, 1)
	switch {
	case c.Trace == nil:
		return Errorf("Trace", "recorded arrivals, but no trace of them")
	case c.Schedule != "":
		return Errorf("Schedule", "rate %s: recorded arrivals have their own; leave it out, or change their speed", c.Schedule)
	case !(c.Speed > 0) || math.IsInf(c.Speed, 1):
		return Errorf("Speed", "speed %v: how many times as fast, above 0", c.Speed)
	}
	length := c.Trace.Length(c.Speed)
	c.Duration = cmp.Or(c.Duration, length)
	c.Duration = min(c.Duration, length) // nothing is due after it: a longer window would only thin the figures out
	mean := c.Expected(c.Duration) / c.Duration.Seconds()
	switch {
	case mean == 0:
		return Errorf("Duration", "duration %v: nothing of the trace is due within it, its first arrival is after %v",
			c.Duration, time.Duration(c.Trace.at(0, c.Speed)))
	case c.Rate != 0 && c.Rate != mean:
		return Errorf("Rate", "rate %v: recorded arrivals have their own; leave it out, or change their speed", c.Rate)
	}
	c.Rate = mean
	return nil
}

// Changes tells whether the offered rate is not the same all the time.
func (c *Config) Changes() bool { return c.curve != nil || c.Trace != nil }

// Expected is how many requests are due in the window before t; of Poisson
// arrivals on average.
func (c *Config) Expected(t time.Duration) float64 {
	switch {
	case c.Trace != nil:
		return float64(c.Trace.before(int64(t), c.Speed))
	case c.curve != nil:
		return c.curve.Count(t)
	}
	return c.Rate * t.Seconds()
}

// WarmupRate is the rate of the warm-up, which does not change, so that it can
// become steady. It is that with which the window begins: with another the
// first answers of the window would show the step from one to the other. What
// begins with nothing is warmed up with its mean.
func (c *Config) WarmupRate() float64 {
	if c.curve != nil && c.curve.First() > 0 {
		return c.curve.First()
	}
	return c.Rate
}
