package cli

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/dynobench/dyno/bench/load/plan"
	"github.com/dynobench/dyno/protocol/client"
	"github.com/dynobench/dyno/protocol/conformance"
)

// remote tells the URL of a server from an engine's spec.
func remote(subject string) bool {
	return strings.Contains(subject, "://") || strings.HasPrefix(subject, "unix:")
}

type dialFunc func(context.Context) (net.Conn, error)

// endpoint is the server at a URL, and whom to trust there.
func (f checkFlags) endpoint(url string) (client.Endpoint, *tls.Config, error) {
	at, err := client.ParseURL(url)
	if err != nil {
		return at, nil, err
	}
	trusted, err := f.trust.Config()
	switch {
	case err != nil:
	case trusted != nil && !at.TLS:
		err = fmt.Errorf("--cacert, --insecure and certificates are for https, not for %s", url)
	case at.Protocol.Gateway && !f.probe:
		err = fmt.Errorf("%s: without dyno's app only HTTP can be judged: run the app \"conformance\" there and add --probe", url)
	}
	return at, trusted, err
}

// aim is the server as the rules ask it, and how to connect to it.
func (f checkFlags) aim(at client.Endpoint, trusted *tls.Config) (conformance.Server, dialFunc) {
	var dialer interface {
		DialContext(ctx context.Context, network, address string) (net.Conn, error)
	} = new(net.Dialer)
	if at.TLS {
		if at.Unix != "" && (trusted == nil || trusted.ServerName == "") {
			if trusted = trusted.Clone(); trusted == nil {
				trusted = new(tls.Config)
			}
			trusted.ServerName = at.Host
		}
		dialer = &tls.Dialer{Config: trusted}
	}
	dial := func(ctx context.Context) (net.Conn, error) {
		network, address := at.Address()
		return dialer.DialContext(ctx, network, address)
	}
	s := conformance.Server{Scheme: at.Scheme(), App: f.probe, Host: at.Host, Path: at.Path, Patience: f.patience}
	if s.Transport = asking(at.Protocol, dial); s.Transport == nil {
		s.Dial = dial
	}
	return s, dial
}

// asking asks in a gateway protocol, with a connection for each request; for
// http it is nil. A nil dial connects to where the URL says.
func asking(p *client.Protocol, dial dialFunc) http.RoundTripper {
	if !p.Gateway {
		return nil
	}
	t := &client.Transport{DisableKeepAlives: true}
	if dial != nil {
		t.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx) }
	}
	return t
}

// reachable tells a server that is not there from one that breaks all rules.
func reachable(ctx context.Context, dial dialFunc, patience time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	conn, err := dial(ctx)
	if err != nil {
		var op *net.OpError
		if errors.As(err, &op) {
			err = op.Err
		}
		if advice := plan.TLSAdvice(err); advice != "" {
			err = fmt.Errorf("%w: %s", err, advice)
		}
		return fmt.Errorf("nothing to check: %w", err)
	}
	return conn.Close()
}
