package load

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dynobench/dyno/bench/load/loadtest"
	"github.com/dynobench/dyno/bench/load/plan"
	"github.com/dynobench/dyno/results"
)

// A reset is a failed read or write, whenever it comes; what was answered
// before it stands.
func TestResets(t *testing.T) {
	reset := func(w io.Writer) {
		w.(*net.TCPConn).SetLinger(0)
		w.(*net.TCPConn).Close()
	}
	for name, answer := range map[string]func(io.Writer, int64, []byte) bool{
		"instead of an answer": func(w io.Writer, n int64, head []byte) bool { reset(w); return false },
		"in the middle": func(w io.Writer, n int64, head []byte) bool {
			io.WriteString(w, loadtest.Hello[:len(loadtest.Hello)-4])
			reset(w)
			return false
		},
	} {
		t.Run(name, func(t *testing.T) {
			eachGenerator(t, func(t *testing.T, generator string) {
				r := loadtest.Respond(t, "tcp", func(r *loadtest.Responder) {
					r.Answer = func(w io.Writer, n int64, head []byte) bool {
						if n%5 == 0 {
							return answer(w, n, head)
						}
						return loadtest.Reply(loadtest.Hello)(w, n, head)
					}
				})
				c := loadtest.Short(r)
				c.Generator = generator
				c.Requests[0].Method = "POST" // nobody sends it a second time
				l := mustSee(t, c, func(l *results.Load) bool { return l.Requests > 0 && l.Errors.Total() > 0 })
				if generator == "native" && !strings.Contains(l.Warnings[0].Message, "reset by peer") && l.Errors.Write == 0 {
					t.Errorf("%+v", l.Warnings)
				}
				if failed := l.Errors.Read + l.Errors.Write; failed == 0 || failed != l.Errors.Total() || l.Requests == 0 || l.Valid {
					t.Errorf("%d answers, %+v, valid %v", l.Requests, l.Errors, l.Valid)
				}
			})
		})
	}
}

// An answer of a hundred megabytes is read to its end in bounded memory, and
// is no answer where a short one is due.
func TestHugeAnswer(t *testing.T) {
	const size = 100 << 20
	eachGenerator(t, func(t *testing.T, generator string) {
		if generator == "vegeta" {
			return // it keeps what it reads, up to a bound of its own
		}
		piece := make([]byte, 1<<20)
		r := loadtest.Respond(t, "tcp", func(r *loadtest.Responder) {
			r.Answer = func(w io.Writer, _ int64, _ []byte) bool {
				io.WriteString(w, "HTTP/1.1 200 OK\r\nContent-Length: 104857600\r\n\r\n")
				for range size / len(piece) {
					if _, err := w.Write(piece); err != nil {
						return false
					}
				}
				return true
			}
		})
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for _, length := range []int64{size, 13} {
			c := loadtest.Short(r)
			c.Connections, c.Timeout = 1, time.Minute
			c.Requests = []plan.Request{{Path: "/", Length: length}}
			l := mustSee(t, c, something)
			if l.Requests == 0 || (l.Errors.Total() == 0) != (length == size) || l.Errors.Body != l.Errors.Total() {
				t.Errorf("length %d: %d answers, %+v", length, l.Requests, l.Errors)
			}
			if l.BytesRead < l.Requests*size {
				t.Errorf("length %d: %d bytes of %d answers", length, l.BytesRead, l.Requests)
			}
		}
		if runtime.ReadMemStats(&after); after.TotalAlloc-before.TotalAlloc > size/2 {
			t.Errorf("%d bytes were allocated", after.TotalAlloc-before.TotalAlloc)
		}
	})
}

// A run talks to one address: that the name is gone meanwhile is nobody's loss.
func TestNameGoesAway(t *testing.T) {
	eachGenerator(t, func(t *testing.T, generator string) {
		r := loadtest.Respond(t, "tcp4", func(r *loadtest.Responder) {
			r.Answer = loadtest.Closing(loadtest.Reply("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 13\r\n\r\nHello, World!"))
		})
		var asked atomic.Int64
		old := plan.Lookup
		defer func() { plan.Lookup = old }()
		plan.Lookup = func(context.Context, string, string) ([]netip.Addr, error) {
			if asked.Add(1) > 1 {
				return nil, errors.New("no such host")
			}
			return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil
		}
		c := loadtest.Short(r)
		c.Generator = generator
		c.URL = strings.Replace(c.URL, "127.0.0.1", "server.test", 1)
		l := until(func() *results.Load {
			asked.Store(0)
			return mustRun(t, c)
		}, func(l *results.Load) bool { return l.Reconnects > 0 || l.Errors.Total() > 0 })
		if l.Requests == 0 || l.Errors.Total() != 0 || l.Reconnects == 0 {
			t.Errorf("%d answers, %+v, %d reconnects", l.Requests, l.Errors, l.Reconnects)
		}
		if _, err := Run(t.Context(), c); err == nil || !strings.Contains(err.Error(), "server.test") {
			t.Errorf("a name that does not resolve: %v", err)
		}
	})
}

// A server that is gone for good in mid-run: the result says what became of the
// attempts to reach it.
func TestServerGoesAway(t *testing.T) {
	eachGenerator(t, func(t *testing.T, generator string) {
		l := until(func() *results.Load {
			r := loadtest.Respond(t, "tcp", nil)
			c := loadtest.Short(r)
			c.Generator, c.Warmup = generator, 200*time.Millisecond
			c.Phase = func(p plan.Phase) {
				if p == plan.MeasureStart {
					r.Stop()
				}
			}
			return mustRun(t, c)
		}, func(l *results.Load) bool { return l.Errors.Connect > 0 })
		i := slices.IndexFunc(l.Warnings, func(w results.Warning) bool { return w.Code == results.CodeErrors })
		if l.Errors.Connect == 0 || l.Valid || i < 0 || !strings.Contains(l.Warnings[i].Message, "connection refused") {
			t.Errorf("%+v, valid %v, %+v", l.Errors, l.Valid, l.Warnings)
		}
	})
}

// A server that resets every other connection as soon as it has it: half of
// what is tried is an error, and the rest stands.
func TestHalfRefused(t *testing.T) {
	eachGenerator(t, func(t *testing.T, generator string) {
		var n atomic.Int64
		r := loadtest.Respond(t, "tcp", func(r *loadtest.Responder) {
			r.Greet = func(w io.Writer) bool {
				if n.Add(1)%2 == 0 {
					w.(*net.TCPConn).SetLinger(0)
					return false
				}
				return true
			}
			r.Answer = func(w io.Writer, n int64, head []byte) bool {
				loadtest.Reply("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 13\r\n\r\nHello, World!")(w, n, head)
				return false
			}
		})
		c := loadtest.Short(r)
		c.Generator = generator
		c.Requests[0].Method = "POST" // nobody sends it a second time
		l := mustSee(t, c, func(l *results.Load) bool { return l.Requests > 0 && l.Errors.Total() > 0 })
		lost := l.Errors.Connect + l.Errors.Read + l.Errors.Write
		if l.Requests == 0 || lost == 0 || lost != l.Errors.Total() || l.Valid {
			t.Errorf("%d answers, %+v, valid %v", l.Requests, l.Errors, l.Valid)
		}
		if answers := r.Requests.Load(); l.Requests > answers {
			t.Errorf("%d right answers of %d", l.Requests, answers)
		}
	})
}
