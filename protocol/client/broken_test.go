package client_test

import (
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

	"github.com/dynobench/dyno/protocol/client"
)

// A body that is not read to its end takes the connection with it.
func TestTransportClosedEarly(t *testing.T) {
	var n counted
	tr := &client.Transport{}
	url := listen(t, client.FastCGI, tr, n.serve)
	large := strings.Repeat("x", 100_000)
	for range 2 {
		resp, err := ask(t.Context(), tr, "POST", url+"/", large)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if _, err := resp.Body.Read(make([]byte, 1)); !errors.Is(err, http.ErrBodyReadAfterClose) {
			t.Errorf("%v", err)
		}
	}
	if got := n.conns.Load(); got != 2 {
		t.Errorf("%d connections, want 2", got)
	}
}

// A server may close a kept connection at any time. What only reads is asked
// again, on another one; what may have done something is not.
func TestTransportStale(t *testing.T) {
	for _, idle := range []bool{true, false} { // closed before the next request, or instead of its answer
		for _, test := range []struct {
			method string
			again  bool
		}{{"GET", true}, {"HEAD", true}, {"OPTIONS", true}, {"POST", false}, {"PATCH", false}} {
			t.Run(fmt.Sprintf("%s/idle=%v", test.method, idle), func(t *testing.T) {
				var closed sync.WaitGroup
				closed.Add(2)
				tr := &client.Transport{}
				url := listen(t, client.FastCGI, tr, func(c *peer, nth int) {
					for first := true; ; first = false {
						message, ok := c.asked()
						stale := nth <= 2 && !first
						if !ok || stale {
							return
						}
						if c.answer(message); nth <= 2 && idle {
							c.Close()
							closed.Done()
							return
						}
					}
				})
				// Two are kept, since neither body is read before both are there.
				var bodies []io.ReadCloser
				for range 2 {
					resp, err := ask(t.Context(), tr, "GET", url+"/", "")
					if err != nil {
						t.Fatal(err)
					}
					bodies = append(bodies, resp.Body)
				}
				for _, b := range bodies {
					if _, err := io.ReadAll(b); err != nil {
						t.Fatal(err)
					}
				}
				if idle {
					closed.Wait()
				}
				want := test.method + " /again "
				if test.method == "HEAD" {
					want = ""
				}
				if test.again {
					expect(t, tr, test.method, url+"/again", "", want)
				} else if got, err := read(tr, test.method, url+"/again", ""); err == nil {
					t.Errorf("it is answered with %q: it has been asked twice", got)
				}
			})
		}
	}
}

// A new connection that ends without an answer is no stale one.
func TestTransportNoAnswer(t *testing.T) {
	gateways(t, func(t *testing.T, p *client.Protocol) {
		var asked atomic.Int64
		tr := &client.Transport{}
		url := listen(t, p, tr, func(c *peer, _ int) {
			asked.Add(1)
			c.asked()
		})
		if got, err := read(tr, "GET", url+"/", ""); err == nil {
			t.Errorf("%q", got)
		}
		if n := asked.Load(); n != 1 {
			t.Errorf("it was asked %d times, want 1", n)
		}
	})
}

// A server may answer before it has the request, and not read the rest.
func TestTransportAnsweredEarly(t *testing.T) {
	gateways(t, func(t *testing.T, p *client.Protocol) {
		if p.Reuses {
			return // its answer would have to be made by hand
		}
		over := make(chan struct{})
		tr := &client.Transport{DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			c, err := new(net.Dialer).DialContext(ctx, network, addr)
			if err == nil {
				err = c.(*net.TCPConn).SetWriteBuffer(4 << 10)
			}
			return c, err
		}}
		url := listen(t, p, tr, func(c *peer, _ int) {
			c.Conn.(*net.TCPConn).SetReadBuffer(4 << 10)                              //nolint:errcheck // it only saves time
			io.WriteString(c, "Status: 413 Too Large\r\nContent-Length: 2\r\n\r\nno") //nolint:errcheck // the client tells
			<-over
		})
		resp, err := ask(t.Context(), tr, "POST", url+"/", strings.Repeat("x", 1<<20))
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		if resp.StatusCode != 413 || string(body) != "no" || err != nil {
			t.Errorf("%s, %q, %v", resp.Status, body, err)
		}
		resp.Body.Close()
		close(over)
	})
}

func TestTransportRefuses(t *testing.T) {
	tr := &client.Transport{}
	for url, says := range map[string]string{
		"http://127.0.0.1:1/":  `scheme "http" (known: uwsgi, scgi, fastcgi)`,
		"uwsgi://127.0.0.1:1/": "refused",
	} {
		if _, err := ask(t.Context(), tr, "GET", url, ""); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v, want %q", url, err, says)
		}
	}
}
