// Package eventloop is dyno's own event loop, on epoll itself, and the two engines
// on it, which share how connections are accepted, read, answered and drained.
// They differ in what the app runs on:
//
//   - eventloop runs it on the loop: a request occupies its loop from its first byte
//     of work to its last, and an app that blocks, blocks all connections of the
//     loop.
//   - coroutine runs each request on a coroutine of its own, as gevent does on libev
//     and uGreen in uWSGI: when the app waits by env.Wait, or between two chunks of
//     its Body, the loop suspends the coroutine, serves others and resumes it. Tens
//     of thousands may wait at a time, at the price of a small stack each. It is
//     cooperative: an app that blocks the thread (a system call, a lock, a long
//     computation) blocks the loop and all of its connections. The wait hook must be
//     called on the request's own goroutine or that of a generator it pulls, not on
//     one that the app has started, nor with runtime.LockOSThread in force. A
//     net/http handler (gateway.FromHTTP), which runs on a goroutine, holds up the
//     loop until it answers.
//
// How it works, and why:
//
//   - One goroutine per loop sleeps in epoll_pwait2, whose timeout is the next
//     timer's, to 50 µs. Connections are registered once, for edges in both
//     directions; what they can do is remembered, so that a request takes a
//     read, a write and its share of a wait, and no epoll_ctl.
//   - A connection's bytes are left in the kernel until its turn comes, and the
//     client is thereby held up; nothing is buffered but what its Session holds.
//   - With io_uring (io=io_uring) the reads of all connections that epoll has
//     told of are one system call, and so are the writes of what came of them.
//     The kernel does them within the call, since none may wait: what makes
//     io_uring cheap is kept, and of what makes it hard, operations that outlive
//     their connection and a ring that is one thread's, there is nothing.
//   - Connections are accepted by one goroutine that waits in Go's poller, and
//     handed to the loop that has the fewest: so the engine accepts while an app
//     holds up a loop, and stops to at once when it is to end.
//   - Deadlines are looked at once per tick (engines.Tick): the hot path has
//     no timers.
//   - A coroutine is an iter.Pull that runs one request after the other, and is
//     kept for the next one as long as there is use for it. Whatever goroutine
//     the wait hook is called on, the app's own or that of a generator which it
//     has made of another iter.Pull, is switched away from, and back to.
//   - runtime.Goexit in an app ends the goroutine of the loop: another one takes
//     the loop over where it stood.
package eventloop

import "github.com/dynobench/dyno/engines"

// io is how connections are read and written.
var io = engines.Knob{Key: "io", Default: "epoll", Doc: "how connections are read and written: epoll one at a time, io_uring many with one system call",
	Sweep: []string{"epoll", "io_uring"}}

// Knobs are the settings of the engine eventloop.
var Knobs = []engines.Knob{
	{Key: "loops", Default: engines.CPUs, Doc: "event loops, and so requests that run at a time; cpus: one per CPU",
		Sweep: []string{"1", "cpus/2", "cpus*2"}},
	io, engines.TargetKnob,
}

// CoroutineKnobs are the settings of the engine coroutine.
var CoroutineKnobs = []engines.Knob{
	{Key: "loops", Default: engines.CPUs, Doc: "event loops, and so requests that compute at a time; cpus: one per CPU",
		Sweep: []string{"1", "cpus/2", "cpus*2"}},
	io,
	{Key: "slots", Default: "0", Doc: "requests in flight per loop; 0: unlimited",
		Fixed: "it bounds what is in flight"},
	engines.FullKnob, engines.TargetKnob,
}
