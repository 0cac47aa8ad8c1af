package enginetest

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dynobench/dyno/protocol"
	"github.com/dynobench/dyno/protocol/gateway"
)

type testCase struct {
	name  string
	needs need
	run   func(*testing.T, Subject)
}

// need returns why a case does not apply to an engine, "" if it does; nil
// stands for a case that always does.
type need func(Traits) string

func unless(has func(Traits) bool, why string) need {
	return func(t Traits) string {
		if has(t) {
			return why
		}
		return ""
	}
}

var (
	keepsAlive = unless(func(t Traits) bool { return t.OneShot }, "it closes after each answer")
	several    = unless(func(t Traits) bool { return t.Slots == 1 }, "it serves one connection at a time")
	ours       = unless(func(t Traits) bool { return t.Yardstick }, "it is not ours, and its server promises another thing")
	inline     = unless(func(t Traits) bool { return !t.Inline }, "the app does not hold up other connections' requests")
)

func (n need) and(other need) need {
	return func(t Traits) string {
		if why := n(t); why != "" {
			return why
		}
		return other(t)
	}
}

var cases = []testCase{
	{"hello", nil, testHello},
	{"keep-alive", keepsAlive, testKeepAlive},
	{"concurrent clients", nil, testConcurrent},
	{"pipelining", keepsAlive, testPipelining},
	{"byte by byte", several, testByteByByte},
	{"large bodies", nil, testLargeBodies},
	{"body over the limit", nil, testBodyLimit},
	{"bodies over the limit on all", nil, testBodiesLimit},
	{"header over the limits", nil, testHeaderLimits},
	{"paths", nil, testPaths},
	{"a block is not delayed", nil, testBlocks},
	{"empty chunks", nil, testYield},
	{"HEAD", nil, testHead},
	{"half-closed client", ours, testHalfClosed},
	{"half-closed client that pipelines", keepsAlive.and(ours), testHalfClosedPipeline},
	{"client gone", nil, testClientGone},
	{"a handler's client gone", nil, testHandlerGone},
	{"a waiting handler's client gone", ours, testWaitingHandlerGone},
	{"panic", nil, testPanic},
	{"backpressure", nil, testBackpressure},
	{"client that only sends", keepsAlive, testFlood},
	{"write timeout", nil, testWriteTimeout},
	{"slow readers", nil, testSlowReaders},
	{"header timeout", nil, testHeaderTimeout},
	{"slow headers", nil, testSlowHeaders},
	{"slow bodies", nil, testSlowBodies},
	{"idle timeout", keepsAlive, testIdleTimeout},
	{"silent clients", nil, testSilent},
	{"clients that have never spoken", nil, testNeverSpoken},
	{"a client that has spoken may be silent", keepsAlive, testHasSpoken},
	{"clients without a PROXY header", ours, testNeverProxied},
	{"drain", nil, testDrain},
	{"drain of requests that wait", inline, testDrainWaiting},
	{"retirement", keepsAlive, testRetire},
	{"drain lets uploads finish", nil, testDrainUpload},
	{"drain deadline", nil, testDrainDeadline},
	{"an answer cut by the drain", nil, testDrainCut},
	{"unix socket", nil, testUnix},
	{"inherited socket", nil, testInherited},
	{"lint", nil, testLint},
	{"conformance", nil, testConformance},
	{"addresses", nil, testAddresses},
	{"PROXY headers", ours, testProxied},
	{"stats", nil, testStats},
	{"what counts", nil, testCounts},
}

func testHello(t *testing.T, s Subject) {
	srv := s.start(t, options{})
	c := srv.dial()
	r := c.get("/hello")
	if got := r.text(); got != Hello {
		t.Errorf("body %q, want %q", got, Hello)
	}
	if r.ContentLength != int64(len(Hello)) {
		t.Errorf("Content-Length %d: the length is known and must be told", r.ContentLength)
	}
	if s.Traits.OneShot {
		if !r.Close {
			t.Error("an engine that closes must say so: no Connection: close")
		}
		if err := c.closedByServer(); err != nil {
			t.Errorf("the connection must be closed after the answer: %v", err)
		}
	}
}

func testKeepAlive(t *testing.T, s Subject) {
	c := s.start(t, options{}).dial()
	for i := range 5 {
		if got, want := c.get(fmt.Sprintf("/where?%d", i), "X-Test: yes").text(), fmt.Sprintf("/where?%d yes", i); got != want {
			t.Fatalf("request %d: %q, want %q", i, got, want)
		}
	}
}

