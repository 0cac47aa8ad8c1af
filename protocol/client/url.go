package client

import (
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
)

// Endpoint is where a server is, as a URL says it.
type Endpoint struct {
	Protocol *Protocol
	TLS      bool
	Unix     string // path of the socket, or
	Hostname string // name or address without brackets, and
	Port     uint16
	Host     string // for the Host field
	Path     string // with query, never empty
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
	if socket, ok := strings.CutPrefix(rest, "unix:"); ok && Lookup(scheme) != nil {
		socket, path, _ := strings.Cut(strings.TrimPrefix(socket, "//"), ":/")
		if socket == "" {
			return Endpoint{}, fmt.Errorf("%s: the path of the socket is missing, as in unix:/run/server.sock", raw)
		}
		return Endpoint{Protocol: Lookup(scheme), Unix: socket, Host: "localhost", Path: "/" + path}, nil
	}
	u, err := url.Parse(raw)
	if err != nil || u.Scheme == "" || u.Opaque != "" {
		return Endpoint{}, fmt.Errorf("%s is no URL: %s", raw, known)
	}
	e := Endpoint{Protocol: Lookup(u.Scheme), TLS: u.Scheme == "https", Hostname: u.Hostname(), Port: 80, Host: u.Host, Path: u.RequestURI()}
	if e.TLS {
		e.Protocol, e.Port = HTTP, 443
	}
	switch p := u.Port(); {
	case e.Protocol == nil:
		return Endpoint{}, fmt.Errorf("%s: unknown scheme %q: %s", raw, u.Scheme, known)
	case e.Hostname == "":
		return Endpoint{}, fmt.Errorf("%s: the host is missing: %s", raw, known)
	case u.User != nil:
		return Endpoint{}, fmt.Errorf("%s: the user would not be told to the server: leave it out", u.Redacted())
	case p == "" && e.Protocol.Gateway:
		return Endpoint{}, fmt.Errorf("%s: the port is missing, %s has no usual one", raw, u.Scheme)
	case p != "":
		n, err := strconv.ParseUint(p, 10, 16)
		if err != nil || n == 0 {
			return Endpoint{}, fmt.Errorf("%s: port %s: expected 1 to 65535", raw, p)
		}
		e.Port = uint16(n)
	}
	return e, nil
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
