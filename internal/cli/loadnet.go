package cli

import (
	"fmt"
	"net/netip"

	"github.com/dynobench/dyno/bench/load/plan"
)

// maxSources bounds what a prefix may stand for.
const maxSources = 1 << 16

// network fills in whom to trust and where connections come from.
func (f loadFlags) network(config *plan.Config) error {
	for _, text := range f.sources {
		if address, err := netip.ParseAddr(text); err == nil {
			config.Sources = append(config.Sources, address)
			continue
		}
		prefix, err := netip.ParsePrefix(text)
		if err != nil {
			return fmt.Errorf("--source %s: expected an address, as 127.0.0.2, or a prefix, as 127.0.0.0/28", text)
		}
		for a := prefix.Masked().Addr(); a.IsValid() && prefix.Contains(a); a = a.Next() {
			if len(config.Sources) == maxSources {
				return fmt.Errorf("--source %s: more than %d addresses", text, maxSources)
			}
			config.Sources = append(config.Sources, a)
		}
	}
	config.Resume = f.resume
	var err error
	config.TLS, err = f.trust.Config()
	return err
}
