package cli

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/netip"
	"os"

	"github.com/dynobench/dyno/bench/load"
)

// maxSources bounds what a prefix may stand for.
const maxSources = 1 << 16

// network fills in whom to trust and where connections come from.
func (f loadFlags) network(config *load.Config) error {
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
	var err error
	config.TLS, err = trust(f.insecure, f.authorities)
	return err
}

// trust is what --insecure and --cacert ask for together; nil is the usual.
func trust(insecure bool, authorities string) (*tls.Config, error) {
	switch {
	case insecure && authorities != "":
		return nil, fmt.Errorf("--insecure and --cacert exclude each other: the one trusts everybody")
	case insecure:
		return &tls.Config{InsecureSkipVerify: true}, nil //nolint:gosec // asked for
	case authorities == "":
		return nil, nil
	}
	pem, err := os.ReadFile(authorities)
	if err != nil {
		return nil, fmt.Errorf("--cacert: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("--cacert %s: no certificate in it; expected PEM", authorities)
	}
	return &tls.Config{RootCAs: pool}, nil
}
