package load

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dynobench/dyno/bench/load/loadtest"
	"github.com/dynobench/dyno/bench/load/plan"
	"github.com/dynobench/dyno/protocol/http1"
	"github.com/dynobench/dyno/results"
	"github.com/dynobench/dyno/scenarios/workload"
)

// Certified and Trusting are those of the tests against real servers.
var Certified, Trusting = loadtest.Certified, loadtest.Trusting

// respondTLS is respond behind TLS; wrap, where not nil, is put between TLS and
// the network.
func respondTLS(t testing.TB, config *tls.Config, wrap func(net.Conn) net.Conn, knobs func(*loadtest.Responder)) *loadtest.Responder {
	return respondTLSOn(t, "tcp", config, wrap, knobs)
}

func respondTLSOn(t testing.TB, network string, config *tls.Config, wrap func(net.Conn) net.Conn, knobs func(*loadtest.Responder)) *loadtest.Responder {
	return loadtest.Respond(t, network, func(r *loadtest.Responder) {
		r.Listener = &tlsListener{r.Listener, config, wrap}
		if r.URL = "https" + strings.TrimPrefix(r.URL, "http"); network == "unix" {
			r.URL = "https://" + strings.TrimPrefix(r.URL, "https")
		}
		if knobs != nil {
			knobs(r)
		}
	})
}

type tlsListener struct {
	net.Listener
	config *tls.Config
	wrap   func(net.Conn) net.Conn
}

func (l *tlsListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	if l.wrap != nil {
		c = l.wrap(c)
	}
	return tls.Server(c, l.config), nil
}

// shortTLS is short for https.
func shortTLS(r *loadtest.Responder) plan.Config {
	c := loadtest.Short(r)
	c.TLS = loadtest.Trusting()
	return c
}

// Whatever http can, https can, and the server has counted as many requests as
// were answered.
func TestHTTPSCounts(t *testing.T) {
	eachTransport(t, func(t *testing.T) {
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			for name, change := range map[string]func(*plan.Config){
				"kept":      func(*plan.Config) {},
				"fresh":     func(c *plan.Config) { c.Fresh = true },
				"resumed":   func(c *plan.Config) { c.Fresh, c.Resume = true, true },
				"pipelined": func(c *plan.Config) { c.Pipeline = 4 },
				"threads":   func(c *plan.Config) { c.Threads = 2 },
				"open":      func(c *plan.Config) { c.Model, c.Rate = plan.Open, 400 },
				"templated": func(c *plan.Config) { c.Requests[0].Path = "/hello?${seq}" },
				"classes": func(c *plan.Config) {
					c.Requests = append(c.Requests, plan.Request{Path: "/other", Method: "POST", Body: []byte("x"), Length: 13})
				},
				"long": func(c *plan.Config) {
					c.Requests[0].Method, c.Requests[0].Body = "POST", bytes.Repeat([]byte("x"), 3*(256<<10)+1)
				},
				"long and templated": func(c *plan.Config) {
					c.Requests[0].Method, c.Requests[0].Body = "POST", append([]byte("${seq}"), bytes.Repeat([]byte("x"), 2*(256<<10))...)
				},
			} {
				t.Run(tls.VersionName(version)+" "+name, func(t *testing.T) {
					config := loadtest.Certified()
					config.MinVersion, config.MaxVersion = version, version
					r := respondTLS(t, config, nil, nil)
					c := shortTLS(r)
					change(&c)
					before := int64(0)
					l := until(func() *results.Load { before = r.Requests.Load(); return mustRun(t, c) }, something)
					asked := r.Requests.Load() - before
					if l.Requests == 0 || l.Errors.Total() != l.Errors.Unsent || l.Requests != asked {
						t.Errorf("%d answers, %+v; the server counted %d", l.Requests, l.Errors, asked)
					}
					if l.TLS == nil || l.TLS.Version != tls.VersionName(version) || l.TLS.CipherSuite == "" || !l.TLS.Verified || l.TLS.ServerName != "localhost" {
						t.Fatalf("%+v", l.TLS)
					}
					if c.Fresh && (l.TLS.Handshakes == 0 || l.TLS.HandshakeUS.Max == 0) {
						t.Errorf("%d handshakes for %d requests: %+v", l.TLS.Handshakes, l.Requests, l.TLS)
					}
					if c.Resume != (l.TLS.Resumed > 0) {
						t.Errorf("%d sessions were resumed", l.TLS.Resumed)
					}
					if !c.Fresh && l.Reconnects > 0 && c.Pipeline < 2 {
						t.Errorf("%d connections made again", l.Reconnects)
					}
				})
			}
		}
	})
}

