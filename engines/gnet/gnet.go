// Package gnet is the two engines on the event loops of gnet, the library that Go's
// field uses for them. The engine gnet runs the app inline, on the loop: a request
// occupies its loop from its first byte of work to its last, and an app that
// blocks, blocks all connections of the loop. eventloop-pool runs it on workers.
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

// Knobs are the settings of the engine gnet.
var Knobs = []engines.Knob{
	{Key: "loops", Default: engines.CPUs, Doc: "event loops, and so requests that run at a time; cpus: one per CPU",
		Sweep: []string{"1", "cpus/2", "cpus*2"}},
	engines.TargetKnob,
}

// PoolKnobs are the settings of the engine eventloop-pool.
var PoolKnobs = []engines.Knob{
	{Key: "loops", Default: "1", Doc: "event loops for the I/O; cpus: one per CPU",
		Sweep: []string{"1", "cpus", "cpus*2"}},
	{Key: "workers", Default: "256", Doc: "goroutines that run the app, and so requests at a time",
		Sweep: []string{"32", "256", "2048"}},
	{Key: "queue", Default: "1024", Doc: "requests that may wait for a worker before the engine is full; with full=wait it then stops accepting connections",
		Fixed: "it decides when the engine is full"},
	engines.FullKnob, engines.TargetKnob,
}