func testByteByByte(t *testing.T, s Subject) {
	srv := s.start(t, options{})
	slow, fast := srv.dial(), srv.dial()
	text := request("POST", "/echo", "slowly")
	for i := range len(text) {
		slow.send(text[i : i+1])
		if i%8 == 0 {
			if s.Traits.OneShot {
				fast = srv.dial()
			}
			if got := fast.get("/hello").text(); got != Hello {
				t.Fatalf("a slow client must not hold others up: %q", got)
			}
		}
	}
	if got := slow.receive("POST").text(); got != "slowly" {
		t.Errorf("got %q", got)
	}
}

func testBlocks(t *testing.T, s Subject) {
	srv := s.start(t, options{})
	c := srv.dial()
	c.send(request("GET", "/gate", ""))
	resp, err := c.head("GET")
	if err != nil {
		t.Fatal(err)
	}
	first := make([]byte, len("first "))
	if _, err := io.ReadFull(resp.Body, first); err != nil || string(first) != "first " {
		t.Fatalf("a chunk must leave before the next one is pulled: %q, %v", first, err)
	}
	close(srv.app.Release)
	if rest, err := io.ReadAll(resp.Body); err != nil || string(rest) != "second" {
		t.Errorf("the rest is %q, %v", rest, err)
	}
}

func testYield(t *testing.T, s Subject) {
	srv := s.start(t, options{})
	if got := srv.dial().get("/yield?n=1000").text(); got != "yielded" {
		t.Errorf("got %q", got)
	}
}

func testHead(t *testing.T, s Subject) {
	c := s.start(t, options{}).dial()
	c.send(request("HEAD", "/hello", ""))
	r := c.receive("HEAD")
	if r.err != nil || r.StatusCode != 200 || r.Header.Get("Content-Type") != "text/plain" {
		t.Fatalf("HEAD must be answered as GET, without the body: %+v", r)
	}
	if s.Traits.OneShot {
		if err := c.closedByServer(); err != nil {
			t.Errorf("after an answer to HEAD: %v", err)
		}
		return
	}
	if got := c.get("/hello").text(); got != Hello {
		t.Errorf("after an answer to HEAD came %q: it must have no body", got)
	}
}

func testHalfClosed(t *testing.T, s Subject) {
	srv := s.start(t, options{})
	for path, want := range map[string]int64{"/hello": int64(len(Hello)), "/stream?n=128&size=65536": 8 << 20} {
		c := srv.dial()
		c.Conn.(*net.TCPConn).SetReadBuffer(64 << 10) // so that the kernel cannot hold it all
		c.send(request("GET", path, ""))
		c.Conn.(*net.TCPConn).CloseWrite()
		srv.eventually("the request must reach the app", func() bool { return srv.svc.Counters.Requests.Load()+srv.app.Open.Load() > 0 })
		if got, err := c.length("GET"); got != want || err != nil {
			t.Errorf("%s: a client that has closed its sending half must get the whole answer: %d of %d bytes, %v", path, got, want, err)
		}
		c.Close()
	}
}

// A client may send all of its requests, close its half and read then.
func testHalfClosedPipeline(t *testing.T, s Subject) {
	srv := s.start(t, options{})
	for path, n := range map[string]int{"/hello": 400, "/stream?n=1&size=65536": 200} {
		c := srv.dial()
		c.send(strings.Repeat(request("GET", path, ""), n))
		c.Conn.(*net.TCPConn).CloseWrite()
		for i := range n {
			if r := c.receive("GET"); r.err != nil {
				t.Fatalf("%s: each request sent before the half-close must be answered: number %d of %d: %v", path, i+1, n, r.err)
			}
		}
		c.Close()
	}
}

func testClientGone(t *testing.T, s Subject) {
	srv := s.start(t, options{})
	for _, how := range []func(*client){func(c *client) { c.Close() }, (*client).reset} {
		c := srv.dial()
		c.send(request("GET", "/stream?n=1000000&size=65536", ""))
		if _, err := c.head("GET"); err != nil {
			t.Fatal(err)
		}
		how(c)
		srv.eventually("the app's Body must be closed when the client is gone", func() bool { return srv.app.Open.Load() == 0 })
		srv.eventually("the slot of a client that is gone must be free again", func() bool { return srv.engine.Stats().Busy == 0 })
	}
	srv.alive()
}

