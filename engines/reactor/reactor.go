// Package reactor is an event loop of our own, on epoll itself, and what the
// engines on it share: how connections are accepted, read, answered and
// drained. The engines differ in what an app runs on: the loop, or a coroutine
// that its waits suspend.
//
// How it works, and why:
//
//   - One goroutine per loop sleeps in epoll_pwait2, whose timeout is the next
//     timer's, to 50 µs. Connections are registered once, for edges in both
//     directions; what they can do is remembered, so that a request takes a
//     read, a write and its share of a wait, and no epoll_ctl.
//   - A connection's bytes are left in the kernel until its turn comes, and the
//     client is thereby held up; nothing is buffered but what its Session holds.
//   - With io_uring (Config.Batch) the reads of all connections that epoll has
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
package reactor
