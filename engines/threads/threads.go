// Package threads is a fixed number of OS threads, each blocked in the kernel
// on the one connection that it serves, as Apache's worker model, gunicorn's
// gthread or uWSGI's threads have it. The descriptors are blocking ones, and
// the Go scheduler has no part in the waiting.
package threads

import "github.com/dynobench/dyno/engines"

// Knobs are the engine's settings.
var Knobs = []engines.Knob{
	{Key: "threads", Default: "64", Doc: "OS threads, and so connections at a time",
		Sweep: []string{"32", "64", "256"}},
	{Key: "queue", Default: "64", Doc: "accepted connections that may wait for a thread; beyond that the engine is full",
		Fixed: "it decides when the engine is full"},
	engines.FullKnob, engines.TargetKnob,
}
