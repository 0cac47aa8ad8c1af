package load

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/dynobench/dyno/bench/load/loadtest"
	"github.com/dynobench/dyno/bench/load/plan"
	"github.com/dynobench/dyno/results"
)

// A connection is not given up because an answer comes while later requests are
// on their way: the server accepts as many connections as there are.
func TestPipelineKeepsConnections(t *testing.T) { eachTransport(t, pipelineKeepsConnections) }

func pipelineKeepsConnections(t *testing.T) {
	for _, body := range []string{"x", strings.Repeat("x", 300<<10), "${seq}"} {
		r := loadtest.Respond(t, "tcp", nil)
		c := loadtest.Short(r)
		c.Connections, c.Pipeline, c.Timeout, c.Warmup = 2, 32, 20*time.Second, 0
		c.Requests = []plan.Request{{Path: "/", Method: "POST", Body: []byte(body), Length: 13}}
		runs := int64(0)
		l := until(func() *results.Load {
			runs++
			return mustRun(t, c)
		}, func(l *results.Load) bool { return l.Requests > 64 })
		if l.Errors.Total() != 0 || l.Reconnects != 0 || r.Accepted.Load() != 2*runs {
			t.Errorf("%d bytes: %d answers, %+v, %d made again, %d accepted", len(body), l.Requests, l.Errors, l.Reconnects, r.Accepted.Load())
		}
	}
}

// A server that announces the last answer of a connection acts upon nothing
// behind it. What was sent there is sent again, whatever its method, and the
// next connection has as many requests under way as the first.
func TestPipelineAfterClose(t *testing.T) { eachTransport(t, pipelineAfterClose) }

func pipelineAfterClose(t *testing.T) {
	const depth = 4
	r := loadtest.Respond(t, "tcp", func(r *loadtest.Responder) {
		r.Gather = depth // with fewer under way nothing is answered
		r.Answer = func(w io.Writer, n int64, _ []byte) bool {
			last := n%(2*depth) == 0
			head := "HTTP/1.1 200 OK\r\n"
			if last {
				head += "Connection: close\r\n"
			}
			fmt.Fprintf(w, "%sContent-Length: 0\r\n\r\n", head)
			return !last
		}
	})
	c := loadtest.Short(r)
	c.Connections, c.Pipeline, c.Timeout = 1, depth, 20*time.Second
	c.Requests = []plan.Request{{Path: "/", Method: "POST", Length: 0}}
	l := mustSee(t, c, func(l *results.Load) bool { return l.Reconnects > 1 })
	if l.Errors.Total() != 0 || l.Requests < 4*depth || l.Reconnects < 2 {
		t.Errorf("%d answers, %+v, %d connections made again, %+v", l.Requests, l.Errors, l.Reconnects, l.Warnings)
	}
}

// A request that says Connection: close is its connection's last, and the
// server is not to blame for the end of it.
func TestOwnConnectionClose(t *testing.T) { eachTransport(t, ownConnectionClose) }

func ownConnectionClose(t *testing.T) {
	r := loadtest.Respond(t, "tcp", func(r *loadtest.Responder) {
		r.Answer = func(w io.Writer, n int64, head []byte) bool {
			loadtest.Reply(loadtest.Hello)(w, n, head) // and does not say that it will close
			return !strings.Contains(string(head), "close")
		}
	})
	c := loadtest.Short(r)
	c.Requests = []plan.Request{
		{Path: "/hello", Method: "POST", Length: 13, Header: [][2]string{{"connection", "X-Else, Close"}, {"X-Else", "1"}}},
		{Path: "/hello", Method: "POST", Length: 13, Class: "kept"},
	}
	l := mustSee(t, c, func(l *results.Load) bool { return l.Reconnects > 4 })
	if l.Errors.Total() != 0 || l.Resent != 0 || l.Reconnects < 4 {
		t.Errorf("%d answers, %+v, %d sent again, %d made again", l.Requests, l.Errors, l.Resent, l.Reconnects)
	}
}
