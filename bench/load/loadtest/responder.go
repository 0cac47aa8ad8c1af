// Package loadtest is what tests of generators share: a server with knobs, and an
// authority that signs its certificates.
package loadtest

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"maps"
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dynobench/dyno/bench/load/plan"
	"github.com/dynobench/dyno/internal/peer"
)

// Responder is a server with knobs, for everything that a server can do wrong.
type Responder struct {
	net.Listener
	URL      string
	Accepted atomic.Int64
	Requests atomic.Int64

	// answer writes the answer to the n-th request of the server, counted
	// from 1, and tells whether the connection stays open. Default: hello.
	Answer func(w io.Writer, n int64, head []byte) bool
	Greet  func(w io.Writer) bool // called on accept; false closes at once
	Early  bool                   // answer before the request's body is read
	// together holds answers back while more requests have come, gather until
	// there are so many of them.
	Together bool
	Gather   int
	Starve   int64 // so many connections, the first ones, get no answer
	// frozen, while locked, holds every answer up.
	Frozen sync.RWMutex

	Mu    sync.Mutex
	Conns map[net.Conn]bool
	wg    sync.WaitGroup
}

// Hello is the answer that a Responder gives unless it is told otherwise.
const Hello = "HTTP/1.1 200 OK\r\nContent-Length: 13\r\nDate: Mon, 02 Jan 2006 15:04:05 GMT\r\n\r\nHello, World!"

// Reply gives the same answer to each request, as fmt.Sprintf makes it.
func Reply(format string, a ...any) func(io.Writer, int64, []byte) bool {
	text := fmt.Sprintf(format, a...)
	return func(w io.Writer, _ int64, _ []byte) bool {
		_, err := io.WriteString(w, text)
		return err == nil
	}
}

// Closing closes the connection after each answer.
func Closing(f func(io.Writer, int64, []byte) bool) func(io.Writer, int64, []byte) bool {
	return func(w io.Writer, n int64, head []byte) bool {
		f(w, n, head)
		return false
	}
}

// Respond serves until the test ends, when it fails unless all is closed.
func Respond(t testing.TB, network string, knobs func(*Responder)) *Responder {
	t.Helper()
	addr := "127.0.0.1:0"
	switch network {
	case "unix":
		addr = filepath.Join(t.TempDir(), "s")
	case "tcp6":
		addr = "[::1]:0"
	}
	l, err := net.Listen(network, addr)
	if err != nil {
		if network == "tcp6" {
			peer.Missing(t, "IPv6 on the loopback is missing: ", err)
		}
		t.Fatal(err)
	}
	r := &Responder{Listener: l, URL: "http://" + l.Addr().String() + "/hello", Answer: Reply(Hello), Conns: map[net.Conn]bool{}}
	if network == "unix" {
		r.URL = "unix:" + addr + ":/hello"
	}
	if knobs != nil {
		knobs(r)
	}
	r.wg.Go(r.accept)
	t.Cleanup(r.Stop)
	return r
}

// Stop closes the listener and all connections, and waits for them.
func (r *Responder) Stop() {
	r.Listener.Close()
	r.Mu.Lock()
	for c := range r.Conns {
		c.Close()
	}
	r.Mu.Unlock()
	r.wg.Wait()
}

func (r *Responder) accept() {
	for {
		c, err := r.Accept()
		if err != nil {
			return
		}
		number := r.Accepted.Add(1)
		r.Mu.Lock()
		r.Conns[c] = true
		r.Mu.Unlock()
		r.wg.Go(func() {
			defer func() {
				c.Close()
				r.Mu.Lock()
				delete(r.Conns, c)
				r.Mu.Unlock()
			}()
			if number <= r.Starve {
				io.Copy(io.Discard, c)
				return
			}
			r.serve(c)
		})
	}
}

func (r *Responder) serve(c net.Conn) {
	if r.Greet != nil && !r.Greet(c) {
		return
	}
	in := bufio.NewReader(c)
	var head []byte
	var out io.Writer = c
	var held bytes.Buffer
	if r.Together || r.Gather > 0 {
		out = &held
	}
	for n := 1; ; n++ {
		head = head[:0]
		length := 0
		for !bytes.HasSuffix(head, []byte("\r\n\r\n")) {
			line, err := in.ReadSlice('\n')
			if err != nil {
				return
			}
			if value, ok := bytes.CutPrefix(line, []byte("Content-Length: ")); ok {
				length, _ = strconv.Atoi(string(bytes.TrimSpace(value)))
			}
			head = append(head, line...)
		}
		if !r.Early {
			if _, err := in.Discard(length); err != nil {
				return
			}
		}
		r.Frozen.RLock()
		keep := r.Answer(out, r.Requests.Add(1), head)
		r.Frozen.RUnlock()
		if !keep || r.Together && in.Buffered() == 0 || r.Gather > 0 && n%r.Gather == 0 {
			if _, err := held.WriteTo(c); err != nil {
				return
			}
		}
		if !keep {
			return
		}
	}
}

// Path is what a request head asks for.
func Path(head []byte) string {
	fields := strings.Fields(string(head[:bytes.IndexByte(head, '\r')]))
	return fields[1]
}

// Short is a small run against r.
func Short(r *Responder) plan.Config {
	return plan.Config{
		URL: r.URL, Connections: 4, Duration: 150 * time.Millisecond, Timeout: 5 * time.Second,
		Requests: []plan.Request{{Path: "/hello", Length: -1, Want: []byte("Hello, World!")}},
	}
}

// Heads counts the request heads that come to a responder.
type Heads struct {
	mu sync.Mutex
	n  map[string]int64
}

// Count adds the head of one request.
func (h *Heads) Count(head []byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.n == nil {
		h.n = map[string]int64{}
	}
	h.n[string(head)]++
}

// All are the heads so far; the responder may still get more.
func (h *Heads) All() map[string]int64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return maps.Clone(h.n)
}

// Of tells how many requests came for the path.
func (h *Heads) Of(target string) (n int64) {
	for head, times := range h.All() {
		if Path([]byte(head)) == target {
			n += times
		}
	}
	return n
}
