//go:build !linux

package eventloop

import "github.com/dynobench/dyno/engines"

// New fails: the engine needs Linux.
func New(*engines.Params) (engines.Engine, error) { return nil, engines.LinuxOnly("eventloop") }

// NewCoroutine fails as New does.
func NewCoroutine(*engines.Params) (engines.Engine, error) {
	return nil, engines.LinuxOnly("coroutine")
}
