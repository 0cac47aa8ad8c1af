package load

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dynobench/dyno/bench/load/loadtest"
	"github.com/dynobench/dyno/bench/load/plan"
	"github.com/dynobench/dyno/results"
)

// echoPath answers with the path that was asked for, so that an answer that is
// taken for another request's shows.
func echoPath(w io.Writer, _ int64, head []byte) bool {
	p := loadtest.Path(head)
	_, err := fmt.Fprintf(w, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(p), p)
	return err == nil
}

func paths(n int) []plan.Request {
	var all []plan.Request
	for i := range n {
		p := "/" + strings.Repeat("x", i)
		all = append(all, plan.Request{Path: p, Want: []byte(p)})
	}
	return all
}

// Pipelined answers belong to the requests in their order, whatever pieces
// they come in and wherever the server ends a connection.
func TestPipelining(t *testing.T) { eachTransport(t, pipelining) }

func pipelining(t *testing.T) {
	for name, knobs := range map[string]func(*loadtest.Responder){
		"kept":     func(r *loadtest.Responder) { r.Answer = echoPath },
		"together": func(r *loadtest.Responder) { r.Answer, r.Together = echoPath, true },
		"in pieces": func(r *loadtest.Responder) {
			r.Answer = func(w io.Writer, n int64, head []byte) bool {
				var b bytes.Buffer
				echoPath(&b, n, head)
				for b.Len() > 0 {
					if _, err := w.Write(b.Next(17)); err != nil {
						return false
					}
				}
				return true
			}
		},
		"closed without notice": func(r *loadtest.Responder) {
			r.Answer = func(w io.Writer, n int64, head []byte) bool { return echoPath(w, n, head) && n%7 != 0 }
		},
		"closed with notice": func(r *loadtest.Responder) {
			r.Answer = func(w io.Writer, n int64, head []byte) bool {
				if n%7 != 0 {
					return echoPath(w, n, head)
				}
				p := loadtest.Path(head)
				fmt.Fprintf(w, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s", len(p), p)
				return false
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			for _, model := range []plan.Model{plan.Closed, plan.Open} {
				r := loadtest.Respond(t, "tcp", knobs)
				c := loadtest.Short(r)
				c.Requests, c.Pipeline, c.Connections, c.Model, c.Timeout = paths(5), 8, 2, model, 20*time.Second
				if model == plan.Open {
					c.Rate = 2000
				}
				l := mustSee(t, c, func(l *results.Load) bool {
					return !slices.ContainsFunc(l.Classes, func(s results.ClassStats) bool { return s.Requests == 0 })
				})
				e := l.Errors
				// A server that closes without notice may do it in the middle of an
				// answer to nothing; what was under way goes again. It resets the
				// connection where it has not read all, and answers may be lost with it:
				// those of a first request on a connection count as failed.
				if strings.HasPrefix(name, "closed") {
					e.Read, e.Write = 0, 0
				}
				if e.Unsent = 0; l.Requests == 0 || e.Total() != 0 {
					t.Errorf("%s: %d answers, %+v", model, l.Requests, l.Errors)
				}
				if l.Pipeline != 8 {
					t.Errorf("pipeline %d in the result", l.Pipeline)
				}
				for _, class := range l.Classes {
					if class.Requests == 0 {
						t.Errorf("%s: no answer of class %s", model, class.Class)
					}
				}
			}
		})
	}
}

// In the closed loop a server that waits for several requests before it
// answers the first gets them.
func TestPipelineIsFull(t *testing.T) { eachTransport(t, pipelineIsFull) }

func pipelineIsFull(t *testing.T) {
	r := loadtest.Respond(t, "tcp", func(r *loadtest.Responder) { r.Answer, r.Gather = echoPath, 16 })
	c := loadtest.Short(r)
	c.Requests, c.Pipeline, c.Connections = paths(1), 16, 3
	if l := mustSee(t, c, something); l.Requests < 48 || l.Errors.Total() != 0 {
		t.Errorf("%d answers, %+v", l.Requests, l.Errors)
	}
}

// POST is not sent twice where the server may have seen it.
func TestNoSecondPost(t *testing.T) { eachTransport(t, noSecondPost) }

func noSecondPost(t *testing.T) {
	r := loadtest.Respond(t, "tcp", func(r *loadtest.Responder) {
		r.Answer = func(w io.Writer, n int64, head []byte) bool {
			return echoPath(w, n, head) && n%3 != 0
		}
	})
	c := loadtest.Short(r)
	c.Requests, c.Pipeline, c.Connections = []plan.Request{{Path: "/", Method: "POST", Length: -1}}, 4, 1
	l := mustSee(t, c, func(l *results.Load) bool { return l.Errors.Total() > 0 })
	if l.Resent != 0 {
		t.Errorf("%d POST requests were sent again", l.Resent)
	}
	if l.Errors.Read+l.Errors.Write == 0 {
		t.Errorf("no request failed, though connections were closed under them: %+v", l.Errors)
	}
}

// A connection for each request: as many are accepted as requests come, each
// asks for the end, and connecting is part of the latency.
func TestFreshConnections(t *testing.T) { eachTransport(t, freshConnections) }

func freshConnections(t *testing.T) {
	for _, network := range []string{"tcp", "unix"} {
		for _, model := range []plan.Model{plan.Closed, plan.Open} {
			var asked atomic.Int64
			r := loadtest.Respond(t, network, func(r *loadtest.Responder) {
				r.Answer = func(w io.Writer, n int64, head []byte) bool {
					if bytes.Contains(head, []byte("Connection: close\r\n")) {
						asked.Add(1)
					}
					return loadtest.Reply(loadtest.Hello)(w, n, head) // and it keeps the connection all the same
				}
			})
			c := loadtest.Short(r)
			c.Fresh, c.Model = true, model
			if model == plan.Open {
				c.Rate, c.Timeout = 300, 20*time.Second
			}
			runs := int64(0)
			l := until(func() *results.Load {
				runs++
				return mustRun(t, c)
			}, func(l *results.Load) bool { return l.Reconnects > 0 })
			e := l.Errors
			if e.Unsent = 0; l.Requests == 0 || e.Total() != 0 || !l.Fresh || l.Reconnects == 0 {
				t.Errorf("%s, %s: %d answers, %+v, fresh %v, %d reconnects", network, model, l.Requests, l.Errors, l.Fresh, l.Reconnects)
			}
			r.Stop() // the last requests may still be on their way
			requests := r.Requests.Load()
			if asked.Load() != requests {
				t.Errorf("%s, %s: %d of %d requests asked for the connection's end", network, model, asked.Load(), requests)
			}
			// The first connections may not have come to a request yet.
			if n := r.Accepted.Load(); n < requests || n > requests+runs*int64(c.Connections) {
				t.Errorf("%s, %s: %d connections for %d requests", network, model, n, requests)
			}
		}
	}
}

// Connections come from the addresses that are given, in turn.
func TestSources(t *testing.T) { eachTransport(t, sources) }

func sources(t *testing.T) {
	var mu sync.Mutex
	from := map[string]int{}
	r := loadtest.Respond(t, "tcp4", func(r *loadtest.Responder) {
		r.Answer = func(w io.Writer, n int64, head []byte) bool {
			host, _, _ := net.SplitHostPort(w.(net.Conn).RemoteAddr().String())
			mu.Lock()
			from[host]++
			mu.Unlock()
			return loadtest.Reply(loadtest.Hello)(w, n, head)
		}
	})
	c := loadtest.Short(r)
	c.Connections = 6
	c.Sources = []netip.Addr{netip.MustParseAddr("127.0.0.2"), netip.MustParseAddr("127.0.0.3"), netip.MustParseAddr("127.0.0.4")}
	if l := mustSee(t, c, func(l *results.Load) bool { return l.Connection.Starved == 0 }); l.Errors.Total() != 0 {
		t.Errorf("%+v", l.Errors)
	}
	mu.Lock()
	defer mu.Unlock()
	if len(from) != 3 {
		t.Errorf("requests came from %v", from)
	}

	c.Sources = []netip.Addr{netip.MustParseAddr("192.0.2.1")} // set aside for documentation
	if _, err := Run(t.Context(), c); err == nil || !strings.Contains(err.Error(), "source address") {
		t.Errorf("from an address that is not ours: %v", err)
	}
}
