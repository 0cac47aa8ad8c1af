package netio

// readBuffer is how much is read at a time, in bytes.
const ReadBuffer = 64 << 10

// backoffMin is the shortest wait after a connection that could not be made, in ns.
const BackoffMin = int64(1e6)

// firstDials is how many first connections are under way at a time: a burst
// would overflow the server's backlog, and what is dropped there is only sent
// again after a second.
const FirstDials = 64
