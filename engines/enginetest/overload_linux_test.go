package enginetest

import (
	"net"
	"testing"
	"time"

	"github.com/dynobench/dyno/engines/kernel"
	"github.com/dynobench/dyno/internal/testkit"
)

// Each engine with one slot that is taken does with the next one what it has
// been told to, and serves again when the slot is free.
func TestFull(t *testing.T) {
	for _, spec := range []string{
		"sync", "threads,threads=1,queue=0", "pool,size=1", "goroutine,slots=1",
		"eventloop-pool,loops=1,workers=1,queue=0", "coroutine,loops=1,slots=1",
	} {
		for _, full := range []string{"wait", "503", "close"} {
			t.Run(spec+",full="+full, func(t *testing.T) {
				srv := subject(spec+",full="+full, Traits{Slots: 1}).start(t, options{})
				var busy *client
				var refused int64
				srv.eventually("the first request must get the slot", func() bool {
					if n := srv.svc.Counters.Errors.Load(); busy == nil || n > refused {
						refused = n // a thread may not have been there yet
						busy = srv.dial()
						busy.send(request("GET", "/hold", ""))
					}
					return srv.app.Started.Load() == 1
				})
				before := srv.svc.Counters.Shed.Load()
				const n = 5
				var others []*client
				for range n {
					c := srv.dial()
					c.send(request("GET", "/hello", ""))
					others = append(others, c)
				}
				release := func() {
					close(srv.app.Release)
					if got := busy.receive("GET").text(); got != "held" {
						t.Errorf("who has the slot must be answered: %q", got)
					}
					busy.Close()
				}
				if full == "wait" {
					release()
				}
				for i, c := range others {
					r := c.receive("GET")
					switch full {
					case "wait":
						if r.err != nil || string(r.body) != Hello {
							t.Errorf("who waits must be answered: client %d: %v", i, r.err)
						}
						c.Close() // the slot of a connection is kept no longer than that
					case "503":
						if r.err != nil || r.StatusCode != 503 || r.Header.Get("Retry-After") == "" {
							t.Errorf("without a slot: client %d: %+v, want 503 with Retry-After", i, r)
						}
					case "close":
						if r.err == nil {
							t.Errorf("without a slot: client %d was answered %d, want a closed connection", i, r.StatusCode)
						}
					}
				}
				if full == "wait" {
					return
				}
				if shed := srv.svc.Counters.Shed.Load() - before; full == "503" && shed != n {
					t.Errorf("%d were refused and counted as %d", n, shed)
				}
				release()
				srv.eventually("a slot that is free must be used again", func() bool {
					c := srv.dial()
					defer c.Close()
					c.Write([]byte(request("GET", "/hello", ""))) //nolint:errcheck // it may be refused before
					r := c.receive("GET")
					return r.err == nil && string(r.body) == Hello
				})
			})
		}
	}
}

// Each engine with a limit on waiting refuses some of those who have waited for
// longer, answers the others, and refuses nobody any more when it is over.
func TestQueueTarget(t *testing.T) {
	for _, spec := range []string{
		"sync", "threads,threads=1,queue=0", "threads,threads=1,queue=64", "pool,size=1", "goroutine,slots=1", "goroutine,slots=1,per=request",
		"eventloop,loops=1", "eventloop,io=epoll,loops=1", "eventloop-pool,loops=1,workers=1", "coroutine,loops=1,slots=1",
	} {
		t.Run(spec, func(t *testing.T) {
			t.Parallel()
			srv := subject(spec+",queue-target=2ms", Traits{Slots: 1}).start(t, options{})
			// Far more wait at a time than are answered in an interval of the
			// gate, and others come until somebody is refused.
			const waiting, most = 40, 150
			var clients []*client
			come := func() {
				c := srv.dial()
				c.send(request("GET", "/wait?ms=10", "", "Connection: close"))
				clients = append(clients, c)
			}
			for range waiting {
				come()
			}
			var answered, refused int64
			for i := 0; i < len(clients); i++ {
				c := clients[i]
				switch r := c.receive("GET"); {
				case r.err != nil:
					t.Errorf("client %d must be answered one way or the other: %v", i, r.err)
				case r.StatusCode == 200:
					answered++
				case r.StatusCode == 503 && r.Header.Get("Retry-After") != "":
					refused++
				default:
					t.Errorf("client %d: %s, want 200, or 503 with Retry-After", i, r.Status)
				}
				c.Close()
				if refused == 0 && len(clients) < most {
					come()
				}
			}
			n := len(clients)
			if n == most {
				t.Errorf("nobody was refused for as long as others came: %d", n)
			}
			if shed := srv.svc.Counters.Shed.Load(); answered == 0 || refused == 0 || shed != refused {
				t.Errorf("of %d requests %d were answered and %d refused, %d of them counted; want some of each", n, answered, refused, shed)
			}
			srv.eventually("nothing may be left of it", func() bool {
				st := srv.engine.Stats()
				return st.Busy == 0 && st.Queue == 0 && srv.app.Open.Load() == 0
			})
			srv.eventually("who does not wait must be answered again", func() bool {
				c := srv.dial()
				defer c.Close()
				return c.get("/hello", "Connection: close").StatusCode == 200
			})
		})
	}
}

// The kernel knows for how long a request has been there.
func TestWaited(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	c, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.Write([]byte("x"))
	s, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	raw, err := s.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	waited := func() (d time.Duration) {
		raw.Control(func(fd uintptr) { d = kernel.Waited(int(fd)) })
		return d
	}
	testkit.Eventually(t, "what has come must be seen to wait", func() bool { return waited() >= 20*time.Millisecond })
	testkit.Eventually(t, "what comes now has not waited", func() bool {
		c.Write([]byte("x"))
		return waited() < 20*time.Millisecond
	})
}
