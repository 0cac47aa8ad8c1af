// Package gnet is event loops with the app run inline: a request occupies
// its loop from its first byte of work to its last, and an app that blocks,
// blocks all connections of the loop. The loops are those of package reactor,
// or gnet's; eventloop-pool, which runs the app on workers, is on gnet's.
//
// How it uses gnet, and why:
//
//   - Connections are accepted here and enrolled in a gnet.Client per loop.
//     gnet's own server takes addresses only; this way inherited and unix
//     sockets work, and a drain stops accepting before it closes anything.
//   - Answers are written to the descriptor directly, not by gnet, which takes
//     all that it is given into a buffer without a bound and has no callback for
//     when it has left. If the client does not keep up, the Session keeps its
//     one Output, and the descriptor goes into a second epoll set, watched by
//     one parked goroutine per engine; when it is writable the loop goes on.
//     Until then nothing is pulled from the app. A poll by OutboundBuffered on
//     a tick would bound a stream to a buffer per tick; one by Wake would spin.
//   - gnet never stops reading. What a client sends while its answers do not
//     get away is held, up to the limits on one request's header and body;
//     beyond that the connection is cut.
//   - With workers (the engine eventloop-pool) the app runs on one of them, and
//     the loop leaves the Session alone until it is back.
//   - Deadlines are looked at once per tick (engines.Tick): the hot path has
//     no timers.
package gnet

import "github.com/dynobench/dyno/engines"

// Knobs are the engine's settings.
var Knobs = []engines.Knob{
	{Key: "loops", Default: engines.CPUs, Doc: "event loops, and so requests that run at a time; cpus is one for each processor",
		Sweep: []string{"1", "cpus/2", "cpus*2"}},
	{Key: "io", Default: "epoll", Doc: "how connections are read and written: epoll one by one, io_uring many with one system call, gnet by that library's loops",
		Sweep: []string{"epoll", "io_uring", "gnet"}},
	engines.TargetKnob,
}

// PoolKnobs are the settings of the engine with workers.
var PoolKnobs = []engines.Knob{
	{Key: "loops", Default: "1", Doc: "event loops, which do the I/O; cpus is one for each processor",
		Sweep: []string{"1", "cpus", "cpus*2"}},
	{Key: "workers", Default: "256", Doc: "goroutines that run the app, and so requests at a time",
		Sweep: []string{"32", "256", "2048"}},
	{Key: "queue", Default: "1024", Doc: "requests that may wait for a worker before the engine is full; with full=wait it then stops accepting",
		Fixed: "it decides when the engine is full"},
	engines.FullKnob, engines.TargetKnob,
}
