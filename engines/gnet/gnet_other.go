//go:build !linux

package gnet

import "github.com/dynobench/dyno/engines"

// NewPool fails as New does.
func NewPool(*engines.Params) (engines.Engine, error) {
	return nil, engines.LinuxOnly("eventloop-pool")
}

// New fails: the engine needs Linux.
func New(*engines.Params) (engines.Engine, error) { return nil, engines.LinuxOnly("gnet") }
