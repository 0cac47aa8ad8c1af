package engines

import (
	"fmt"

	"github.com/dynobench/dyno/protocol"
)

// HTTPOnly is the error of the engine called name for a Service that speaks
// anything but HTTP, or HTTP behind a PROXY header, nil for others: for servers
// that bring their own parser.
func HTTPOnly(name string, svc *protocol.Service) error {
	if p := svc.Codec.Name(); p != "http" {
		return fmt.Errorf("engine %s speaks http only, not %s: it has a parser of its own", name, p)
	}
	if svc.Proxied {
		return fmt.Errorf("engine %s does not take the PROXY protocol: it has a parser of its own", name)
	}
	return nil
}
