package blocking_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/dynobench/dyno/engines"
	"github.com/dynobench/dyno/engines/blocking"
	"github.com/dynobench/dyno/engines/kernel"
	"github.com/dynobench/dyno/protocol"
	"github.com/dynobench/dyno/protocol/gateway"
	"github.com/dynobench/dyno/protocol/http1"
)

// counting counts what is made for connections that are not idle.
type counting struct {
	http1.Codec
	made *atomic.Int64
}

func (c counting) New() (protocol.Parser, protocol.Encoder) {
	c.made.Add(1)
	return c.Codec.New()
}

// Connections that wait for their next request must not each hold a buffer.
func TestIdleHoldsNoBuffer(t *testing.T) {
	var made atomic.Int64
	app := gateway.FromHTTP(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.URL.Path) }))
	svc := protocol.NewService(app, counting{made: &made})
	for _, addr := range []string{"127.0.0.1:0", "unix:" + t.TempDir() + "/s"} {
		t.Run(addr[:4], func(t *testing.T) {
			sock, err := engines.Listen(addr, engines.SocketOptions{})
			if err != nil {
				t.Fatal(err)
			}
			listens := sock.Listener().Addr()
			ctx, cancel := context.WithCancel(t.Context())
			served := make(chan error, 1)
			g := blocking.NewGroup(svc, new(engines.Meter))
			go func() {
				served <- blocking.Serve(ctx, sock, g, func(talk *blocking.Talk) { go talk.Serve(kernel.Park{}) })
			}()
			made.Store(0)
			const many = 100
			for i := range many { // each stays open, and has an answer
				c, err := net.Dial(listens.Network(), listens.String())
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				b := bufio.NewReader(c)
				path := fmt.Sprintf("/%d", i)
				io.WriteString(c, "GET "+path+" HTTP/1.1\r\nHost: a\r\n\r\n")
				resp, err := http.ReadResponse(b, nil)
				if err != nil {
					t.Fatal(err)
				}
				var body strings.Builder
				io.Copy(&body, resp.Body)
				if body.String() != path {
					t.Fatalf("%s: %q", path, &body)
				}
			}
			// Not one or two: a collection empties the pool, and under the race
			// detector it loses one in four.
			if n := made.Load(); n > many*3/4 {
				t.Errorf("%d buffers have been made for %d idle connections", n, many)
			}
			cancel()
			if err := <-served; err != nil {
				t.Error(err)
			}
		})
	}
}