// The Context of an http.Handler ends when its client is gone, at the latest
// when it writes, which fails from then on.
func testHandlerGone(t *testing.T, s Subject) {
	ended := make(chan bool, 1)
	handler := func(w http.ResponseWriter, r *http.Request) {
		for err := error(nil); err == nil; {
			_, err = w.Write(block)
		}
		<-r.Context().Done()
		ended <- true
	}
	srv := s.start(t, options{wrap: func(gateway.App) gateway.App { return gateway.FromHTTP(http.HandlerFunc(handler)) }})
	for _, how := range []func(*client){func(c *client) { c.Close() }, (*client).reset} {
		c := srv.dial()
		c.send(request("GET", "/", ""))
		if _, err := c.head("GET"); err != nil {
			t.Fatal(err)
		}
		how(c)
		select {
		case <-ended:
		case <-time.After(patience):
			t.Fatal("a handler whose client is gone must be told by its Write and its Context")
		}
		srv.eventually("the slot of a client that is gone must be free again", func() bool { return srv.engine.Stats().Busy == 0 })
	}
}

// A handler that waits, and writes nothing, is told by its Context alone, at
// once when it looks at that too late; one whose client has only nothing more to
// say is told as well, and its answer arrives.
func testWaitingHandlerGone(t *testing.T, s Subject) {
	running, look, ended := make(chan bool, 1), make(chan bool, 1), make(chan bool, 1)
	handler := func(w http.ResponseWriter, r *http.Request) {
		running <- true
		if r.URL.Path == "/late" {
			<-look
		}
		<-r.Context().Done()
		ended <- true
		io.WriteString(w, "told")
	}
	srv := s.start(t, options{wrap: func(gateway.App) gateway.App { return gateway.FromHTTP(http.HandlerFunc(handler)) }})
	told := func(what string, c chan bool) {
		t.Helper()
		select {
		case <-c:
		case <-time.After(patience):
			t.Fatal(what)
		}
	}
	for _, path := range []string{"/", "/late"} {
		for _, how := range []func(*client){func(c *client) { c.Close() }, (*client).reset} {
			c := srv.dial()
			c.send(request("GET", path, ""))
			told("the handler does not run", running)
			how(c)
			if path == "/late" {
				look <- true
			}
			told("the Context of a handler must end when its client goes", ended)
			srv.eventually("the slot of a client that is gone must be free again", func() bool { return srv.engine.Stats().Busy == 0 })
		}
	}
	c := srv.dial()
	c.send(request("GET", "/", ""))
	told("the handler does not run", running)
	c.Conn.(*net.TCPConn).CloseWrite()
	told("a client that sends no more counts as gone", ended)
	if got, err := io.ReadAll(c.Conn); err != nil || !strings.HasSuffix(string(got), "\r\n\r\ntold") {
		t.Errorf("a client that sends no more has got %q, %v", got, err)
	}
}

// bound is what may be pulled from the app for a client that does not read:
// the kernel's buffers at both ends, which tune themselves up to several MiB,
// and one chunk.
const bound = 16 << 20

func testBackpressure(t *testing.T, s Subject) {
	srv := s.start(t, options{})
	const total = bound + 4<<20
	c := srv.dial()
	c.Conn.(*net.TCPConn).SetReadBuffer(64 << 10)
	c.send(request("GET", fmt.Sprintf("/stream?n=%d&size=65536", total>>16), ""))
	srv.eventually("the request must reach the app", func() bool { return srv.app.Pulled.Load() > 0 })
	if got := settled(srv.app.Pulled.Load); got > bound {
		t.Fatalf("the client does not read, but the app has been asked for %d bytes, more than %d", got, bound)
	}
	if s.Traits.Slots != 1 {
		srv.alive()
	}
	if got, err := c.length("GET"); got != total || err != nil {
		t.Errorf("when the client reads again it must get all: %d of %d bytes, %v", got, total, err)
	}
}

