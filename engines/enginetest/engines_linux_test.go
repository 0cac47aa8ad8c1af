package enginetest

import (
	"io"
	"strings"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"

	"github.com/dynobench/dyno/engines"
	"github.com/dynobench/dyno/engines/catalog"
	"github.com/dynobench/dyno/internal/testkit"
	"github.com/dynobench/dyno/protocol/gateway"
)

// subjects are all engines that run in one process, in each of their modes.
var subjects = []struct {
	spec   string
	traits Traits
}{
	{"sync", Traits{Slots: 1, OneShot: true}},
	{"sync,keepalive=pinned", Traits{Slots: 1}},
	{"threads,threads=8,queue=4", Traits{Slots: 8}},
	{"pool,size=8", Traits{Slots: 8}},
	{"goroutine", Traits{}},
	{"goroutine,per=request", Traits{}},
	{"eventloop,loops=1", Traits{Workers: 1, Inline: true}},
	{"eventloop,loops=3", Traits{Workers: 3, Inline: true}},
	{"gnet,loops=3", Traits{Workers: 3, Inline: true}},
	{"eventloop,io=io_uring,loops=1", Traits{Workers: 1, Inline: true}},
	{"coroutine,io=io_uring,loops=1", Traits{}},
	{"eventloop-pool,workers=8", Traits{Workers: 8}},
	{"eventloop-pool,workers=1,loops=2", Traits{Workers: 1, Inline: true}},
	{"coroutine,loops=3", Traits{}},
	{"nethttp", Traits{Yardstick: true, NoTimeout: true, Uncounted: true, Breaks: map[string]string{
		"wire.empty-line":          "it wants the request line first",
		"refuse.length-and-chunks": "it drops the length and keeps the connection",
		"refuse.coding-10":         "it takes the chunks for the next request",
	}}},
	{"fasthttp", Traits{Yardstick: true, Breaks: map[string]string{
		"refuse.coding":       "it says 400 for a coding that it does not know",
		"http.interim":        "it offers the app no Extras",
		"http.trailers":       "likewise",
		"http.extras-refused": "likewise",
	}}},
}

func TestEngines(t *testing.T) {
	for _, s := range subjects {
		t.Run(s.spec, func(t *testing.T) {
			needRing(t, s.spec)
			before := testkit.Descriptors(t)
			Run(t, subject(s.spec, s.traits))
			testkit.Eventually(t, "the engine must leave no descriptor behind", func() bool { return testkit.Descriptors(t) <= before })
			goleak.VerifyNone(t, background...)
		})
	}
}

// background are goroutines that libraries start once and keep.
var background = []goleak.Option{
	goleak.IgnoreAnyFunction("github.com/panjf2000/ants/v2.(*poolCommon).ticktock"), // gnet's package-level pools
	goleak.IgnoreAnyFunction("github.com/panjf2000/ants/v2.(*poolCommon).purgeStaleWorkers"),
	goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"),
	goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"), // looks for its end every 10 s
}

func subject(spec string, traits Traits) Subject {
	return Subject{New: func() (engines.Engine, error) { return catalog.New(spec) }, Traits: traits}
}

// What waits in the engine's own queue is served in its turn, in a drain too.
func TestThreadsQueue(t *testing.T) {
	srv := subject("threads,threads=1,queue=4", Traits{Slots: 1}).start(t, options{})
	busy := srv.dial()
	busy.send(request("GET", "/hold", ""))
	srv.eventually("the request must reach the app", func() bool { return srv.app.Started.Load() == 1 })
	var waiting []*client
	for range 3 {
		c := srv.dial()
		c.send(request("GET", "/hello", ""))
		waiting = append(waiting, c)
	}
	srv.eventually("connections that wait for a thread are the Queue", func() bool {
		st := srv.engine.Stats()
		return st.Busy == 1 && st.Queue == 3 && st.Accepted == 4
	})
	srv.stop()
	srv.refuses()
	close(srv.app.Release)
	if got := busy.receive("GET").text(); got != "held" {
		t.Error(got)
	}
	for _, c := range waiting {
		if got := c.receive("GET").text(); got != Hello {
			t.Errorf("what has been accepted with a request must be answered in a drain: %q", got)
		}
	}
	if err := srv.wait(); err != nil {
		t.Error(err)
	}
}

