//go:build !linux

package coroutine

import "github.com/dynobench/dyno/engines"

// New fails: the engine needs Linux.
func New(*engines.Params) (engines.Engine, error) { return nil, engines.LinuxOnly("coroutine") }
