package plan

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/dynobench/dyno/internal/secret"
	"github.com/dynobench/dyno/protocol/client"
	"github.com/dynobench/dyno/scenarios/workload"
)

// A ConfigError says which field of a Config is wrong and what it has to be.
type ConfigError struct {
	Field string // of Config, e.g. "Rate" or "Requests[2].Path"
	Msg   string // what was found, what to do
}

func (e *ConfigError) Error() string { return e.Msg }

// Errorf makes a *ConfigError about a field.
func Errorf(field, format string, a ...any) error {
	return &ConfigError{Field: field, Msg: fmt.Sprintf(format, a...)}
}

// maxConnections and maxThreads keep a slip of the finger from taking the host
// down.
const (
	MaxConnections = 1 << 20
	maxThreads     = 1024
	maxPipeline    = 1024
	maxSpin        = 10 * time.Millisecond
)

const defaultDuration = 10 * time.Second

// WithDefaults returns c with the defaults filled in, or what is wrong with it.
func (c Config) WithDefaults() (Config, error) {
	c.Model = cmp.Or(c.Model, Closed)
	c.Connections = cmp.Or(c.Connections, 64)
	c.Threads = cmp.Or(c.Threads, 1)
	c.Timeout = cmp.Or(c.Timeout, 10*time.Second)
	c.Seed = cmp.Or(c.Seed, 1)
	c.Pipeline = cmp.Or(c.Pipeline, 1)
	if c.Model == Open {
		c.Arrivals = cmp.Or(c.Arrivals, Constant)
	} else {
		if c.Arrivals == Recorded {
			return c, Errorf("Arrivals", "recorded arrivals are by the clock: use the open model")
		}
		c.Arrivals = ""
	}
	to, err := parseURL(c.URL)
	if err != nil {
		return c, err
	}
	c.Generator = cmp.Or(c.Generator, "native")
	if err := c.LayOut(); err != nil {
		return c, err
	}
	c.Duration = cmp.Or(c.Duration, defaultDuration)
	switch {
	case c.Generator != "native" && c.Generator != "vegeta":
		return c, Errorf("Generator", "unknown generator %q (known: native, vegeta)", c.Generator)
	case c.Model != Closed && c.Model != Open:
		return c, Errorf("Model", "unknown model %q (known: closed, open)", c.Model)
	case c.Model == Open && (!(c.Rate > 0) || math.IsInf(c.Rate, 1)):
		return c, Errorf("Rate", "rate %v: the open model needs a rate above 0 requests per second", c.Rate)
	case c.Model == Open && c.Rate > 1e9:
		return c, Errorf("Rate", "rate %v: more than one request per nanosecond", c.Rate)
	case c.Model == Closed && c.Rate != 0:
		return c, Errorf("Rate", "rate %v: the closed model has none, the server's answers set the pace; use the open model for a fixed rate", c.Rate)
	case c.Model == Open && c.Arrivals != Constant && c.Arrivals != Poisson && c.Arrivals != Recorded:
		return c, Errorf("Arrivals", "unknown arrivals %q (known: constant, poisson, recorded)", c.Arrivals)
	case c.Connections < 1 || c.Connections > MaxConnections:
		return c, Errorf("Connections", "%d connections: between 1 and %d are possible", c.Connections, MaxConnections)
	case c.Threads < 1 || c.Threads > maxThreads:
		return c, Errorf("Threads", "%d threads: between 1 and %d are possible", c.Threads, maxThreads)
	case c.Pipeline < 1 || c.Pipeline > maxPipeline:
		return c, Errorf("Pipeline", "%d requests on a connection at a time: between 1 and %d are possible", c.Pipeline, maxPipeline)
	case c.Fresh && c.Pipeline > 1:
		return c, Errorf("Pipeline", "a connection for each request has none to pipeline: give one of the two")
	case c.Transport != "" && c.Transport != "io_uring" && c.Transport != "epoll":
		return c, Errorf("Transport", "unknown transport %q (known: io_uring, epoll)", c.Transport)
	case c.Generator != "native" && c.Transport != "":
		return c, Errorf("Transport", "the %s generator has no transports to choose from: use the native one", c.Generator)
	case c.Generator != "native" && (c.Pipeline > 1 || c.Fresh || len(c.Sources) > 0 || c.Threads > 1 || c.Resume):
		return c, Errorf("Generator", "the %s generator has no pipelining, connections per request, source addresses, threads or sessions to resume: use the native one", c.Generator)
	case (c.TLS != nil || c.Resume) && !to.Tls:
		return c, Errorf("TLS", "%s: whom to trust, certificates and sessions of TLS are for https only", c.URL)
	case c.Spin < 0 || c.Spin > maxSpin:
		return c, Errorf("Spin", "spin %v: between 0 and %v are possible", c.Spin, maxSpin)
	case c.Spin > 0 && (c.Model != Open || c.Generator != "native"):
		return c, Errorf("Spin", "spinning is for the native generator's open model: nothing is due by the clock elsewhere")
	case c.Warmup < 0:
		return c, Errorf("Warmup", "warm-up %v: a duration cannot be negative", c.Warmup)
	case c.Timeout < 0:
		return c, Errorf("Timeout", "timeout %v: a duration cannot be negative", c.Timeout)
	}
	c.Threads = min(c.Threads, c.Connections)

	if len(c.Requests) == 0 {
		c.Requests = []Request{{Path: to.path, Length: -1}}
	}
	c.Requests = append([]Request(nil), c.Requests...) // the caller's stay as they are
	weights := 0
	for i := range c.Requests {
		if err := c.Requests[i].complete(fmt.Sprintf("Requests[%d]", i)); err != nil {
			return c, err
		}
		if weights += c.Requests[i].Weight; weights > math.MaxInt32 {
			return c, Errorf(fmt.Sprintf("Requests[%d].Weight", i), "the weights sum up to more than %d", math.MaxInt32)
		}
	}
	for i := range c.Requests {
		if c.Pipeline > 1 && c.Requests[i].Closes() {
			return c, Errorf("Pipeline", "%s says Connection: close, so that its answer is the connection's last: nothing can be pipelined behind it", c.Requests[i].Class)
		}
	}
	if c.Trace != nil {
		if c.among, err = c.Trace.among(c.Requests); err != nil {
			return c, Errorf("Trace", "%v", err)
		}
	}
	if err := c.checkTemplates(); err != nil {
		return c, err
	}
	if err := c.checkGateway(to.Protocol); err != nil {
		return c, err
	}
	c.Fresh = c.Fresh || !to.Protocol.Reuses
	return c, c.completeGroups()
}