// TLS goes over whatever a connection is made of, by the name of localhost where
// there is none.
func TestHTTPSNetworks(t *testing.T) {
	for _, network := range []string{"tcp4", "tcp6", "unix"} {
		eachGenerator(t, func(t *testing.T, generator string) {
			config := &tls.Config{Certificates: []tls.Certificate{loadtest.NewAuthority().Issue(func(c *x509.Certificate) {
				c.IPAddresses = append(c.IPAddresses, net.IPv6loopback)
			})}}
			r := respondTLSOn(t, network, config, nil, nil)
			c := loadtest.Short(r)
			c.TLS, c.Generator = &tls.Config{RootCAs: loadtest.NewAuthority().Pool}, generator
			if l := mustSee(t, c, something); l.Requests == 0 || l.Errors.Total() != 0 {
				t.Errorf("%s: %d answers, %+v", r.URL, l.Requests, l.Errors)
			}
		})
	}
}

// What arrives is what was asked, byte for byte, whatever it looks like.
func TestHTTPSBytes(t *testing.T) {
	eachTransport(t, func(t *testing.T) {
		var seen loadtest.Heads
		r := respondTLS(t, loadtest.Certified(), nil, func(r *loadtest.Responder) {
			r.Answer = func(w io.Writer, n int64, head []byte) bool {
				seen.Count(head)
				return loadtest.Reply(loadtest.Hello)(w, n, head)
			}
		})
		c := shortTLS(r)
		header := [][2]string{{"x-lower", "1"}, {"X-LOWER", "2"}, {"ETag-is-Mine", "a"}, {"Host", "elsewhere:81"}, {"X-Empty", ""}, {"Content-length", "0"}}
		c.Requests[0] = plan.Request{Method: "GET", Path: "/a//b/%7e?x=%zz", Header: header, Length: -1}
		mustSee(t, c, something)
		want := string(http1.AppendRequest(nil, "GET", "/a//b/%7e?x=%zz", "", header, nil))
		for head := range seen.All() {
			if head != want {
				t.Errorf("the server got %q, want %q", head, want)
			}
		}
		if len(seen.All()) == 0 {
			t.Error("the server got nothing")
		}
	})
}

// What vegeta's transport would send otherwise than it is asked for is refused,
// and what it sends is what was asked for, but for the order of the fields.
func TestVegetaBytes(t *testing.T) {
	for name, q := range map[string]plan.Request{
		"a coding":      {Header: [][2]string{{"transfer-encoding", "chunked"}}, Body: []byte("0\r\n\r\n")},
		"a length":      {Header: [][2]string{{"Content-Length", "0"}}},
		"a trailer":     {Header: [][2]string{{"Trailer", "X"}}},
		"two hosts":     {Header: [][2]string{{"Host", "a"}, {"Host", "b"}}},
		"a loud host":   {Header: [][2]string{{"HOST", "a"}}},
		"a name":        {Header: [][2]string{{"X(1)", "a"}}},
		"a value":       {Header: [][2]string{{"X", "a\x01"}}},
		"a blank":       {Header: [][2]string{{"X", "a "}}},
		"a method":      {Method: "G\"T"},
		"a tunnel":      {Method: "CONNECT"},
		"a double path": {Path: "//a"},
	} {
		t.Run(name, func(t *testing.T) {
			q.Path = cmp.Or(q.Path, "/")
			_, err := Run(t.Context(), plan.Config{URL: "http://127.0.0.1:1", Generator: "vegeta", Requests: []plan.Request{q}})
			var wrong *plan.ConfigError
			if !errors.As(err, &wrong) || !strings.Contains(err.Error(), "the native one can") {
				t.Errorf("%v", err)
			}
		})
	}
	var seen loadtest.Heads
	r := respondTLS(t, loadtest.Certified(), nil, func(r *loadtest.Responder) {
		r.Answer = func(w io.Writer, n int64, head []byte) bool {
			seen.Count(head)
			return loadtest.Reply(loadtest.Hello)(w, n, head)
		}
	})
	c := shortTLS(r)
	c.Generator = "vegeta"
	header := [][2]string{{"Host", "elsewhere:81"}, {"ETag-is-Mine", "a"}, {"X-LOWER", "2"}, {"X-lower", "3"}, {"X-lower", ""}, {"x-lower", "1"}}
	c.Requests[0] = plan.Request{Method: "get", Path: "/a//b/%7e?x=%zz&y", Header: header, Length: -1}
	mustSee(t, c, something)
	want := string(http1.AppendRequest(nil, "get", "/a//b/%7e?x=%zz&y", "", header, nil))
	for head := range seen.All() {
		if head != want {
			t.Errorf("the server got %q, want %q", head, want)
		}
	}
	if len(seen.All()) == 0 {
		t.Error("the server got nothing")
	}
}

