// Package netio is what the native generator's threads and its connection groups
// ask of Linux and of TLS: to dial, to wait by epoll, to be awake on time, and a
// TLS session without a connection of its own.
package netio

// ReadBuffer is how much is read at a time, in bytes.
const ReadBuffer = 64 << 10

// BackoffMin is the shortest wait after a connection that could not be made, in ns.
const BackoffMin = int64(1e6)

// FirstDials is how many first connections are under way at a time: a burst
// would overflow the server's backlog, and what is dropped there is only sent
// again after a second.
const FirstDials = 64