// completeGroups fills the defaults of c.Groups in and checks them.
func (c *Config) completeGroups() error {
	switch {
	case len(c.Groups) == 0:
		return nil
	case c.Generator != "native":
		return Errorf("Groups", "the %s generator has no connection groups: use the native one, or leave them out", c.Generator)
	}
	groups, err := workload.CompleteGroups(c.Groups, c.Requests[0].Path)
	var fault *workload.GroupError
	switch {
	case err == nil:
		c.Groups = groups
		return nil
	case !errors.As(err, &fault) || fault.Index < 0:
		return Errorf("Groups", "%v", err)
	}
	return Errorf(fmt.Sprintf("Groups[%d].%s", fault.Index, strings.ToUpper(fault.Key[:1])+fault.Key[1:]), "%v", err)
}

// complete fills the defaults of one request in and checks it.
func (r *Request) complete(field string) error {
	r.Method = cmp.Or(r.Method, "GET")
	r.Class = cmp.Or(r.Class, secret.Text(r.Path)) // it stands in every report
	r.Weight = cmp.Or(r.Weight, 1)
	switch {
	case strings.ContainsFunc(r.Method, func(c rune) bool { return c <= ' ' || c >= 0x7f }):
		return Errorf(field+".Method", "method %q: expected a word such as GET", r.Method)
	case r.Verbatim && !strings.HasPrefix(r.Path, "/"): // the others are parsed
		return Errorf(field+".Path", "path %q: expected one that starts with /", r.Path)
	case strings.ContainsFunc(r.Path, func(c rune) bool { return c <= ' ' || c == 0x7f }):
		return Errorf(field+".Path", "path %q: spaces and control characters have to be escaped with %%", r.Path)
	case r.Weight < 0:
		return Errorf(field+".Weight", "weight %d of %s: at least 1 is needed", r.Weight, r.Class)
	case r.Status != 0 && (r.Status < 200 || r.Status > 599):
		return Errorf(field+".Status", "status %d of %s: expected 200 to 599, or 0 for any 2xx", r.Status, r.Class)
	case r.Length < -1:
		return Errorf(field+".Length", "length %d of %s: expected the bytes of the body, or -1 for any", r.Length, r.Class)
	case r.Method == "HEAD" && len(r.Want) > 0:
		return Errorf(field+".Want", "an answer to HEAD has no body to compare (%s)", r.Class)
	case r.SHA256 != "" && !isSHA256(r.SHA256):
		return Errorf(field+".SHA256", "digest %q of %s: expected 64 lower-case hexadecimal digits", r.SHA256, r.Class)
	}
	for _, h := range r.Header {
		if h[0] == "" || strings.ContainsAny(h[0], " \t\r\n:") || strings.ContainsAny(h[1], "\r\n\x00") {
			return Errorf(field+".Header", "header field %q: %q of %s is not one line of name and value", h[0], h[1], r.Class)
		}
	}
	if r.Want != nil {
		if r.Length > 0 && r.Length != int64(len(r.Want)) {
			return Errorf(field+".Length", "length %d of %s, but the body to compare has %d bytes", r.Length, r.Class, len(r.Want))
		}
		r.Length = int64(len(r.Want))
	}
	return nil
}

