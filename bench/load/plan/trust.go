package plan

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"

	"github.com/dynobench/dyno/internal/file"
)

// mostPEM bounds a file of certificates; those of all public authorities take 0.3 MiB.
const mostPEM = 16 << 20

// Trust says whom to trust behind https, and who the client is, by the names of
// files: what a command line can say. The zero value is the usual.
type Trust struct {
	Insecure    bool   // trust any certificate
	Authorities string // PEM file; default the system's
	ServerName  string // to ask for (SNI) and to find in the certificate; default the URL's host
	Certificate string // PEM file: the client's, with its chain
	Key         string // PEM file: of Certificate; default the same file
}

// Config reads the files. It is nil for the zero value.
func (t Trust) Config() (*tls.Config, error) {
	if t == (Trust{}) {
		return nil, nil
	}
	config := &tls.Config{InsecureSkipVerify: t.Insecure, ServerName: t.ServerName} //nolint:gosec // asked for
	if t.Insecure && t.Authorities != "" {
		return nil, errors.New("use --insecure or --cacert, not both: --insecure trusts any certificate")
	}
	if t.Authorities != "" {
		pem, err := file.Read(t.Authorities, mostPEM)
		if err != nil {
			return nil, fmt.Errorf("--cacert: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("--cacert %s: no certificate in it; expected PEM", t.Authorities)
		}
	}
	if t.Certificate == "" {
		if t.Key != "" {
			return nil, fmt.Errorf("--key %s: give its certificate as well (--cert)", t.Key)
		}
		return config, nil
	}
	if t.Key == "" {
		t.Key = t.Certificate
	}
	certificate, err := file.Read(t.Certificate, mostPEM)
	if err != nil {
		return nil, fmt.Errorf("--cert: %w", err)
	}
	key := certificate // which is read once: it may be a pipe
	if t.Key != t.Certificate {
		if key, err = file.Read(t.Key, mostPEM); err != nil {
			return nil, fmt.Errorf("--key: %w", err)
		}
	}
	pair, err := tls.X509KeyPair(certificate, key)
	if err != nil {
		return nil, fmt.Errorf("--cert %s, --key %s: %w", t.Certificate, t.Key, err)
	}
	config.Certificates = []tls.Certificate{pair}
	return config, nil
}

// Args are the flags of dyno load that say the same.
func (t Trust) Args() []string {
	var args []string
	if t.Insecure {
		args = append(args, "--insecure")
	}
	for _, flag := range [][2]string{{"--cacert", t.Authorities}, {"--server-name", t.ServerName}, {"--cert", t.Certificate}, {"--key", t.Key}} {
		if flag[1] != "" {
			args = append(args, flag[0], flag[1])
		}
	}
	return args
}
