package plan

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
)

// Unreachable says what to do about a server that took no connection at all.
func Unreachable(url string, err error) error {
	hint := ""
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		hint = ": is the server running?"
	case errors.Is(err, syscall.ENOENT):
		hint = ": there is no such socket; is the server running?"
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		hint = ": no local port is left, or a source address is not this host's"
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded):
		hint = ": is there a firewall in between, or is the server's backlog full?"
	}
	return fmt.Errorf("%s: %w%s", url, err, hint)
}

// DialTo connects to the one address, whatever it is asked for.
func DialTo(c *Config, to Endpoint) DialFunc {
	network, addr := "tcp", to.Addr.String()
	if to.Unix != "" {
		network, addr = "unix", to.Unix
	}
	var d net.Dialer
	if len(c.Sources) > 0 {
		d.LocalAddr = &net.TCPAddr{IP: c.Sources[0].AsSlice()}
	}
	return func(ctx context.Context, _, _ string) (net.Conn, error) { return d.DialContext(ctx, network, addr) }
}

// DialFunc is that of net.Dialer.
type DialFunc func(ctx context.Context, network, addr string) (net.Conn, error)

// Probe makes one connection to see whether there is a server and, where secure
// is not nil, whether TLS can be agreed on: what keeps every connection from
// being made is found before any load is offered.
func Probe(ctx context.Context, c *Config, secure *tls.Config, dial DialFunc) error {
	within, cancel := context.WithTimeout(ctx, ConnectTimeout(c))
	defer cancel()
	conn, err := dial(within, "", "")
	if err == nil && secure != nil {
		err = probeTLS(within, secure, conn)
	} else if err == nil {
		err = conn.Close()
	}
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		return Unreachable(c.URL, err)
	}
	return nil
}