// cutting writes what it is given a few bytes at a time.
type cutting struct {
	net.Conn
	n int
}

func (p cutting) Write(b []byte) (n int, err error) {
	for n < len(b) && err == nil {
		var k int
		k, err = p.Conn.Write(b[n:min(n+p.n, len(b))])
		n += k
	}
	return n, err
}

// held writes what it is given when it is to read.
type held struct {
	net.Conn
	out *bytes.Buffer
}

func (h held) Write(b []byte) (int, error) { return h.out.Write(b) }

func (h held) Read(b []byte) (int, error) {
	if _, err := h.out.WriteTo(h.Conn); err != nil {
		return 0, err
	}
	return h.Conn.Read(b)
}

// A server has nothing to complain of: connections end in form, in their order,
// those too that nobody has asked anything on.
func TestHTTPSLeavesInForm(t *testing.T) {
	eachTransport(t, func(t *testing.T) {
		for name, change := range map[string]func(*plan.Config){
			"kept":    func(*plan.Config) {},
			"fresh":   func(c *plan.Config) { c.Fresh = true },
			"resumed": func(c *plan.Config) { c.Fresh, c.Resume = true, true },
			"rarely":  func(c *plan.Config) { c.Model, c.Rate, c.Connections = plan.Open, 20, 16 },
			"groups": func(c *plan.Config) {
				c.Groups = []workload.Group{{Kind: workload.Idle}, {Kind: workload.Idle, Every: 20 * time.Millisecond, Path: "/x"}}
			},
		} {
			var said bytes.Buffer
			s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "Hello, World!") }))
			s.Config.ErrorLog = log.New(&said, "", 0)
			s.TLS = loadtest.Certified()
			s.StartTLS()
			c := plan.Config{URL: s.URL, TLS: loadtest.Trusting(), Connections: 4, Duration: 150 * time.Millisecond, Timeout: 20 * time.Second}
			change(&c)
			l := mustSee(t, c, something)
			s.Close() // after which it says no more
			if l.Errors.Total() > 0 || said.Len() > 0 {
				t.Errorf("%s: %+v; the server says %s", name, l.Errors, &said)
			}
		}
	})
}

