// Package prefork multiplies any other engine over processes: a supervisor
// that never serves, and workers that are the same program started anew, each
// with the inner engine on the supervisor's socket.
//
// A worker is the same command line with one more environment variable, by
// which Worker recognises it. It inherits two descriptors: a control socket,
// on which the supervisor asks for its Stats and whose end says that the
// supervisor is gone, and the listening socket.
package prefork

import "github.com/dynobench/dyno/engines"

// Knobs are the engine's settings; all others are the inner engine's.
var Knobs = []engines.Knob{
	{Key: "processes", Default: engines.CPUs, Doc: "worker processes; cpus is one for each processor. They divide the processors among them (GOMAXPROCS)"},
	{Key: "socket", Default: "auto", Doc: "reuseport: a listening socket for each worker, over which the kernel spreads connections; inherited: all accept from one; auto: inherited for sync, whose workers must be able to take each other's turn, else reuseport"},
}
