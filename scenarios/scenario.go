// Package scenarios holds what dyno asks of a server: which requests, in what
// mix, offered how fast, and what a right answer is. A scenario is a YAML
// file; the ones beside this file are built in, any other is named by path.
//
// The package imports nothing of dyno's but the wording of unknown names and
// the grammars of rates and of placeholders. bench plans trials from a
// Scenario, internal/cli hands it to the generator; scenarios/apps are the
// applications that answer.
package scenarios

import (
	"time"

	"github.com/dynobench/dyno/scenarios/workload"
)

// Scenario is one file, decoded strictly: see Parse.
type Scenario struct {
	Source string `yaml:"-"` // what Load was asked for: it loads the same scenario again
	// Definition is the file as it was read: it parses to the same scenario
	// again, wherever the file is by then.
	Definition string `yaml:"-"`

	Name     string        `yaml:"name"`     // lower-case letters, digits and dashes
	Summary  string        `yaml:"summary"`  // one line: what is asked
	Shows    string        `yaml:"shows"`    // what the figures tell apart
	App      string        `yaml:"app"`      // the app in scenarios/apps; default "bench"
	Requests []Request     `yaml:"requests"` // at least one
	Data     Data          `yaml:"data"`
	Load     Offer         `yaml:"load"`
	Duration time.Duration `yaml:"duration"` // of the measured window of one trial; default 2s
	Warmup   time.Duration `yaml:"warmup"`   // the longest warm-up; it ends earlier when the rate is steady; default 1s
}

// Data is a file whose rows requests take fields from, as ${data.name}.
type Data struct {
	File  string         `yaml:"file"`  // CSV or JSON lines; a relative path is relative to the scenario's file
	Order string         `yaml:"order"` // sequence (default) or random
	Rows  *workload.Data `yaml:"-"`     // read by Load, nil after Parse
}

// Request is one class of requests. Classes with the same name share a
// histogram. Path, values of Headers and Body may hold placeholders, as ${seq}:
// see package workload.
type Request struct {
	Method  string            `yaml:"method"` // default GET
	Path    string            `yaml:"path"`   // with query, starting with "/"
	Headers map[string]string `yaml:"headers"`
	Body    string            `yaml:"body"`
	Weight  int               `yaml:"weight"` // relative share; default 1
	Class   string            `yaml:"class"`  // default: the path
	Expect  Expect            `yaml:"expect"`

	Verbatim bool `yaml:"verbatim"` // nothing in it is a placeholder
}

// Expect is what makes an answer right. The body is given as text, or by
// length, digest or both where it is long; with neither, any body is right, but
// all targets must then give the same.
type Expect struct {
	Status  int               `yaml:"status"` // default 200
	Headers map[string]string `yaml:"headers"`
	Body    *string           `yaml:"body"`
	Bytes   *int64            `yaml:"bytes"`
	SHA256  string            `yaml:"sha256"` // lower-case hex
}

// Offer is how fast requests are offered.
type Offer struct {
	Model       string           `yaml:"model"`       // closed or open
	Rate        float64          `yaml:"rate"`        // requests per second; open model only, 0 beside a Profile
	Schedule    string           `yaml:"-"`           // the rate where it is written as one that changes: see workload.Schedule
	Arrivals    string           `yaml:"arrivals"`    // constant (default) or poisson; open model only
	Connections int              `yaml:"connections"` // default 64
	Timeout     time.Duration    `yaml:"timeout"`     // of one request; default 10s
	Groups      []workload.Group `yaml:"groups"`      // connections beside these
}

// Mean is the mean rate of a window, in requests per second: 0 where nothing
// is due in it, and in the closed model.
func (o *Offer) Mean(window time.Duration) float64 {
	if o.Schedule == "" {
		return o.Rate
	}
	p, err := workload.ParseSchedule(o.Schedule)
	if err != nil || window <= 0 {
		return 0
	}
	return p.Over(window).Mean(window)
}
