//go:build !linux

package prefork

import "github.com/dynobench/dyno/engines"

// New fails: the engine needs Linux.
func New(*engines.Params, engines.Spec) (engines.Engine, error) {
	return nil, engines.LinuxOnly("prefork")
}

// Work is a worker process's part.
type Work struct{ Spec string }

// Worker tells that this process is no worker.
func Worker() (*Work, bool) { return nil, false }

// Socket fails.
func (*Work) Socket() (*engines.Socket, error) { return nil, engines.LinuxOnly("prefork") }

// Wrap returns e.
func (*Work) Wrap(e engines.Engine) engines.Engine { return e }
