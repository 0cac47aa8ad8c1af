package blocking

import (
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/dynobench/dyno/engines"
	"github.com/dynobench/dyno/engines/kernel"
	"github.com/dynobench/dyno/protocol"
	"github.com/dynobench/dyno/protocol/gateway"
	"github.com/dynobench/dyno/protocol/http1"
)

func pair(tb testing.TB) (client, server net.Conn) {
	tb.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	defer ln.Close()
	if client, err = net.Dial("tcp", ln.Addr().String()); err != nil {
		tb.Fatal(err)
	}
	if server, err = ln.Accept(); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { client.Close(); server.Close() })
	return client, server
}

// A Wake must not be lost, however it falls between ReadBy and Read.
func TestWakeIsNotLost(t *testing.T) {
	for range 500 {
		_, server := pair(t)
		c := Net(server)
		go c.Wake()
		c.ReadBy(time.Now().Add(time.Hour))
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("Read: %v, want ErrDeadlineExceeded", err)
		}
	}
}

func TestReadGoesOnAfterWake(t *testing.T) {
	client, server := pair(t)
	c := Net(server)
	c.Wake()
	buf := make([]byte, 1)
	if _, err := c.Read(buf); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatal(err)
	}
	client.Write([]byte("x"))
	for range 2 { // the first may take the Wake for one that it has overtaken
		c.ReadBy(time.Now().Add(time.Minute))
		if _, err := c.Read(buf); err == nil && buf[0] == 'x' {
			return
		}
	}
	t.Error("after a Wake and another ReadBy a Read must read")
}

func TestCut(t *testing.T) {
	client, server := pair(t)
	c := Net(server)
	go c.Cut()
	if _, err := c.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("Read of a connection that is cut: %v", err)
	}
	if _, err := io.ReadAll(client); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the client of a connection that is cut must see it: %v", err)
	}
}

// aged is a connection that was made an hour ago, as the kernel tells.
type aged struct{ Conn }

func (aged) Waited() time.Duration { return time.Hour }

// TestQueuedTime serves connections that had to wait for a slot for an hour, before
// or after they were accepted: who has said something is answered, who has not goes
// at once, although the time of a slot has only begun.
func TestQueuedTime(t *testing.T) {
	app := func(_ *gateway.Environ, start gateway.StartResponse) gateway.Body {
		if err := start(200, nil, nil); err != nil {
			return gateway.Fail(err)
		}
		return gateway.String("served")
	}
	for text, want := range map[string]string{"GET / HTTP/1.0\r\n\r\n": "served", "": ""} {
		for _, accepted := range []bool{true, false} {
			svc := protocol.NewService(app, http1.Codec{})
			svc.Limits = protocol.Limits{HeaderTime: 30 * time.Minute, IdleTime: 45 * time.Minute}
			g := NewGroup(svc, &engines.Meter{Slots: 1})
			client, server := pair(t)
			if _, err := io.WriteString(client, text); err != nil {
				t.Fatal(err)
			}
			conn := Net(server)
			if !accepted {
				conn = aged{conn}
			}
			k := g.Open(conn, server.LocalAddr(), server.RemoteAddr())
			if accepted {
				k.opened = time.Now().Add(-time.Hour)
			}
			k.Serve(kernel.Park{})
			if got, err := io.ReadAll(client); err != nil || !strings.HasSuffix(string(got), want) || want == "" && len(got) > 0 {
				t.Errorf("%q, accepted early: %v: got %q, %v; want %q", text, accepted, got, err, want)
			}
		}
	}
}

// BenchmarkDeadline argues for times that are moved only when they would come
// too late: what it costs to set one for each request against looking at the
// one that is set.
func BenchmarkDeadline(b *testing.B) {
	limits := []time.Duration{75 * time.Second, 10 * time.Second}
	b.Run("set", func(b *testing.B) {
		_, server := pair(b)
		for i := range b.N {
			server.SetReadDeadline(time.Now().Add(limits[i%2]))
		}
	})
	b.Run("when earlier", func(b *testing.B) {
		_, server := pair(b)
		var set time.Time
		for i := range b.N {
			if by := time.Now().Add(limits[i%2]); set.IsZero() || by.Before(set) {
				server.SetReadDeadline(by)
				set = by
			}
		}
	})
}
