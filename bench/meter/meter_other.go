//go:build !linux

package meter

import "github.com/dynobench/dyno/internal/cgroup"

// Tree is a process tree; it cannot be read on this system.
type Tree struct{}

// NewTree is the tree of a leader.
func NewTree(int) *Tree { return &Tree{} }

// Settle returns ErrUnsupported.
func (*Tree) Settle() (Sample, error) { return Sample{}, ErrUnsupported }

// CountedBy does nothing.
func (*Tree) CountedBy(*cgroup.Group) {}

// Sample returns ErrUnsupported.
func (*Tree) Sample() (Sample, error) { return Sample{}, ErrUnsupported }

// Glance returns ErrUnsupported.
func (*Tree) Glance() (Sample, error) { return Sample{}, ErrUnsupported }

// Belongs knows of nobody.
func (*Tree) Belongs(int) bool { return false }

// ReadProcess returns ErrUnsupported.
func ReadProcess(int) (Sample, error) { return Sample{}, ErrUnsupported }

// ReadCensus returns ErrUnsupported.
func ReadCensus() (Census, error) { return Census{}, ErrUnsupported }

// PSS returns ErrUnsupported.
func (*Tree) PSS() (int64, error) { return 0, ErrUnsupported }

// ReadHost returns ErrUnsupported.
func ReadHost() (HostSample, error) { return HostSample{}, ErrUnsupported }

// ReadFacts returns ErrUnsupported.
func ReadFacts() (Facts, error) { return Facts{}, ErrUnsupported }

// CPUs returns ErrUnsupported.
func CPUs() ([]int, error) { return nil, ErrUnsupported }

// ReadTopology knows nothing.
func ReadTopology() Topology { return nil }

// ReadLimits returns ErrUnsupported.
func ReadLimits() (Limits, error) { return Limits{}, ErrUnsupported }

// Quotas are none.
type Quotas struct{}

// ReadQuotas finds none.
func ReadQuotas(...int) Quotas { return Quotas{} }

// Since knows of none.
func (Quotas) Since() Throttled { return Throttled{} }

// Listener finds nobody.
func Listener(string, string) (int, bool) { return 0, false }
