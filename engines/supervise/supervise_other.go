//go:build !linux

package supervise

import (
	"net"

	"github.com/dynobench/dyno/engines"
)

// Master is the supervisor, which needs Linux.
type Master struct{ engines.Engine }

// New fails: the engine needs Linux.
func New(*engines.Params, engines.Spec) (*Master, error) { return nil, engines.LinuxOnly("prefork") }

// Limit does nothing.
func (*Master) Limit(Limits) error { return nil }

// OnReady does nothing.
func (*Master) OnReady(func()) {}

// OnReload does nothing.
func (*Master) OnReload(func(begun bool)) {}

// OnBound does nothing.
func (*Master) OnBound(func() error) {}

// OnHangup does nothing.
func (*Master) OnHangup(func() bool) {}

// CatchSignals does nothing.
func (*Master) CatchSignals() {}

// Workers returns nil.
func (*Master) Workers() []Worker { return nil }

// Waiting tells nothing.
func (*Master) Waiting() (waiting, most int64) { return -1, -1 }

// Dial fails.
func (*Master) Dial(int) (net.Conn, error) { return nil, engines.LinuxOnly("prefork") }

// Memory tells nothing.
func Memory(int) (rss, vsz int64) { return -1, -1 }

// Work is a worker process's part.
type Work struct {
	Index int
	Spec  string
}

// Self tells that this process is no worker.
func Self() (*Work, bool) { return nil, false }

// Obeys tells nothing.
func (*Work) Obeys() bool { return false }

// Socket fails.
func (*Work) Socket() (*engines.Socket, error) { return nil, engines.LinuxOnly("prefork") }

// Wrap returns e.
func (*Work) Wrap(e engines.Engine) engines.Engine { return e }

// OnConn does nothing.
func (*Work) OnConn(func(net.Conn)) {}
