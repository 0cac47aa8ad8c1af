package load

import (
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/dynobench/dyno/bench/load/loadtest"
	"github.com/dynobench/dyno/bench/load/plan"
	"github.com/dynobench/dyno/results"
)

// An answer that ends with its connection is whole only if the server has
// closed it, whoever learns first that it has cut it: the one who reads, or
// the one who still writes.
func TestCutWhileSending(t *testing.T) { eachTransport(t, cutWhileSending) }

func cutWhileSending(t *testing.T) {
	for _, cut := range []bool{true, false} {
		r := loadtest.Respond(t, "tcp", func(r *loadtest.Responder) {
			r.Early = true
			r.Answer = func(w io.Writer, _ int64, _ []byte) bool {
				c := w.(*net.TCPConn)
				io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\nHello, W")
				if cut {
					c.SetLinger(0)
					return false
				}
				c.CloseWrite()
				io.Copy(io.Discard, c)
				return false
			}
		})
		c := loadtest.Short(r)
		c.Timeout = 20 * time.Second
		c.Requests = []plan.Request{{Method: "POST", Path: "/", Length: -1, Body: []byte(strings.Repeat("x", 6<<20))}}
		l := mustSee(t, c, something)
		if right, wrong := l.Requests, l.Errors.Total(); cut && (right != 0 || wrong == 0) || !cut && (right == 0 || wrong != 0) {
			t.Errorf("cut %v: %d answers, %+v", cut, right, l.Errors)
		}
	}
}

// Garbage is a failed answer, and not the end of a connection that had enough
// of it, however much of it comes at once.
func TestGarbageOnKeptConnection(t *testing.T) { eachTransport(t, garbageOnKeptConnection) }

func garbageOnKeptConnection(t *testing.T) {
	r := loadtest.Respond(t, "tcp", func(r *loadtest.Responder) {
		r.Answer = func(w io.Writer, n int64, head []byte) bool {
			if n%2 == 0 {
				io.WriteString(w, strings.Repeat("x", 64<<10))
				return false
			}
			return loadtest.Reply(loadtest.Hello)(w, n, head)
		}
	})
	c := loadtest.Short(r)
	c.Connections = 1
	if l := mustSee(t, c, func(l *results.Load) bool { return l.Errors.Total() > 0 }); l.Errors.Read == 0 || l.Resent != 0 {
		t.Errorf("%d answers, %+v, %d sent again", l.Requests, l.Errors, l.Resent)
	}
}
