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
	{Key: "loops", Default: "1", Doc: "loops, each on an OS thread; cpus: one per CPU"},
	{Key: "io", Default: "epoll", Doc: "epoll, like most servers, or io_uring, which is faster than any generator"},
	{Key: "service", Default: "0s", Doc: "service time of each request, one at a time: service=1ms gives exactly 1000 responses per second; 0s responds at once"},
}