// Records come in whatever pieces the network makes of them: byte by byte, many
// at a time, with a byte of the answer each, an answer in many.
func TestHTTPSRecords(t *testing.T) {
	byByte := func(w io.Writer, n int64, head []byte) bool {
		_, err := cutting{Conn: w.(net.Conn), n: 1}.Write([]byte(loadtest.Hello))
		return err == nil
	}
	large := bytes.Repeat([]byte("0123456789abcdef"), 20_000)
	for name, k := range map[string]struct {
		wrap   func(net.Conn) net.Conn
		answer func(io.Writer, int64, []byte) bool
		want   []byte
	}{
		"a byte at a time":          {func(c net.Conn) net.Conn { return cutting{c, 1} }, loadtest.Reply(loadtest.Hello), nil},
		"seven bytes at a time":     {func(c net.Conn) net.Conn { return cutting{c, 7} }, byByte, nil},
		"a record for each byte":    {nil, byByte, nil},
		"all such records together": {func(c net.Conn) net.Conn { return held{c, new(bytes.Buffer)} }, byByte, nil},
		"many full records":         {nil, loadtest.Reply("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(large), large), large},
		"of odd pieces":             {func(c net.Conn) net.Conn { return cutting{c, 1021} }, loadtest.Reply("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(large), large), large},
	} {
		t.Run(name, func(t *testing.T) {
			eachTransport(t, func(t *testing.T) {
				r := respondTLS(t, loadtest.Certified(), k.wrap, func(r *loadtest.Responder) { r.Answer = k.answer })
				c := shortTLS(r)
				if k.want != nil {
					c.Requests[0].Want = k.want
				}
				l := mustSee(t, c, something)
				if l.Requests == 0 || l.Errors.Total() != 0 || l.Reconnects != 0 {
					t.Errorf("%d answers, %+v, %d connections made again", l.Requests, l.Errors, l.Reconnects)
				}
			})
		})
	}
}

// An answer that ends with the connection is whole if TLS says that it ends.
func TestHTTPSEnds(t *testing.T) {
	endless := loadtest.Closing(loadtest.Reply("HTTP/1.1 200 OK\r\n\r\nHello, World!"))
	for name, k := range map[string]struct {
		wrap  func(net.Conn) net.Conn
		right bool
	}{
		"in form": {nil, true},
		"cut":     {func(c net.Conn) net.Conn { return &abrupt{Conn: c} }, false},
	} {
		t.Run(name, func(t *testing.T) {
			eachTransport(t, func(t *testing.T) {
				r := respondTLS(t, loadtest.Certified(), k.wrap, func(r *loadtest.Responder) { r.Answer = endless })
				l := mustSee(t, shortTLS(r), something)
				switch {
				case k.right && (l.Requests == 0 || l.Errors.Total() != 0):
					t.Errorf("%d answers, %+v", l.Requests, l.Errors)
				case !k.right && (l.Requests != 0 || l.Errors.Read == 0 || !strings.Contains(l.Warnings[0].Message, "close_notify")):
					t.Errorf("%d answers, %+v, %+v", l.Requests, l.Errors, l.Warnings)
				}
			})
		})
	}
}

// abrupt is a connection whose other end does not hear that it ends in form:
// alerts of TLS 1.3 look as anything else but for their length.
type abrupt struct {
	net.Conn
}

const sealedAlert = 5 + 2 + 1 + 16

func (a *abrupt) Write(b []byte) (int, error) {
	if len(b) == sealedAlert {
		return len(b), nil
	}
	return a.Conn.Write(b)
}

// What keeps TLS from being agreed on is found before any load, and said with
// what to do about it.
func TestHTTPSRefusals(t *testing.T) {
	a := loadtest.NewAuthority()
	authority, other := x509.NewCertPool(), loadtest.Trusting()
	authority.AddCert(a.Cert)
	other.RootCAs = x509.NewCertPool()
	wants := func(c *tls.Config) *tls.Config {
		c.ClientAuth, c.ClientCAs = tls.RequireAndVerifyClientCert, authority
		return c
	}
	with := func(c *tls.Config, change func(*tls.Config)) *tls.Config { change(c); return c }
	certificate := func(change func(*x509.Certificate)) *tls.Config {
		return &tls.Config{Certificates: []tls.Certificate{a.Issue(change)}}
	}
	old := func(c *tls.Config) { c.MaxVersion = tls.VersionTLS12 }
	for name, k := range map[string]struct {
		server, client *tls.Config
		says           []string // nothing: it works
	}{
		"trusted":      {loadtest.Certified(), loadtest.Trusting(), nil},
		"by address":   {loadtest.Certified(), &tls.Config{RootCAs: authority}, nil},
		"untrusted":    {loadtest.Certified(), other, []string{"unknown authority", "--cacert", "--insecure"}},
		"by default":   {loadtest.Certified(), nil, []string{"--cacert", "--insecure"}},
		"any":          {loadtest.Certified(), &tls.Config{InsecureSkipVerify: true}, nil},
		"expired":      {certificate(func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }), loadtest.Trusting(), []string{"expired", "--insecure"}},
		"another name": {loadtest.Certified(), with(loadtest.Trusting(), func(c *tls.Config) { c.ServerName = "example.org" }), []string{"localhost", "example.org", "--server-name"}},
		"SNI": {with(loadtest.Certified(), func(c *tls.Config) {
			only := c.Certificates[0]
			c.Certificates = nil
			c.GetCertificate = func(i *tls.ClientHelloInfo) (*tls.Certificate, error) {
				if i.ServerName != "localhost" {
					return nil, fmt.Errorf("not for %q", i.ServerName)
				}
				return &only, nil
			}
		}), loadtest.Trusting(), nil},
		"no SNI for an address": {with(loadtest.Certified(), func(c *tls.Config) {
			only := c.Certificates[0]
			c.GetConfigForClient = func(i *tls.ClientHelloInfo) (*tls.Config, error) {
				if i.ServerName != "" {
					return nil, fmt.Errorf("SNI %q", i.ServerName)
				}
				return &tls.Config{Certificates: []tls.Certificate{only}}, nil
			}
		}), &tls.Config{RootCAs: authority}, nil},
		"a client's certificate":          {wants(loadtest.Certified()), with(loadtest.Trusting(), func(c *tls.Config) { c.Certificates = []tls.Certificate{a.Issue(nil)} }), nil},
		"a client's certificate, 1.2":     {with(wants(loadtest.Certified()), old), with(loadtest.Trusting(), func(c *tls.Config) { c.Certificates = []tls.Certificate{a.Issue(nil)} }), nil},
		"none of the client's":            {wants(loadtest.Certified()), loadtest.Trusting(), []string{"certificate required", "--cert"}},
		"none of the client's, 1.2":       {with(wants(loadtest.Certified()), old), loadtest.Trusting(), []string{"--cert"}},
		"another HTTP alone":              {with(loadtest.Certified(), func(c *tls.Config) { c.NextProtos = []string{"h3"} }), loadtest.Trusting(), []string{"ALPN http/1.1"}},
		"HTTP/2 first":                    {with(loadtest.Certified(), func(c *tls.Config) { c.NextProtos = []string{"h2", "http/1.1"} }), loadtest.Trusting(), nil},
		"a version that is long past":     {with(loadtest.Certified(), func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS11 }), loadtest.Trusting(), []string{"TLS 1.2 and 1.3"}},
		"no cipher in common, TLS 1.2":    {with(with(loadtest.Certified(), old), func(c *tls.Config) { c.CipherSuites = []uint16{tls.TLS_RSA_WITH_AES_128_GCM_SHA256} }), loadtest.Trusting(), []string{"no cipher in common"}},
		"no certificate for a client yet": {with(loadtest.Certified(), func(c *tls.Config) { c.ClientAuth = tls.RequestClientCert }), loadtest.Trusting(), nil},
	} {
		t.Run(name, func(t *testing.T) {
			eachGenerator(t, func(t *testing.T, generator string) {
				r := respondTLS(t, k.server, nil, nil)
				c := loadtest.Short(r)
				c.TLS, c.Generator = k.client, generator
				l, err := Run(t.Context(), c)
				if k.says == nil {
					if err != nil || l.Requests == 0 || l.Errors.Total() != 0 {
						t.Fatalf("%v, %+v", err, l)
					}
					return
				}
				if err == nil {
					t.Fatalf("it went on: %d answers, %+v", l.Requests, l.Warnings)
				}
				for _, word := range k.says {
					if !strings.Contains(err.Error(), word) {
						t.Errorf("%v; want %q in it", err, word)
					}
				}
				if r.Requests.Load() > 0 {
					t.Error("the server was asked")
				}
			})
		})
	}
}

// One that speaks something else says so.
func TestHTTPSElsewhere(t *testing.T) {
	for name, k := range map[string]struct {
		greet func(io.Writer) bool
		says  string
	}{
		"http":    {func(w io.Writer) bool { io.WriteString(w, "HTTP/1.1 400 Bad Request\r\n\r\n"); return false }, "http://"},
		"garbage": {func(w io.Writer) bool { io.WriteString(w, "SSH-2.0-OpenSSH_9.2p1\r\n"); return false }, "does not speak TLS"},
		"nothing": {func(io.Writer) bool { return false }, "closed the connection in the TLS handshake"},
		"silence": {func(w io.Writer) bool { io.Copy(io.Discard, w.(net.Conn)); return false }, "in time"},
	} {
		t.Run(name, func(t *testing.T) {
			eachGenerator(t, func(t *testing.T, generator string) {
				r := loadtest.Respond(t, "tcp", func(r *loadtest.Responder) { r.Greet = k.greet })
				c := loadtest.Short(r)
				c.URL, c.Generator, c.Timeout = "https"+strings.TrimPrefix(r.URL, "http"), generator, 100*time.Millisecond
				if _, err := Run(t.Context(), c); err == nil || !strings.Contains(err.Error(), k.says) {
					t.Errorf("%v; want %q in it", err, k.says)
				}
			})
		})
	}
}

// http to a port of TLS is told as what it is.
func TestHTTPToTLS(t *testing.T) {
	eachTransport(t, func(t *testing.T) {
		alert := []byte{0x15, 3, 1, 0, 2, 2, 22}
		r := loadtest.Respond(t, "tcp", func(r *loadtest.Responder) {
			r.Answer = func(w io.Writer, _ int64, _ []byte) bool { w.Write(alert); return false }
		})
		l := mustSee(t, loadtest.Short(r), something)
		if l.Valid || l.Errors.Read == 0 || !strings.Contains(l.Warnings[0].Message, "use https://") {
			t.Errorf("%+v, %+v", l.Errors, l.Warnings)
		}
	})
	eachGenerator(t, func(t *testing.T, generator string) { // net/http answers in clear text
		s := httptest.NewUnstartedServer(http.NotFoundHandler())
		s.Config.ErrorLog = log.New(io.Discard, "", 0)
		s.StartTLS()
		defer s.Close()
		c := plan.Config{URL: "http" + strings.TrimPrefix(s.URL, "https"), Generator: generator, Connections: 2, Duration: 100 * time.Millisecond}
		l := mustSee(t, c, something)
		if l.Valid || l.Errors.Status == 0 || !strings.Contains(l.Warnings[0].Hint, "use https://") {
			t.Errorf("%+v, %+v", l.Errors, l.Warnings)
		}
	})
}

// A server that stops in the middle of its handshakes is waited for as long as
// one that does not answer, and an interruption ends that at once.
func TestHTTPSStalled(t *testing.T) {
	eachTransport(t, func(t *testing.T) {
		var n int
		var mu sync.Mutex
		stalls := func(c net.Conn) net.Conn {
			mu.Lock()
			defer mu.Unlock()
			if n++; n > 1 { // the probe is answered
				return silent{c}
			}
			return c
		}
		r := respondTLS(t, loadtest.Certified(), stalls, nil)
		c := shortTLS(r)
		c.Fresh, c.Timeout, c.Connections = true, 50*time.Millisecond, 2
		l := mustSee(t, c, something)
		if l.Requests != 0 || l.Errors.Timeout == 0 || l.Valid {
			t.Errorf("%d answers, %+v", l.Requests, l.Errors)
		}

		c.Timeout, c.Duration = time.Hour, time.Hour
		ctx, interrupt := context.WithCancel(t.Context())
		mu.Lock()
		n = 0
		mu.Unlock()
		c.Progress = func(plan.Progress) { interrupt() }
		began := time.Now()
		l, err := Run(ctx, c)
		if err != nil || !l.Interrupted || time.Since(began) > time.Minute {
			t.Errorf("%v, %+v", err, l)
		}

		mu.Lock()
		n = 1
		mu.Unlock()
		ctx, interrupt = context.WithCancel(t.Context()) // now at the probe
		time.AfterFunc(10*time.Millisecond, interrupt)
		if l, err := Run(ctx, c); err != nil || !l.Interrupted || l.Requests > 0 {
			t.Errorf("at the probe: %v, %+v", err, l)
		}
	})
}

// silent is a connection of which nothing is heard.
type silent struct{ net.Conn }

func (s silent) Write(b []byte) (int, error) { return len(b), nil }

// Groups do over https what they do over http.
func TestHTTPSGroups(t *testing.T) {
	large := bytes.Repeat([]byte("x"), 20_000)
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		for name, g := range map[string]workload.Group{
			"idle":              {Kind: workload.Idle, Connections: 20},
			"idle that asks":    {Kind: workload.Idle, Connections: 5, Every: 10 * time.Millisecond, Path: "/group"},
			"slow head":         {Kind: workload.SlowSend, Connections: 3, Rate: 2000, Every: time.Millisecond, Path: "/group", Size: 80},
			"slow body":         {Kind: workload.SlowSend, Connections: 3, Rate: 2000, Every: time.Millisecond, Path: "/group", Part: "body", Size: 60},
			"slow reader":       {Kind: workload.SlowRead, Connections: 3, Rate: 400_000, Every: time.Millisecond, Path: "/large"},
			"storm":             {Kind: workload.Storm, Connections: 2, Every: 10 * time.Millisecond},
			"storm that asks":   {Kind: workload.Storm, Connections: 2, Every: 10 * time.Millisecond, Request: true, Path: "/group"},
			"storm that aborts": {Kind: workload.Storm, Connections: 2, Every: 10 * time.Millisecond, Abort: true},
		} {
			t.Run(tls.VersionName(version)+" "+name, func(t *testing.T) {
				config := loadtest.Certified()
				config.MinVersion, config.MaxVersion = version, version
				var seen loadtest.Heads
				r := respondTLS(t, config, nil, func(r *loadtest.Responder) {
					r.Answer = func(w io.Writer, n int64, head []byte) bool {
						if seen.Count(head); loadtest.Path(head) == "/large" {
							return loadtest.Reply("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(large), large)(w, n, head)
						}
						return loadtest.Reply(loadtest.Hello)(w, n, head)
					}
				})
				c := shortTLS(r)
				c.Duration, c.Groups = 400*time.Millisecond, []workload.Group{g}
				l := until(func() *results.Load { return mustRun(t, c) }, func(l *results.Load) bool {
					return l.Requests > 0 && l.Groups[0].Opened > 0 && (g.Path == "" || l.Groups[0].Requests > 0)
				})
				got := l.Groups[0]
				if l.Requests == 0 || l.Errors.Total() != 0 || got.Refused+got.Errors+got.Closed != 0 || got.Opened == 0 {
					t.Errorf("%d answers, %+v; %+v", l.Requests, l.Errors, got)
				}
				if g.Kind != workload.Storm && (got.Opened != int64(g.Connections) || got.Standing != int64(g.Connections)) {
					t.Errorf("%d opened, %d standing", got.Opened, got.Standing)
				}
				if g.Path == "" {
					if got.Requests != 0 {
						t.Errorf("%d requests", got.Requests)
					}
					return
				}
				if came := seen.Of(g.Path); got.Requests == 0 || came < got.Requests {
					t.Errorf("%d requests of the group came, %d counted", came, got.Requests)
				}
				least := 0.0
				switch g.Kind { // a few bytes each ms, however it is sealed
				case workload.SlowSend:
					least = float64(g.Size/2-3) * 1e3
				case workload.SlowRead:
					least = float64(len(large)/400-3) * 1e3
				}
				if got.LatencyUS.Min < least {
					t.Errorf("a request took %.0f µs, though it cannot in less than %.0f", got.LatencyUS.Min, least)
				}
			})
		}
	}
}

// A server that ends idle connections, or that TLS cannot be agreed on with, is
// told of in the groups' records.
func TestHTTPSGroupsRefused(t *testing.T) {
	var n atomic.Int64
	stalls := func(c net.Conn) net.Conn {
		if n.Add(1) > 1 { // the probe's
			c.Close()
		}
		return c
	}
	r := respondTLS(t, loadtest.Certified(), stalls, nil)
	c := shortTLS(r)
	c.Groups = []workload.Group{{Kind: workload.Storm, Connections: 2, Every: 10 * time.Millisecond}}
	if _, err := Run(t.Context(), c); err == nil || !strings.Contains(err.Error(), "closed the connection in the TLS handshake") {
		t.Errorf("%v", err)
	}
	n.Store(-9) // the probe, the four busy ones and some of the storm's
	l := mustRun(t, c)
	if g := l.Groups[0]; g.Refused == 0 {
		t.Errorf("%+v", g)
	}
}
