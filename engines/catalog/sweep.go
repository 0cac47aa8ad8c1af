package catalog

import (
	"slices"

	"github.com/dynobench/dyno/engines"
)

// Variables are what else decides how fast an engine is: settings of the Go
// runtime, which are environment variables. Default is what holds without one.
var Variables = []engines.Knob{
	{Key: "GOGC", Default: "100", Doc: "how far the heap may grow before a collection, in per cent of the live heap: more means less CPU and more memory",
		Sweep: []string{"200", "400", "800"}},
	{Key: "GOMAXPROCS", Default: engines.CPUs, Doc: "threads that run Go code at a time; cpus: one per CPU that the process may use; prefork divides them among its workers",
		Sweep: []string{"1", "cpus/2", "cpus*2"}},
	{Key: "GOMEMLIMIT", Default: "off", Doc: "memory limit above which the collector works harder",
		Fixed: "it limits memory; the right value depends on the machine and does not affect speed below it"},
}

// Variables returns the Variables that the engine heeds.
func (e Entry) Variables() []engines.Knob {
	if e.Name != "threads" {
		return Variables
	}
	heeded := slices.Clone(Variables)
	for i := range heeded {
		if heeded[i].Key == "GOMAXPROCS" {
			heeded[i].Sweep, heeded[i].Fixed = nil, "the engine sets it: one for each of its threads"
		}
	}
	return heeded
}

// Knobs returns the settings of the engine of spec and, where it has one, of
// its inner engine, and the variables that both heed.
func Knobs(spec engines.Spec) (settings, variables []engines.Knob, err error) {
	entry, err := Lookup(spec.Name)
	if err != nil || entry.Inner == "" {
		return entry.Knobs, entry.Variables(), err
	}
	_, inner := spec.Split(entry.Knobs)
	if inner.Name == "" {
		inner.Name = entry.Inner
	}
	in, err := Lookup(inner.Name)
	return slices.Concat(entry.Knobs, in.Knobs), in.Variables(), err
}
