package enginetest

import (
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/dynobench/dyno/internal/peer"
	"github.com/dynobench/dyno/internal/testkit"
	"github.com/dynobench/dyno/protocol/gateway"
)

// with answers path by app, and all else as before.
func with(path string, app gateway.App) gateway.Middleware {
	return func(next gateway.App) gateway.App {
		return func(env *gateway.Environ, start gateway.StartResponse) gateway.Body {
			if env.Path == path {
				return app(env, start)
			}
			return next(env, start)
		}
	}
}

func say(start gateway.StartResponse, text string) gateway.Body {
	if err := start(200, plain, nil); err != nil {
		return gateway.Fail(err)
	}
	return gateway.Bytes([]byte(text))
}

// Ten thousand requests wait on one loop at once, and others are served
// meanwhile. The loop has a process of its own, and with it descriptors.
func TestCoroutinesWait(t *testing.T) {
	t.Parallel()
	n := 10_000
	if testkit.Race { // it takes a millisecond for each
		n = 1000
	}
	var files syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files); err != nil {
		t.Fatal(err)
	}
	if need := uint64(n + 1000); files.Cur < need {
		peer.Missing(t, "needs ", need, " open files, may have ", files.Cur, ": ulimit -n ", need)
	}
	p := startProcess(t, "coroutine,loops=1")
	var waiting []net.Conn
	defer func() {
		for _, c := range waiting {
			c.Close()
		}
	}()
	wait := func() {
		c, err := p.connect()
		if err != nil {
			t.Fatalf("connection %d: %v", len(waiting), err)
		}
		waiting = append(waiting, c)
		if _, err := io.WriteString(c, request("GET", fmt.Sprint("/together?n=", n), "")); err != nil {
			t.Fatal(err)
		}
	}
	for range n - 1 {
		wait()
	}
	asked := 0
	testkit.Eventually(t, "all requests must be in flight at once", func() bool {
		fmt.Fprintln(p.stdin, "stats")
		asked++
		return strings.Contains(p.await("Stats must answer", "stats ", asked), fmt.Sprintf(" busy=%d ", n-1))
	})
	other := p.dial()
	if got := other.get("/hello").text(); got != Hello {
		t.Error(got)
	}
	other.Close()
	wait() // the one that all are waiting for
	for _, c := range waiting {
		if got := newClient(t, c).receive("GET").text(); got != "together" {
			t.Fatal(got)
		}
	}
	p.terminate()
}

// An app that blocks the thread blocks the loop, one that waits by the hook
// does not: what happens in which order shows it.
func TestCoroutineBlocks(t *testing.T) {
	for _, blocks := range []bool{true, false} {
		var mu sync.Mutex
		var order []string
		note := func(what string) { mu.Lock(); order = append(order, what); mu.Unlock() }
		begun, release := make(chan bool, 1), make(chan struct{})
		slow := with("/slow", func(env *gateway.Environ, start gateway.StartResponse) gateway.Body {
			note("begin")
			begun <- true
			for done := false; !done; {
				if blocks {
					<-release
					done = true
					continue
				}
				select {
				case <-release:
					done = true
				default:
					env.Wait.Sleep(env.Context, time.Millisecond)
				}
			}
			note("end")
			return say(start, "slow")
		})
		fast := with("/fast", func(_ *gateway.Environ, start gateway.StartResponse) gateway.Body {
			note("fast")
			return say(start, "fast")
		})
		srv := subject("coroutine,loops=1", Traits{}).start(t, options{wrap: func(a gateway.App) gateway.App { return slow(fast(a)) }})
		a, b := srv.dial(), srv.dial()
		a.send(request("GET", "/slow", ""))
		<-begun
		b.send(request("GET", "/fast", ""))
		want := []string{"begin", "end", "fast"}
		if !blocks {
			want = []string{"begin", "fast", "end"}
			b.receive("GET").text()
		}
		close(release)
		a.receive("GET").text()
		if blocks {
			b.receive("GET").text()
		}
		mu.Lock()
		if !slices.Equal(order, want) {
			t.Errorf("blocks %v: %q, want %q", blocks, order, want)
		}
		mu.Unlock()
		a.Close()
		b.Close()
	}
}

// Requests wait for descriptors, several for the same one, and time out.
func TestCoroutineDescriptors(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	rfd, wfd := int(r.Fd()), int(w.Fd())
	app := func(env *gateway.Environ, start gateway.StartResponse) gateway.Body {
		var err error
		switch env.Query {
		case "read":
			err = env.Wait.Readable(env.Context, rfd, 0)
		case "write":
			err = env.Wait.Writable(env.Context, wfd, time.Minute)
		case "late":
			err = env.Wait.Readable(env.Context, rfd, time.Millisecond)
		}
		if err != nil {
			return say(start, err.Error())
		}
		return say(start, "ready")
	}
	srv := subject("coroutine,loops=1", Traits{}).start(t, options{wrap: with("/fd", app)})
	c := srv.dial()
	if got := c.get("/fd?late").text(); got != gateway.ErrWaitTimeout.Error() {
		t.Errorf("nothing to read: %q", got)
	}
	if got := c.get("/fd?write").text(); got != "ready" {
		t.Errorf("room to write: %q", got)
	}
	var readers []*client
	for range 3 {
		r := srv.dial()
		r.send(request("GET", "/fd?read", ""))
		readers = append(readers, r)
	}
	c.get("/hello").text()
	unix.Write(wfd, []byte("x"))
	for _, r := range readers {
		if got := r.receive("GET").text(); got != "ready" {
			t.Errorf("something to read: %q", got)
		}
		r.Close()
	}
	c.Close()
}

// An app that ends its goroutine ends its request and nothing else.
func TestGoexit(t *testing.T) {
	exit := func(env *gateway.Environ, start gateway.StartResponse) gateway.Body {
		if env.Query == "late" {
			start(200, plain, nil)
			return gateway.Chunks(func(yield func([]byte, error) bool) {
				if yield([]byte("some"), nil) {
					runtime.Goexit()
				}
			})
		}
		env.Wait.Sleep(env.Context, time.Millisecond)
		runtime.Goexit()
		return nil
	}
	for _, spec := range []string{"goroutine", "eventloop,loops=1", "eventloop-pool,workers=1", "coroutine,loops=1"} {
		t.Run(spec, func(t *testing.T) {
			srv := subject(spec, Traits{}).start(t, options{wrap: with("/exit", exit)})
			other := srv.dial()
			other.get("/hello").text()
			for _, path := range []string{"/exit", "/exit?late", "/exit"} {
				if r := srv.dial().get(path); r.err == nil {
					t.Errorf("%s: the connection must end, not answer %d", path, r.StatusCode)
				}
			}
			if got := other.get("/hello").text(); got != Hello {
				t.Error(got)
			}
			other.Close()
			srv.alive()
		})
	}
}
