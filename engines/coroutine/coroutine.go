// Package coroutine is an event loop that runs each request on a coroutine of
// its own, as gevent does on libev and uGreen in uWSGI: when the app waits by
// env.Wait, or between two chunks of its Body, the loop suspends the coroutine,
// serves others and resumes it. Tens of thousands may wait at a time, at the
// price of a small stack each.
//
// It is cooperative: an app that blocks the thread (a system call, a lock, a
// long computation) blocks the loop and all of its connections, and the wait
// hook must be called on the request's own goroutine or that of a generator it
// pulls, not on one that the app has started, nor with runtime.LockOSThread in
// force. A net/http handler (gateway.FromHTTP), which runs on a goroutine, holds
// up the loop until it answers.
package coroutine

import "github.com/dynobench/dyno/engines"

// Knobs are the engine's settings.
var Knobs = []engines.Knob{
	{Key: "loops", Default: engines.CPUs, Doc: "event loops, and so requests that compute at a time; cpus is one for each processor",
		Sweep: []string{"1", "cpus/2", "cpus*2"}},
	{Key: "io", Default: "epoll", Doc: "how connections are read and written: epoll one by one, io_uring many with one system call",
		Sweep: []string{"epoll", "io_uring"}},
	{Key: "slots", Default: "0", Doc: "requests in flight on each loop; 0 is any number",
		Fixed: "it bounds what is in flight"},
	engines.FullKnob, engines.TargetKnob,
}
