package load

import (
	"testing"

	"github.com/dynobench/dyno/internal/peer"
)

// eachTransport runs f as a subtest for each way to talk to the kernel.
func eachTransport(t *testing.T, f func(t *testing.T)) {
	for _, name := range []string{transportUring, transportEpoll} {
		t.Run(name, func(t *testing.T) {
			if err := chooseTransport(&Config{Transport: name}); err != nil {
				peer.Missing(t, err)
			}
			old := preferred
			defer func() { preferred = old }()
			preferred = name
			f(t)
		})
	}
}
