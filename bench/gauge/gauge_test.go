package gauge

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/dynobench/dyno/internal/peer"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func listen(t *testing.T, network, addr string) net.Listener {
	t.Helper()
	ln, err := net.Listen(network, addr)
	if err != nil {
		peer.Missing(t, network+" "+addr+": ", err)
	}
	t.Cleanup(func() { ln.Close() })
	return ln
}

// TestBacklog has connections wait in the kernel.
func TestBacklog(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("other systems do not tell")
	}
	for network, addr := range map[string]string{"tcp4": "127.0.0.1:0", "tcp6": "[::1]:0"} {
		t.Run(network, func(t *testing.T) {
			ln := listen(t, network, addr)
			b := newBacklog(ln.Addr().String())
			defer b.close()
			for want := range int64(3) {
				if got := b.read(); got != want {
					t.Fatalf("%d connections wait, want %d", got, want)
				}
				c, err := net.Dial(network, ln.Addr().String())
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
			}
			ln.Close()
			if got := b.read(); got != -1 {
				t.Errorf("%d connections wait for nobody", got)
			}
		})
	}
	for _, addr := range []string{"", "nowhere", "x:http", "unix:/x"} {
		if got := newBacklog(addr).read(); got != -1 {
			t.Errorf("%q: %d", addr, got)
		}
	}
}

// serve answers every connection with what answer writes.
func serve(t *testing.T, answer func(net.Conn)) string {
	ln := listen(t, "tcp4", "127.0.0.1:0")
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			answer(c)
			c.Close()
		}
	}()
	t.Cleanup(func() { ln.Close(); <-done })
	return ln.Addr().String()
}

// TestStats reads the slots of servers that tell of them in different ways.
func TestStats(t *testing.T) {
	unknown := Sample{Slots: -1, Busy: -1, Queue: -1}
	slots := `{"schema":"dyno.slots/1","slots":8,"busy":7,"queue":3}`
	say := func(text string) func(net.Conn) {
		return func(c net.Conn) { io.WriteString(c, text) } //nolint:errcheck // reading tells
	}
	for name, tt := range map[string]struct {
		answer func(net.Conn)
		want   Sample
	}{
		"dyno": {say(fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(slots), slots)), Sample{Slots: 8, Busy: 7, Queue: 3}},
		"uWSGI": {
			say(`{"version":"2.0","workers":[{"id":1,"cores":[{"in_request":1},{"in_request":0}]},{"id":2,"cores":[{"in_request":1},{"in_request":1}]}]}`),
			Sample{Slots: 4, Busy: 3, Queue: -1},
		},
		"something else":  {say("hello"), unknown},
		"another JSON":    {say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"), unknown},
		"nothing at all":  {say(""), unknown},
		"an error of its": {say("HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n"), unknown},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStats(serve(t, tt.answer))
			defer s.close()
			got := s.read()
			for range 2 { // the first may have found out how to ask, or met a reset
				got = s.read()
			}
			if got != tt.want {
				t.Errorf("%+v, want %+v", got, tt.want)
			}
		})
	}
	if got := newStats("").read(); got != unknown {
		t.Errorf("no address: %+v", got)
	}
}

// TestGauge samples until it is stopped.
func TestGauge(t *testing.T) {
	server := http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, `{"schema":"dyno.slots/1","slots":2,"busy":1,"queue":0}`)
	})}
	ln := listen(t, "tcp4", "127.0.0.1:0")
	done := make(chan struct{})
	go func() { defer close(done); server.Serve(ln) }() //nolint:errcheck // it is closed
	defer func() { server.Close(); <-done }()
	g := Start(ln.Addr().String(), ln.Addr().String(), time.Millisecond)
	samples := g.Stop()
	if len(samples) == 0 || samples[0].Slots != 2 || samples[0].Busy != 1 || samples[0].Time.IsZero() {
		t.Errorf("%+v", samples)
	}
}