// Closes tells whether the request ends its connection (RFC 9112 section 9.6).
func (r *Request) Closes() bool {
	for _, h := range r.Header {
		if !IsField(h[0], "Connection") {
			continue
		}
		for option := range strings.SplitSeq(h[1], ",") {
			if strings.EqualFold(strings.TrimSpace(option), "close") {
				return true
			}
		}
	}
	return false
}

func isSHA256(s string) bool {
	return len(s) == 64 && !strings.ContainsFunc(s, func(c rune) bool { return !strings.ContainsRune("0123456789abcdef", c) })
}

// Endpoint is where the server is.
type Endpoint struct {
	Protocol *client.Protocol
	Tls      bool
	Unix     string // path of the socket, or
	hostname string // name or address without brackets, and
	port     uint16
	Addr     netip.AddrPort // resolved
	Host     string         // for the Host field
	path     string         // of the URL, with query
}

// base is what a URL begins with, up to its path.
func (to Endpoint) base() string { return to.Scheme() + "://" + to.Host }

// Scheme is that of the address: http, https, or a gateway protocol.
func (to Endpoint) Scheme() string {
	if to.Tls {
		return "https"
	}
	return to.Protocol.Name
}

// PathOf returns the path of a Config.URL, with its query: what is requested
// where Config.Requests is empty.
func PathOf(rawURL string) (string, error) {
	to, err := parseURL(rawURL)
	return to.path, err
}

func parseURL(raw string) (Endpoint, error) {
	raw, typed := cutTemplate(raw)
	at, err := client.ParseURL(raw)
	if err != nil {
		return Endpoint{}, Errorf("URL", "%s", err)
	}
	return Endpoint{
		Protocol: at.Protocol, Tls: at.TLS, Unix: at.Unix, hostname: at.Hostname, port: at.Port,
		Host: at.Host, path: cmp.Or(typed, at.Path),
	}, nil
}

// Lookup is a variable for tests.
var Lookup = net.DefaultResolver.LookupNetIP

// Resolve looks the host up, once: a run talks to one address, whatever the
// name server does meanwhile. Among several addresses of a name, such as those
// of localhost, the first that accepts a connection is taken.
func (c *Config) Resolve(ctx context.Context) (Endpoint, error) {
	to, err := parseURL(c.URL)
	if err != nil || to.Unix != "" {
		return to, err
	}
	if ip, err := netip.ParseAddr(to.hostname); err == nil {
		to.Addr = netip.AddrPortFrom(ip, to.port)
		return to, nil
	}
	ips, err := Lookup(ctx, "ip", to.hostname)
	if err != nil {
		return to, fmt.Errorf("%s: %w", c.URL, err)
	}
	for i, ip := range ips {
		to.Addr = netip.AddrPortFrom(ip.Unmap(), to.port)
		if i == len(ips)-1 {
			break // the generator itself tells what is wrong with the last one
		}
		d := net.Dialer{Timeout: ConnectTimeout(c)}
		if conn, err := d.DialContext(ctx, "tcp", to.Addr.String()); err == nil {
			conn.Close()
			break
		}
	}
	return to, nil
}

// ConnectTimeout is how long the first connections may take.
func ConnectTimeout(c *Config) time.Duration { return min(c.Timeout, 5*time.Second) }
