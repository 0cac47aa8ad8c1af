// Package doctor finds out whether a host is fit to measure on, and what
// dyno's own instrument does there: dyno doctor.
//
// It drives the null engine, a server that does nothing, with the generator,
// each a process of its own on its own CPUs as in a trial, and reads what else
// there is to know of the host. collect measures, judge makes findings of it,
// and no judgement needs a clock or a process: both sides meet in plain values.
//
// What was measured of the generator (results.Calibration) is stored beside the
// runs, so that trials can be held against it (package bench).
package doctor

import (
	"context"
	"fmt"
	"runtime"
	"time"

	"github.com/dynobench/dyno/bench/measure"
	"github.com/dynobench/dyno/bench/meter"
	"github.com/dynobench/dyno/results"
)

// Options is what to look at. Dyno and CPUs must be set.
type Options struct {
	Dyno  string // path of the dyno binary, for the server and the generator
	CPUs  measure.CPUs
	Quick bool // a third of the time, less precise
	Build results.Build

	// Tolerate are the codes of findings that are notes where they would be
	// problems.
	Tolerate []string

	// Seen tells what is being measured; may be nil. It is called from one
	// goroutine.
	Seen func(Progress)
}

// Progress is where an examination stands.
type Progress struct {
	What        string // is measured next
	Done, Total time.Duration
}

// Run examines the host. It takes Length at the least. An error means that
// there was nothing to judge: ctx ended, or the server or the generator did not
// run at all. No process that it started is left in either case.
func Run(ctx context.Context, o Options) (*results.Doctor, error) {
	if _, err := meter.ReadHost(); err != nil {
		return nil, fmt.Errorf("this host cannot be examined (%s): %w", runtime.GOOS, err)
	}
	limits, err := meter.ReadLimits()
	if err != nil {
		return nil, err
	}
	m, err := collect(ctx, &host{dyno: o.Dyno, cpus: o.CPUs}, times(o.Quick), o.Seen)
	if err != nil {
		return nil, err
	}
	d := &results.Doctor{
		Schema: results.DoctorSchema, Created: time.Now().UTC(), Dyno: o.Build, Environment: o.CPUs.Environment(), Quick: o.Quick,
	}
	d.Calibration = m.calibration()
	d.Calibration.Created, d.Calibration.Dyno, d.Calibration.Threads = d.Created, o.Build, o.CPUs.Threads()
	d.Findings = judge(facts{env: d.Environment, limits: limits}, m)
	tolerate(d.Findings, o.Tolerate)
	d.Verdict, d.Summary = verdict(d.Findings)
	return d, nil
}

// Length is how long an examination takes, without starting and ending its
// processes.
func Length(quick bool) time.Duration { return times(quick).length() }
