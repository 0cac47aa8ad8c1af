// Package null is no server: a raw epoll loop that answers every read in which
// a request ends with the same bytes, and parses nothing. What it costs is the
// floor of what any server costs on this host. On io_uring it costs less than
// any generator: what that answers is all that a generator can be made to
// receive.
//
// With a service time it is a server of known capacity instead, to calibrate
// by: one virtual server that serves one request at a time, each for exactly
// that long, and a queue before it. Under Poisson arrivals that is the queue
// M/D/1, whose latencies are known at every load.
package null

import "github.com/dynobench/dyno/engines"

// Knobs are the engine's settings.
var Knobs = []engines.Knob{
	{Key: "loops", Default: "1", Doc: "loops, each on an OS thread; cpus is one for each processor"},
	{Key: "io", Default: "epoll", Doc: "what the loops are built on: epoll, as servers are, or io_uring, which answers more than a generator can ask"},
	{Key: "service", Default: "0s", Doc: "time that each request is served for, one at a time: service=1ms answers exactly 1000 a second; 0s answers at once"},
}
