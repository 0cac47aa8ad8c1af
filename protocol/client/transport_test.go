package client_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"

	"github.com/dynobench/dyno/protocol"
	"github.com/dynobench/dyno/protocol/client"
	"github.com/dynobench/dyno/protocol/gateway"
	"github.com/dynobench/dyno/protocol/protocoltest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// peer is the server's end of a connection.
type peer struct {
	net.Conn
	p  *client.Protocol
	in []byte
}

// asked reads a request; false: the connection has ended.
func (c *peer) asked() (message []byte, ok bool) {
	buf := make([]byte, 256<<10)
	for {
		// With one request at a time all that is there is it.
		found, err := protocoltest.Parse(servers[c.p], new(protocol.Limits), c.in)
		if err == nil && len(found.Requests) == 1 {
			message, c.in = c.in, nil
			return message, true
		}
		n, err := c.Read(buf)
		if err != nil {
			return nil, false
		}
		c.in = append(c.in, buf[:n]...)
	}
}

// answer answers message with its own method, target and body.
func (c *peer) answer(message []byte) {
	svc := protocoltest.Service(servers[c.p], protocol.Limits{}, func(env *gateway.Environ, start gateway.StartResponse) gateway.Body {
		body, err := io.ReadAll(env.Input)
		start(200, []gateway.Field{{Name: "X-Seen", Value: env.Get("HTTP_X_TWICE")}}, err) //nolint:errcheck // it is the first
		return gateway.String(env.Method + " " + env.RequestURI + " " + string(body))
	})
	c.Write(protocoltest.Serve(svc, message).Output) //nolint:errcheck // the client tells
}

// listen serves each connection until serve returns, which the end of the test
// waits for: nothing that a client leaves open goes unnoticed.
func listen(t *testing.T, p *client.Protocol, tr *client.Transport, serve func(c *peer, nth int)) (url string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for nth := 1; ; nth++ {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer c.Close()
				serve(&peer{Conn: c, p: p}, nth)
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		tr.CloseIdleConnections()
		wg.Wait()
	})
	return p.Name + "://" + l.Addr().String()
}

func ask(ctx context.Context, tr *client.Transport, method, url, body string) (*http.Response, error) {
	q, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	q.Header["X-Twice"] = []string{"one", "two"}
	return tr.RoundTrip(q)
}

// read asks and reads the whole answer.
func read(tr *client.Transport, method, url, body string) (string, error) {
	resp, err := ask(context.Background(), tr, method, url, body)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if seen := resp.Header.Get("X-Seen"); resp.StatusCode != 200 || seen != "one, two" {
		return "", fmt.Errorf("%s with X-Seen %q", resp.Status, seen)
	}
	return string(b), err
}

func expect(t *testing.T, tr *client.Transport, method, url, body, want string) {
	t.Helper()
	if got, err := read(tr, method, url, body); got != want || err != nil {
		t.Errorf("%s %s: %q, %v, want %q", method, url, got, err, want)
	}
}

func gateways(t *testing.T, run func(t *testing.T, p *client.Protocol)) {
	for _, p := range client.All {
		if p.Gateway {
			t.Run(p.Name, func(t *testing.T) { run(t, p) })
		}
	}
}

// counted answers each request.
type counted struct{ requests, conns atomic.Int64 }

func (n *counted) serve(c *peer, _ int) {
	for first := true; ; first = false {
		message, ok := c.asked()
		if !ok {
			return
		}
		n.requests.Add(1)
		if first {
			n.conns.Add(1)
		}
		if c.answer(message); !c.p.Reuses {
			return
		}
	}
}

// Connections are kept where the protocol can, unless it is forbidden.
func TestTransportKeeps(t *testing.T) {
	gateways(t, func(t *testing.T, p *client.Protocol) {
		for _, fresh := range []bool{false, true} {
			var n counted
			tr := &client.Transport{DisableKeepAlives: fresh}
			url := listen(t, p, tr, n.serve)
			for range 3 {
				expect(t, tr, "PUT", url+"/a?b", "body", "PUT /a?b body")
				expect(t, tr, "HEAD", url, "", "")
			}
			want := int64(6)
			if p.Reuses && !fresh {
				want = 1
			}
			if requests, conns := n.requests.Load(), n.conns.Load(); requests != 6 || conns != want {
				t.Errorf("fresh %v: %d requests on %d connections, want 6 on %d", fresh, requests, conns, want)
			}
		}
	})
}

func TestTransportConcurrent(t *testing.T) {
	gateways(t, func(t *testing.T, p *client.Protocol) {
		var n counted
		tr := &client.Transport{MaxIdle: 2} // so that some are closed and some kept
		url := listen(t, p, tr, n.serve)
		var wg sync.WaitGroup
		for i := range 4 {
			wg.Go(func() {
				for j := range 8 {
					target := fmt.Sprintf("/%d/%d", i, j)
					expect(t, tr, "GET", url+target, "", "GET "+target+" ")
				}
			})
		}
		wg.Wait()
		if got := n.requests.Load(); got != 32 {
			t.Errorf("%d requests, want 32", got)
		}
	})
}

var errCause = errors.New("on purpose")

// A context that ends is heeded at each stage, and its cause the error; nothing
// stays behind.
func TestTransportCancelled(t *testing.T) {
	gateways(t, func(t *testing.T, p *client.Protocol) {
		got := make(chan struct{})
		tr := &client.Transport{}
		url := listen(t, p, tr, func(c *peer, _ int) {
			message, ok := c.asked()
			if !ok {
				return
			}
			if bytes.Contains(message, []byte("/body")) {
				part := "Status: 200\r\nContent-Length: 9\r\n\r\nabc"
				if p == client.FastCGI {
					part = "\x01\x06\x00\x01\x00" + string(rune(len(part))) + "\x00\x00" + part
				}
				io.WriteString(c, part) //nolint:errcheck // the client tells
			}
			got <- struct{}{}
			if message, ok := c.asked(); ok {
				t.Errorf("the connection is used on, for %q", message)
			}
		})

		ended, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := ask(ended, tr, "GET", url+"/", ""); !errors.Is(err, context.Canceled) {
			t.Errorf("before: %v", err)
		}

		waiting, stop := context.WithCancelCause(t.Context())
		go func() {
			<-got
			stop(errCause)
		}()
		if _, err := ask(waiting, tr, "GET", url+"/", ""); !errors.Is(err, errCause) {
			t.Errorf("while the answer is waited for: %v", err)
		}

		reading, stop := context.WithCancelCause(t.Context())
		resp, err := ask(reading, tr, "GET", url+"/body", "")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(resp.Body, make([]byte, 3)); err != nil {
			t.Error(err)
		}
		<-got
		stop(errCause)
		for range 2 {
			if n, err := resp.Body.Read(make([]byte, 3)); n != 0 || !errors.Is(err, errCause) {
				t.Errorf("in the body: %d bytes, %v", n, err)
			}
		}
		resp.Body.Close()
	})
}
