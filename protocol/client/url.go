package client

import (
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/net/idna"

	"github.com/dynobench/dyno/internal/percent"
)

// Endpoint is where a server is, as a URL says it.
type Endpoint struct {
	Protocol *Protocol
	TLS      bool
	Unix     string // path of the socket, or
	Hostname string // name in ASCII, or address without brackets, with its zone, and
	Port     uint16
	Host     string // for the Host field: no zone, which means something on this host only (RFC 6874)
	Path     string // with query, never empty; what is beyond ASCII is percent-encoded
}

// ParseURL reads the URLs of all protocols: http://host[:port]/path, and https;
// uwsgi://host:port/path, as scgi and fastcgi have no usual port either; and for
// a Unix socket PROTOCOL://unix:/socket[:/path], where http may be left out as in
// unix:/socket.
func ParseURL(raw string) (Endpoint, error) {
	const known = "expected http://host:port/path or unix:/path/to/socket; for other protocols uwsgi://host:port/path or uwsgi://unix:/path/to/socket, likewise scgi and fastcgi"
	if raw == "" {
		return Endpoint{}, fmt.Errorf("no URL: %s", known)
	}
	scheme, rest, ok := strings.Cut(raw, "://")
	if !ok || !strings.HasPrefix(rest, "unix:") {
		scheme, rest = "http", raw
	}
	protocol, secure := Lookup(scheme), scheme == "https"
	if secure {
		protocol = HTTP
	}
	if socket, ok := strings.CutPrefix(rest, "unix:"); ok && protocol != nil {
		socket, path, _ := strings.Cut(strings.TrimPrefix(socket, "//"), ":/")
		switch {
		case socket == "":
			return Endpoint{}, fmt.Errorf("%s: the path of the socket is missing, as in unix:/run/server.sock", raw)
		case len(socket) > maxUnix:
			return Endpoint{}, fmt.Errorf("%s: the path of the socket has %d bytes, and the system allows %d: use a shorter one, a relative one, or a link", raw, len(socket), maxUnix)
		}
		path, _, _ = strings.Cut(path, "#")
		return Endpoint{Protocol: protocol, TLS: secure, Unix: socket, Host: "localhost", Path: "/" + percent.NonASCII(path)}, nil
	}
	u, err := url.Parse(raw)
	if err != nil || u.Scheme == "" || u.Opaque != "" {
		return Endpoint{}, fmt.Errorf("%s is no URL: %s", raw, known)
	}
	e := Endpoint{Protocol: Lookup(u.Scheme), TLS: u.Scheme == "https", Hostname: u.Hostname(), Port: 80, Path: percent.NonASCII(u.RequestURI())}
	if e.TLS {
		e.Protocol, e.Port = HTTP, 443
	}
	switch p := u.Port(); {
	case e.Protocol == nil:
		return Endpoint{}, fmt.Errorf("%s: unknown scheme %q: %s", raw, u.Scheme, known)
	case e.Hostname == "":
		return Endpoint{}, fmt.Errorf("%s: the host is missing: %s", raw, known)
	case u.User != nil:
		return Endpoint{}, fmt.Errorf("%s: dyno does not send a user name: leave it out", u.Redacted())
	case p == "" && e.Protocol.Gateway:
		return Endpoint{}, fmt.Errorf("%s: the port is missing; %s has no default port", raw, u.Scheme)
	case p != "":
		n, err := strconv.ParseUint(p, 10, 16)
		if err != nil || n == 0 {
			return Endpoint{}, fmt.Errorf("%s: port %s: expected 1 to 65535", raw, p)
		}
		e.Port = uint16(n)
	}
	if e.Hostname, err = ascii(e.Hostname); err != nil {
		return Endpoint{}, fmt.Errorf("%s: host %q: %w", raw, u.Hostname(), err)
	}
	e.Host, _, _ = strings.Cut(e.Hostname, "%")
	if strings.Contains(e.Host, ":") {
		e.Host = "[" + e.Host + "]"
	}
	if p := u.Port(); p != "" {
		e.Host += ":" + p
	}
	return e, nil
}

// maxUnix is how long the path of a Unix socket can be, a zero behind it.
const maxUnix = len(syscall.RawSockaddrUnix{}.Path) - 1

// ascii is a host's name as it is looked up and told to servers (IDNA, RFC 5891).
// Addresses stay as they are.
func ascii(host string) (string, error) {
	for i := range len(host) {
		if host[i] >= 0x80 {
			return idna.Lookup.ToASCII(host)
		}
	}
	return host, nil
}

// Scheme is that of URLs with TCP: the protocol's name, or https.
func (e Endpoint) Scheme() string {
	if e.TLS {
		return "https"
	}
	return e.Protocol.Name
}

// Address is what to dial.
func (e Endpoint) Address() (network, address string) {
	if e.Unix != "" {
		return "unix", e.Unix
	}
	return "tcp", net.JoinHostPort(e.Hostname, strconv.Itoa(int(e.Port)))
}
