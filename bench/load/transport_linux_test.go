package load

import (
	"testing"

	"github.com/dynobench/dyno/bench/load/native"
	"github.com/dynobench/dyno/bench/load/plan"
	"github.com/dynobench/dyno/internal/peer"
)

// eachTransport runs f as a subtest for each way to talk to the kernel.
func eachTransport(t *testing.T, f func(t *testing.T)) {
	for _, name := range []string{native.TransportUring, native.TransportEpoll} {
		t.Run(name, func(t *testing.T) {
			if err := native.ChooseTransport(&plan.Config{Transport: name}); err != nil {
				peer.Missing(t, err)
			}
			old := native.Preferred
			defer func() { native.Preferred = old }()
			native.Preferred = name
			f(t)
		})
	}
}