// Slots in use are what runs, and the Queue are the connections whose requests
// wait for a slot, wherever they do: unread, read, or between two turns. Those
// without a request are neither.
func TestSlots(t *testing.T) {
	for spec, slots := range map[string]int64{
		"eventloop,loops=1":                1,
		"eventloop,loops=2":                2,
		"eventloop,loops=1,io=io_uring":    1,
		"gnet,loops=1":                     1,
		"gnet,loops=2":                     2,
		"eventloop-pool,loops=1,workers=2": 2,
		"coroutine,loops=1,slots=2":        2,
	} {
		t.Run(spec, func(t *testing.T) {
			needRing(t, spec)
			var turns atomic.Int64
			var over atomic.Bool
			srv := subject(spec, Traits{}).start(t, options{wrap: func(app gateway.App) gateway.App {
				return func(env *gateway.Environ, start gateway.StartResponse) gateway.Body {
					if env.Path != "/turns" {
						return app(env, start)
					}
					if err := start(200, plain, nil); err != nil {
						return gateway.Fail(err)
					}
					return gateway.Chunks(func(yield func([]byte, error) bool) {
						for !over.Load() && yield(nil, nil) {
							turns.Add(1)
						}
					})
				}
			}})
			for range 3 {
				srv.dial().get("/hello").text()
			}
			requests, waiting := []*client{srv.dial()}, int64(0)
			if strings.HasPrefix(spec, "eventloop,") { // elsewhere it would keep its slot
				requests[0].send(request("GET", "/turns", ""))
				srv.eventually("the request must have many turns", func() bool { return turns.Load() > 100 })
				waiting++
			}
			for range slots + 6 {
				c := srv.dial()
				c.send(request("GET", "/hold", ""))
				requests = append(requests, c)
			}
			waiting += 6
			srv.eventually("as many must run as there are slots", func() bool { return srv.app.Started.Load() == slots })
			var st engines.Stats
			defer func() {
				if t.Failed() {
					t.Logf("%+v", st)
				}
			}()
			srv.eventually("the rest must be the Queue", func() bool {
				st = srv.engine.Stats()
				return st.Slots == slots && st.Busy == slots && st.Queue == waiting
			})
			over.Store(true)
			close(srv.app.Release)
			for _, c := range requests[1:] {
				if got := c.receive("GET").text(); got != "held" {
					t.Error(got)
				}
			}
			srv.eventually("nothing may be busy with connections alone", func() bool {
				st = srv.engine.Stats()
				return st.Busy == 0 && st.Queue == 0
			})
		})
	}
}

func TestPoolRefuses(t *testing.T) {
	srv := subject("pool,size=1,full=close", Traits{Slots: 1}).start(t, options{})
	busy := srv.dial()
	busy.get("/hello").text()
	if err := srv.dial().closedByServer(); err != nil {
		t.Errorf("a connection too many must be closed at once: %v", err)
	}
	if st := srv.engine.Stats(); st.Errors != 1 || st.Accepted != 2 {
		t.Errorf("a refused connection is an error: %+v", st)
	}
	busy.Close()
	srv.eventually("a slot that is free must be used again", func() bool {
		c := srv.dial()
		defer c.Close()
		io.WriteString(c, request("GET", "/hello", "")) // it may be refused before
		r := c.receive("GET")
		return r.err == nil && string(r.body) == Hello
	})
}

// The engine says to the app what it may assume.
func TestFlags(t *testing.T) {
	for spec, want := range map[string]string{
		"sync":                     "{MultiThread:false MultiProcess:false RunOnce:false NonBlocking:false}",
		"threads,threads=1":        "{MultiThread:false MultiProcess:false RunOnce:false NonBlocking:false}",
		"threads,threads=2":        "{MultiThread:true MultiProcess:false RunOnce:false NonBlocking:false}",
		"pool,size=1":              "{MultiThread:false MultiProcess:false RunOnce:false NonBlocking:false}",
		"pool,size=2":              "{MultiThread:true MultiProcess:false RunOnce:false NonBlocking:false}",
		"goroutine":                "{MultiThread:true MultiProcess:false RunOnce:false NonBlocking:false}",
		"goroutine,slots=1":        "{MultiThread:false MultiProcess:false RunOnce:false NonBlocking:false}",
		"eventloop,loops=1":        "{MultiThread:false MultiProcess:false RunOnce:false NonBlocking:true}",
		"eventloop,loops=2":        "{MultiThread:true MultiProcess:false RunOnce:false NonBlocking:true}",
		"gnet,loops=2":             "{MultiThread:true MultiProcess:false RunOnce:false NonBlocking:true}",
		"coroutine,loops=1":        "{MultiThread:false MultiProcess:false RunOnce:false NonBlocking:true}",
		"coroutine,loops=2":        "{MultiThread:true MultiProcess:false RunOnce:false NonBlocking:true}",
		"eventloop-pool,workers=1": "{MultiThread:true MultiProcess:false RunOnce:false NonBlocking:false}", // a Body may be closed on the loop meanwhile
		"nethttp":                  "{MultiThread:true MultiProcess:false RunOnce:false NonBlocking:false}",
		"fasthttp":                 "{MultiThread:true MultiProcess:false RunOnce:false NonBlocking:false}",
	} {
		t.Run(spec, func(t *testing.T) {
			srv := subject(spec, Traits{}).start(t, options{})
			c := srv.dial()
			if got := c.get("/flags").text(); got != want {
				t.Errorf("flags %s, want %s", got, want)
			}
			c.Close()
		})
	}
}
