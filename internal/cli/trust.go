package cli

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/pflag"
)

// trustFlags say whom to trust behind https, and who the client is.
type trustFlags struct {
	insecure               bool
	authorities            string
	serverName             string
	certificate, secretKey string
}

func (f *trustFlags) flags(flags *pflag.FlagSet) {
	flags.BoolVar(&f.insecure, "insecure", false, "https: trust any certificate")
	flags.StringVar(&f.authorities, "cacert", "", "https: trust the authorities in a PEM `file` rather than the system's")
	flags.StringVar(&f.serverName, "server-name", "", "https: the `name` to ask for (SNI) and to find in the certificate (default: the URL's host)")
	flags.StringVar(&f.certificate, "cert", "", "https: the client's certificate, with its chain, in a PEM `file`")
	flags.StringVar(&f.secretKey, "key", "", "https: the key of --cert in a PEM `file` (default: the same file)")
}

// given tells whether anything is asked for.
func (f *trustFlags) given() bool { return *f != trustFlags{} }

// config is what the flags ask for together; nil is the usual.
func (f *trustFlags) config() (*tls.Config, error) {
	if !f.given() {
		return nil, nil
	}
	config := &tls.Config{InsecureSkipVerify: f.insecure, ServerName: f.serverName} //nolint:gosec // asked for
	if f.insecure && f.authorities != "" {
		return nil, errors.New("--insecure and --cacert exclude each other: the one trusts everybody")
	}
	if f.authorities != "" {
		pem, err := os.ReadFile(f.authorities)
		if err != nil {
			return nil, fmt.Errorf("--cacert: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("--cacert %s: no certificate in it; expected PEM", f.authorities)
		}
	}
	if f.certificate == "" {
		if f.secretKey != "" {
			return nil, fmt.Errorf("--key %s: give the certificate that it is for, too (--cert)", f.secretKey)
		}
		return config, nil
	}
	key := f.secretKey
	if key == "" {
		key = f.certificate
	}
	pair, err := tls.LoadX509KeyPair(f.certificate, key)
	if err != nil {
		return nil, fmt.Errorf("--cert %s, --key %s: %w", f.certificate, key, err)
	}
	config.Certificates = []tls.Certificate{pair}
	return config, nil
}