// A client that pipelines requests and reads no answers is held up, or cut.
func testFlood(t *testing.T, s Subject) {
	srv := s.start(t, options{limits: protocol.Limits{Body: 1 << 20}})
	c := srv.dial()
	c.Conn.(*net.TCPConn).SetReadBuffer(64 << 10)
	text := []byte(request("POST", "/echo", strings.Repeat("z", 1<<20)))
	var sent atomic.Int64
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			n, err := c.Write(text)
			sent.Add(int64(n))
			if err != nil {
				return
			}
		}
	}()
	srv.eventually("the first request must reach the app, unless it has been cut", func() bool {
		select {
		case <-stopped:
			return true
		default:
			return srv.engine.Stats().Requests > 0
		}
	})
	if got := settled(sent.Load); got > 2*bound {
		t.Errorf("the client reads no answers, but the server has taken %d bytes of its requests, more than %d", got, 2*bound)
	}
	c.reset()
	<-stopped
	srv.eventually("the slot of a client that is gone must be free again", func() bool { return srv.engine.Stats().Busy == 0 })
}

func testWriteTimeout(t *testing.T, s Subject) {
	srv := s.start(t, options{limits: protocol.Limits{WriteTime: 100 * time.Millisecond}})
	c := srv.dial()
	c.Conn.(*net.TCPConn).SetReadBuffer(64 << 10)
	c.send(request("GET", "/stream?n=1024&size=65536", ""))
	srv.eventually("the request must reach the app", func() bool { return srv.app.Pulled.Load() > 0 })
	srv.eventually("a client that does not read must be cut after the write timeout", func() bool {
		return srv.app.Open.Load() == 0 && srv.engine.Stats().Busy == 0
	})
	if got := srv.app.Pulled.Load(); got > bound {
		t.Errorf("pulled %d bytes", got)
	}
}

func testHeaderTimeout(t *testing.T, s Subject) {
	srv := s.start(t, options{limits: protocol.Limits{HeaderTime: 100 * time.Millisecond}})
	c := srv.dial()
	c.send("GET /hello HTTP/1.1\r\nHost: te")
	if s.Traits.NoTimeout {
		if err := c.closedByServer(); err != nil {
			t.Errorf("a header that does not end must end the connection: %v", err)
		}
	} else if r := c.receive("GET"); r.err != nil || r.StatusCode != 408 {
		t.Errorf("a header that does not end must be answered 408: %+v", r)
	}
	c.Close()
	srv.alive()
}

func testIdleTimeout(t *testing.T, s Subject) {
	srv := s.start(t, options{limits: protocol.Limits{IdleTime: 100 * time.Millisecond}})
	c := srv.dial()
	if got := c.get("/hello").text(); got != Hello {
		t.Fatal(got)
	}
	if err := c.closedByServer(); err != nil {
		t.Errorf("an idle connection must be closed silently: %v", err)
	}
}

func testLint(t *testing.T, s Subject) {
	var mu sync.Mutex
	var broken []error
	srv := s.start(t, options{wrap: gateway.LintWith(func(err error) {
		mu.Lock()
		defer mu.Unlock()
		broken = append(broken, err)
	})})
	for _, path := range []string{"/hello", "/where?x", "/stream?n=20&size=65536", "/yield?n=3", "/panic", "/panic-late"} {
		c := srv.dial()
		c.get(path)
		c.Close()
	}
	c := srv.dial()
	c.send(request("POST", "/echo", strings.Repeat("y", 200_000)))
	c.receive("POST")
	c.Close()
	c = srv.dial()
	c.send(request("GET", "/stream?n=100000&size=65536", ""))
	if _, err := c.head("GET"); err != nil {
		t.Fatal(err)
	}
	c.reset()
	srv.eventually("bodies must be closed", func() bool { return srv.app.Open.Load() == 0 && srv.engine.Stats().Busy == 0 })
	mu.Lock()
	defer mu.Unlock()
	for _, err := range broken {
		t.Errorf("the gateway's contract is broken: %v", err)
	}
}

func testStats(t *testing.T, s Subject) {
	srv := s.start(t, options{})
	if st := srv.engine.Stats(); st.Slots != int64(s.Traits.Slots+s.Traits.Workers) || st.Processes != 1 {
		t.Errorf("%+v: slots must be %d, processes 1", st, s.Traits.Slots+s.Traits.Workers)
	}
	for range 3 {
		c := srv.dial()
		c.get("/hello").text()
		c.Close()
	}
	srv.eventually("Stats must add up", func() bool {
		st := srv.engine.Stats()
		return st.Accepted == 3 && st.Requests == 3 && st.Errors == 0 && st.Busy == 0 && st.Queue == 0
	})
}
