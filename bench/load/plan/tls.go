package plan

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"time"
)

// Secure is Config.TLS made complete, or nil without https.
func (c *Config) Secure(to Endpoint) *tls.Config {
	if !to.Tls {
		return nil
	}
	t := &tls.Config{}
	if c.TLS != nil {
		t = c.TLS.Clone()
	}
	// Of an address only the certificate is asked for, crypto/tls sends no SNI.
	t.ServerName = cmp.Or(t.ServerName, hostOnly(to.hostname), to.Host) // a Unix socket has the latter only
	t.NextProtos = []string{"http/1.1"}
	t.DynamicRecordSizingDisabled = true // a long request in as few records as OpenSSL's clients make of it
	t.ClientSessionCache = nil
	if c.Resume {
		t.ClientSessionCache = tls.NewLRUClientSessionCache(c.Connections)
	}
	return t
}

// hostOnly is a host without the zone of an IPv6 address.
func hostOnly(host string) string {
	host, _, _ = strings.Cut(host, "%")
	return host
}

// farewell is how long a server gets to end the probe's connection.
const farewell = 500 * time.Millisecond

// probeTLS agrees on TLS once, over a connection that it closes, before any load
// is offered: a certificate that is not trusted is no result.
//
// With TLS 1.3 a server refuses the client's certificate after the client's
// handshake is done, and it may have sent tickets that nobody has read: so both
// sides close in form, and what the server has to say is listened to until then.
func probeTLS(ctx context.Context, config *tls.Config, conn net.Conn) error {
	defer conn.Close()
	config = config.Clone()
	config.ClientSessionCache = nil
	over := tls.Client(conn, config)
	if err := over.HandshakeContext(ctx); err != nil {
		return HandshakeError(err)
	}
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	_ = over.CloseWrite()
	if half, ok := conn.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
	}
	_ = over.SetReadDeadline(time.Now().Add(farewell))
	_, err := over.Read(make([]byte, 1))
	if alert := new(net.OpError); errors.As(err, &alert) && alert.Op == "remote error" {
		return HandshakeError(err)
	}
	return nil
}

// HandshakeError says of a handshake that failed what to do about it.
func HandshakeError(err error) error {
	var record tls.RecordHeaderError
	switch {
	case errors.As(err, &record) && strings.HasPrefix(string(record.RecordHeader[:]), "HTTP/"):
		return errors.New("the server speaks plain http: use http://")
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return errors.New("the server closed the connection in the TLS handshake: does it speak TLS on this port?")
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		return errors.New("the server accepted the connection and did not respond to the TLS handshake in time: does it speak TLS on this port?")
	}
	return TlsError(fmt.Errorf("TLS handshake: %w", err))
}

// TlsError adds to an error of crypto/tls what to do about it.
func TlsError(err error) error {
	if advice := TLSAdvice(err); advice != "" {
		return fmt.Errorf("%w: %s", err, advice)
	}
	return err
}

// TLSAdvice says what to do about an error of crypto/tls, in terms of the
// command line, or "".
func TLSAdvice(err error) string {
	var authority x509.UnknownAuthorityError
	var invalid x509.CertificateInvalidError
	var name x509.HostnameError
	var roots x509.SystemRootsError
	var record tls.RecordHeaderError
	switch {
	case errors.As(err, &record):
		return "the server does not speak TLS on this port; if it speaks http, use http://"
	case errors.As(err, &authority), errors.As(err, &roots):
		return "use --cacert FILE to trust the authority that signed it, or --insecure to trust any certificate"
	case errors.As(err, &name):
		return "use --server-name NAME for another name, or --insecure to trust any certificate"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "renew the server's certificate, or set this host's clock; --insecure trusts any certificate"
	case errors.As(err, &invalid):
		return "--insecure trusts any certificate"
	}
	var op *net.OpError
	if !errors.As(err, &op) || op.Op != "remote error" && op.Op != "local error" {
		return ""
	}
	// Alerts have no type outside crypto/tls.
	switch text := op.Err.Error(); {
	case strings.Contains(text, "no application protocol"):
		return "the server offers no HTTP/1.1 (ALPN http/1.1), and dyno does not speak HTTP/2"
	case strings.Contains(text, "no renegotiation"):
		return "the server wants to renegotiate, which TLS 1.3 has removed and dyno does not support; if it wants a client certificate, make it ask in the first handshake"
	case strings.Contains(text, "certificate required"):
		return "the server requires a client certificate: use --cert and --key"
	case op.Op == "remote error" && strings.Contains(text, "certificate"), strings.Contains(text, "unknown certificate authority"):
		return "the server rejects the client certificate; see --cert and --key"
	case strings.Contains(text, "protocol version"):
		return "client and server have no version in common; dyno speaks TLS 1.2 and 1.3"
	case strings.Contains(text, "unrecognized name"):
		return "the server does not know the name; use --server-name NAME for another one"
	case op.Op == "remote error" && strings.Contains(text, "handshake failure"):
		return "client and server have no cipher in common, or the server requires a client certificate (--cert and --key)"
	}
	return ""
}

// SpokenTLS tells whether what a server of http has sent is an alert of TLS, or
// its handshake.
func SpokenTLS(b []byte) bool {
	return len(b) >= 3 && (b[0] == 0x15 || b[0] == 0x16) && b[1] == 3 && b[2] <= 4
}

// ErrSpokenTLS says that an http server turned out to be an https one.
var ErrSpokenTLS = errors.New("the server speaks TLS on this port: use https://")
