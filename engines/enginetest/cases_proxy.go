package enginetest

import (
	"net"
	"path/filepath"
	"testing"

	"github.com/dynobench/dyno/protocol/gateway"
	"github.com/dynobench/dyno/protocol/protocoltest"
)

// ends answers with the address of the client.
func ends(gateway.App) gateway.App {
	return func(env *gateway.Environ, start gateway.StartResponse) gateway.Body {
		start(200, plain, nil)
		return gateway.Bytes([]byte(env.RemoteAddr + " " + env.RemotePort))
	}
}

// The app is told both ends of its connection, whoever has accepted it; those
// of a unix socket have no addresses. Yardsticks call the server what the
// client calls it.
func testAddresses(t *testing.T, s Subject) {
	ours := func(text string) string {
		if s.Traits.Yardstick {
			return ""
		}
		return text
	}
	tell := func(gateway.App) gateway.App {
		return func(env *gateway.Environ, start gateway.StartResponse) gateway.Body {
			start(200, plain, nil)
			return gateway.String(net.JoinHostPort(env.RemoteAddr, env.RemotePort) + ours(" "+net.JoinHostPort(env.ServerName, env.ServerPort)))
		}
	}
	srv := s.start(t, options{wrap: tell})
	c := srv.dial()
	if got, want := c.get("/").text(), c.LocalAddr().String()+ours(" "+srv.addr); got != want {
		t.Errorf("the addresses are %s, want %s", got, want)
	}
	c.Close()
	c = s.start(t, options{wrap: tell, listen: "unix:" + filepath.Join(t.TempDir(), "s")}).dial()
	if got, want := c.get("/").text(), ":"+ours(" test:80"); got != want {
		t.Errorf("by a unix socket the addresses are %s, want %s", got, want)
	}
}

// A connection is whose the PROXY header before its first request says it is.
func testProxied(t *testing.T, s Subject) {
	srv := s.start(t, options{wrap: ends, proxied: true})
	ask := request("GET", "/", "")
	for _, header := range []string{
		"PROXY TCP4 10.0.0.1 10.0.0.2 1234 80\r\n",
		"\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0f\x0a\x00\x00\x01\x0a\x00\x00\x02\x04\xd2\x00\x50\x04\x00\x00",
	} {
		for _, cut := range []int{0, 1, len(header) - 1, len(header)} {
			c := srv.dial()
			if cut > 0 {
				c.send(header[:cut])
			}
			c.send(header[cut:] + ask)
			for again := range 2 {
				if got := c.receive("GET").text(); got != "10.0.0.1 1234" {
					t.Errorf("request %d behind %q, cut at %d, must be from 10.0.0.1 1234, not %s", again, header, cut, got)
				}
				if s.Traits.OneShot {
					break
				}
				if again == 0 {
					c.send(ask)
				}
			}
			c.Close()
		}
	}
	before := srv.engine.Stats()
	c := srv.dial()
	c.send(ask)
	if err := c.closedByServer(); err != nil {
		t.Errorf("a connection without a PROXY header must be closed without an answer: %v", err)
	}
	c.Close()
	srv.eventually("a connection without a PROXY header must count as an error and leave", func() bool {
		after := srv.engine.Stats()
		return after.Errors == before.Errors+1 && after.Requests == before.Requests && after.Busy == 0
	})
}

// protocolProxied has the header before another protocol. There a web server
// says who its client is, and knows better than the proxy before it.
func protocolProxied(t *testing.T, s Subject, p Protocol) {
	srv := s.start(t, options{wrap: ends, proxied: true})
	stream := p.Client.Encode(protocoltest.Request{Method: "GET", Target: "/", Host: "test"})
	a := newAsker(srv, p)
	a.conn = srv.dial().Conn
	defer a.close()
	if _, err := a.conn.Write(append([]byte("PROXY TCP4 10.0.0.1 10.0.0.2 1234 80\r\n"), stream...)); err != nil {
		t.Fatal(err)
	}
	if r, err := a.receive("GET"); err != nil || r.Body != "192.0.2.1 " {
		t.Errorf("a request behind a PROXY header must be answered, and be from whom REMOTE_ADDR says: %+v, %v", r, err)
	}
}
