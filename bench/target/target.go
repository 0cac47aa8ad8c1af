// Package target runs a server under measurement: a command line as a process
// tree, started fresh on its own CPUs, proven ready by a verified answer,
// drained, and certainly gone afterwards, even if dyno itself is killed.
//
// It knows nothing of what the command runs: dyno's own engines and outside
// servers are the same kind of thing.
package target

import "time"

// Target is a row of scenarios/targets.yaml: a server that can be measured.
type Target struct {
	Name    string `yaml:"name"`
	Summary string `yaml:"summary"`
	Kind    string `yaml:"kind"` // engine: one of dyno's; yardstick: the same app on a well-known Go server; outside: everything else
	Spec    string `yaml:"spec"` // engine and yardstick: what --engine takes
	// Command is the argv template. {dyno} is this binary, {addr} host:port,
	// {port} the port, {app} the app's name, {dir} the folder of the twins in
	// other languages (scenarios/apps, unpacked), {cpus} the number of CPUs
	// that the server gets, {protocol} http.
	Command  []string          `yaml:"command"`
	Env      map[string]string `yaml:"env"`
	Protocol string            `yaml:"protocol"` // default http
	Ready    string            `yaml:"ready"`    // path of the readiness request; default /hello
	Requires []Requirement     `yaml:"requires"`
	Drain    time.Duration     `yaml:"drain"`  // how long after Signal before it is killed; default 5s
	Signal   string            `yaml:"signal"` // that asks for an orderly end: TERM (default), INT or QUIT
}

// Requirement is something that must be installed. Exactly one of Program,
// File and Glob is set.
type Requirement struct {
	Program string `yaml:"program"` // found on PATH
	File    string `yaml:"file"`    // exists
	Glob    string `yaml:"glob"`    // matches something
	Install string `yaml:"install"` // the command that gets it
}
