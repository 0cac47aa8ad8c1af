// Package null is no server: a raw epoll loop that answers every read in which
// a request ends with the same bytes, and parses nothing. What it costs is the
// floor of what any server costs on this host, and what it answers is all that
// a generator can be made to receive.
package null

import "github.com/dynobench/dyno/engines"

// Knobs are the engine's settings.
var Knobs = []engines.Knob{
	{Key: "loops", Default: "1", Doc: "epoll loops, each on an OS thread; cpus is one for each processor"},
}
