package load

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/dynobench/dyno/bench/load/loadtest"
	"github.com/dynobench/dyno/bench/load/plan"
	"github.com/dynobench/dyno/results"
)

// eachGenerator runs f as a subtest per generator that this system has, the
// native one with each of its transports.
func eachGenerator(t *testing.T, f func(t *testing.T, generator string)) {
	eachTransport(t, func(t *testing.T) { f(t, "native") })
	t.Run("vegeta", func(t *testing.T) { f(t, "vegeta") })
}

// threadsOf is how many threads a generator is asked for: vegeta has none.
func threadsOf(generator string, n int) int {
	if generator == "vegeta" {
		return 1
	}
	return n
}

func mustRun(t *testing.T, c plan.Config) *results.Load {
	t.Helper()
	l, err := Run(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	consistent(t, l)
	return l
}

// mustSee repeats a short run, a bounded number of times, until seen is true of
// it: on a host that is busy enough a window can pass with nobody running. What
// has been seen is for the test to judge.
func mustSee(t *testing.T, c plan.Config, seen func(*results.Load) bool) *results.Load {
	t.Helper()
	return until(func() *results.Load { return mustRun(t, c) }, seen)
}

// something is true of a run that has seen anything at all.
func something(l *results.Load) bool { return l.Requests+l.Errors.Total() > 0 }

// until repeats run, a bounded number of times, until seen is true of it.
func until(run func() *results.Load, seen func(*results.Load) bool) *results.Load {
	l := run()
	for range 20 {
		if seen(l) {
			break
		}
		l = run()
	}
	return l
}

// consistent holds a result against itself.
func consistent(t *testing.T, l *results.Load) {
	t.Helper()
	h, err := results.DecodeHistogram(l.Histogram)
	if err != nil {
		t.Fatal(err)
	}
	// Each connection may have had its requests from before the window.
	carried := int64(l.Connections * max(1, l.Pipeline))
	if n, want := h.TotalCount(), l.Requests+l.Errors.Timeout+l.Errors.Unsent+l.Cut; n < want || n > want+carried {
		t.Errorf("the histogram has %d latencies, expected %d and up to %d from before", n, want, carried)
	}
	var answers, failures, done int64
	for _, c := range l.Classes {
		answers += c.Requests
		failures += c.Errors
	}
	if answers != l.Requests || failures != l.Errors.Total() {
		t.Errorf("the classes have %d answers and %d errors, the whole %d and %d", answers, failures, l.Requests, l.Errors.Total())
	}
	for _, p := range l.Series {
		done += p.Done
	}
	// What vegeta was late with before the window is answered within it.
	if done > l.Requests+carried && (l.Generator == "native" || l.Model == string(plan.Closed)) {
		t.Errorf("the series has %d answers, the whole %d and up to %d from before", done, l.Requests, carried)
	}
	if w := l.WholeRun; w.Sent != w.Answered+w.Again+w.Failed+w.Cut || w.Answered < l.Requests {
		t.Errorf("of the whole run %+v, of the window %d answers", w, l.Requests)
	}
	if l.Schema != results.LoadSchema {
		t.Errorf("schema %q", l.Schema)
	}
}

func TestAnswers(t *testing.T) {
	for _, test := range []struct {
		name, network string
		change        func(*plan.Config)
		knobs         func(*loadtest.Responder)
	}{
		{name: "IPv4", network: "tcp4"},
		{name: "IPv6", network: "tcp6"},
		{name: "Unix", network: "unix"},
		{name: "host name", network: "tcp4", change: func(c *plan.Config) { c.URL = strings.Replace(c.URL, "127.0.0.1", "localhost", 1) }},
		{name: "threads", network: "tcp4", change: func(c *plan.Config) { c.Threads, c.Connections = threadsOf(c.Generator, 3), 7 }},
		{name: "warm-up", network: "tcp4", change: func(c *plan.Config) { c.Warmup = 600 * time.Millisecond }},
		{name: "chunked", network: "tcp4", knobs: func(r *loadtest.Responder) {
			r.Answer = loadtest.Reply("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nHello\r\n8\r\n, World!\r\n0\r\n\r\n")
		}},
		{name: "in pieces", network: "tcp4", knobs: func(r *loadtest.Responder) {
			r.Answer = func(w io.Writer, n int64, head []byte) bool {
				for i := 0; i < len(loadtest.Hello); i += 40 {
					io.WriteString(w, loadtest.Hello[i:min(i+40, len(loadtest.Hello))])
				}
				return true
			}
		}},
		{name: "close", network: "tcp4", knobs: func(r *loadtest.Responder) {
			r.Answer = loadtest.Closing(loadtest.Reply("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 13\r\n\r\nHello, World!"))
		}},
		{name: "close, Unix", network: "unix", knobs: func(r *loadtest.Responder) {
			r.Answer = loadtest.Closing(loadtest.Reply("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 13\r\n\r\nHello, World!"))
		}},
		{name: "unannounced close", network: "tcp4", knobs: func(r *loadtest.Responder) { r.Answer = loadtest.Closing(loadtest.Reply(loadtest.Hello)) }},
		{name: "close after a few", network: "tcp4", knobs: func(r *loadtest.Responder) {
			r.Answer = func(w io.Writer, n int64, head []byte) bool {
				return loadtest.Reply(loadtest.Hello)(w, n, head) && n%5 != 0
			}
		}},
		{name: "interim answers", network: "tcp4", knobs: func(r *loadtest.Responder) {
			r.Answer = loadtest.Reply("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n%s", loadtest.Hello)
		}},
		{name: "no content", network: "tcp4", change: func(c *plan.Config) { c.Requests = []plan.Request{{Path: "/", Status: 204}} },
			knobs: func(r *loadtest.Responder) { r.Answer = loadtest.Reply("HTTP/1.1 204 No Content\r\n\r\n") }},
		{name: "until close", network: "tcp4", knobs: func(r *loadtest.Responder) {
			r.Answer = loadtest.Closing(loadtest.Reply("HTTP/1.0 200 OK\r\n\r\nHello, World!"))
		}},
		{name: "digest", network: "tcp4", change: func(c *plan.Config) {
			sum := sha256.Sum256([]byte("Hello, World!"))
			c.Requests = []plan.Request{{Path: "/", Length: 13, SHA256: hex.EncodeToString(sum[:])}}
		}},
		{name: "HEAD", network: "tcp4", change: func(c *plan.Config) { c.Requests = []plan.Request{{Path: "/", Method: "HEAD"}} },
			knobs: func(r *loadtest.Responder) {
				r.Answer = loadtest.Reply("HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n")
			}},
		{name: "large request", network: "tcp4", change: func(c *plan.Config) {
			c.Requests[0].Method, c.Requests[0].Body = "POST", make([]byte, 3<<20)
		}},
		{name: "large answer", network: "tcp4", change: func(c *plan.Config) {
			c.Requests = []plan.Request{{Path: "/", Length: 300000}}
		}, knobs: func(r *loadtest.Responder) {
			r.Answer = loadtest.Reply("HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n%s", strings.Repeat("x", 300000))
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			eachGenerator(t, func(t *testing.T, generator string) {
				r := loadtest.Respond(t, test.network, test.knobs)
				for _, model := range []plan.Model{plan.Closed, plan.Open} {
					c := loadtest.Short(r)
					c.Generator, c.Model = generator, model
					if model == plan.Open {
						c.Rate, c.Timeout = 300, 20*time.Second
					}
					if test.change != nil {
						test.change(&c)
					}
					closes := strings.HasPrefix(test.name, "close")
					var before int64
					l := until(func() *results.Load {
						before = r.Requests.Load()
						return mustRun(t, c)
					}, func(l *results.Load) bool {
						return l.Requests > 0 && (!closes || l.Reconnects > 0) || l.Errors.Total() > l.Errors.Unsent
					})
					e := l.Errors
					if e.Unsent = 0; l.Requests == 0 || e.Total() != 0 {
						t.Errorf("%s: %d answers, %+v", model, l.Requests, l.Errors)
					}
					// Each answer has been asked for; only a warm-up asks for more.
					if asked := r.Requests.Load() - before; asked < l.Requests || c.Warmup == 0 && model == plan.Open && asked != l.Requests {
						t.Errorf("%s: %d requests came, %d answers counted", model, asked, l.Requests)
					}
					if closes && l.Reconnects == 0 {
						t.Errorf("%s: no connection was made again", model)
					}
				}
			})
		})
	}
}

// Each way to answer wrongly is one kind of error and no other.
func TestErrorsByKind(t *testing.T) {
	type check func(e results.Errors) int64
	read := func(e results.Errors) int64 { return e.Read }
	lost := func(e results.Errors) int64 { return e.Read + e.Write }
	body := func(e results.Errors) int64 { return e.Body }
	for _, test := range []struct {
		name   string
		knobs  func(*loadtest.Responder)
		change func(*plan.Config)
		kind   check
		right  bool   // there are right answers as well, where only a sample is compared
		native bool   // net/http hides it, or tries again
		told   string // in the native generator's warning or its hint
	}{
		{name: "status", told: "the last one 503", kind: func(e results.Errors) int64 { return e.Status },
			knobs: func(r *loadtest.Responder) {
				r.Answer = loadtest.Reply("HTTP/1.1 503 Busy\r\nContent-Length: 13\r\n\r\nHello, World!")
			}},
		{name: "status 200 where 201 is due", change: func(c *plan.Config) { c.Requests[0].Status = 201 },
			kind: func(e results.Errors) int64 { return e.Status }},
		{name: "bytes", kind: body, right: true,
			knobs: func(r *loadtest.Responder) {
				r.Answer = loadtest.Reply("%s", strings.Replace(loadtest.Hello, "World", "Wurst", 1))
			}},
		{name: "digest", kind: body, right: true, change: func(c *plan.Config) {
			c.Requests[0].Want, c.Requests[0].SHA256 = nil, strings.Repeat("0", 64)
		}},
		{name: "short body", kind: body, knobs: func(r *loadtest.Responder) {
			r.Answer = loadtest.Reply("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nHello")
		}},
		{name: "long body", kind: body, knobs: func(r *loadtest.Responder) {
			r.Answer = loadtest.Reply("HTTP/1.1 200 OK\r\nContent-Length: 14\r\n\r\nHello, World!!")
		}},
		{name: "more than announced", kind: body, native: true, change: func(c *plan.Config) { c.Requests[0].Want = nil },
			knobs: func(r *loadtest.Responder) {
				r.Answer = loadtest.Reply("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nHello, World!")
			}},
		{name: "less than announced", kind: read,
			knobs: func(r *loadtest.Responder) {
				r.Answer = loadtest.Closing(loadtest.Reply("HTTP/1.1 200 OK\r\nContent-Length: 14\r\n\r\nHello"))
			}},
		{name: "close at once", kind: lost, knobs: func(r *loadtest.Responder) { r.Greet = func(io.Writer) bool { return false } }},
		{name: "close instead of an answer", kind: lost, told: "closed the connection before",
			knobs: func(r *loadtest.Responder) { r.Answer = func(io.Writer, int64, []byte) bool { return false } }},
		{name: "close in the head", kind: read, told: "closed the connection before", knobs: func(r *loadtest.Responder) { r.Answer = loadtest.Closing(loadtest.Reply("HTTP/1.1 200 OK\r\nConte")) }},
		{name: "garbage", kind: read, told: "malformed response", knobs: func(r *loadtest.Responder) { r.Answer = loadtest.Reply("SSH-2.0-OpenSSH_9.2\r\n") }},
		{name: "endless head", kind: read, told: "malformed response", knobs: func(r *loadtest.Responder) {
			r.Answer = func(w io.Writer, _ int64, _ []byte) bool {
				io.WriteString(w, "HTTP/1.1 200 OK\r\n")
				line := "X-Filler: " + strings.Repeat("x", 4000) + "\r\n"
				for {
					if _, err := io.WriteString(w, line); err != nil {
						return false
					}
				}
			}
		}},
		{name: "silence", told: "see what the server waits for", kind: func(e results.Errors) int64 { return e.Timeout }, change: func(c *plan.Config) { c.Timeout = 30 * time.Millisecond },
			knobs: func(r *loadtest.Responder) {
				r.Answer = func(io.Writer, int64, []byte) bool { return true }
			}},
		{name: "stall in the body", kind: func(e results.Errors) int64 { return e.Timeout }, change: func(c *plan.Config) { c.Timeout = 30 * time.Millisecond },
			knobs: func(r *loadtest.Responder) {
				r.Answer = loadtest.Reply("HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\nHello")
			}},
	} {
		t.Run(test.name, func(t *testing.T) {
			eachGenerator(t, func(t *testing.T, generator string) {
				if test.native && generator != "native" {
					return
				}
				r := loadtest.Respond(t, "tcp", test.knobs)
				c := loadtest.Short(r)
				c.Generator = generator
				if test.change != nil {
					test.change(&c)
				}
				sampled := test.right && (generator != "native" || c.Requests[0].SHA256 != "")
				var before int64
				l := until(func() *results.Load {
					before = r.Accepted.Load()
					return mustRun(t, c)
				}, func(l *results.Load) bool { // a sample takes several answers
					return something(l) && (!sampled || l.Requests > l.Errors.Body)
				})
				kind, right := test.kind(l.Errors), l.Requests-l.Errors.Status-l.Errors.Body
				if kind == 0 || kind != l.Errors.Total() {
					t.Errorf("%+v", l.Errors)
				}
				if (right > 0) != sampled || l.Valid {
					t.Errorf("%d right answers, valid %v %v", right, l.Valid, l.Warnings)
				}
				told := fmt.Sprint(l.Warnings)
				if generator == "native" && !strings.Contains(told, test.told) {
					t.Errorf("%q is not said in %s", test.told, told)
				}
				// A server that only ever fails is not stormed.
				if attempts := r.Accepted.Load() - before; generator == "native" && l.Requests == 0 && attempts > 20*int64(c.Connections) {
					t.Errorf("%d connections in %v", attempts, c.Duration)
				}
			})
		})
	}
}

// A server may answer before it has read the request, and then close.
func TestEarlyAnswer(t *testing.T) {
	eachGenerator(t, func(t *testing.T, generator string) {
		r := loadtest.Respond(t, "tcp", func(r *loadtest.Responder) {
			r.Early = true
			r.Answer = func(w io.Writer, _ int64, _ []byte) bool {
				io.WriteString(w, "HTTP/1.1 413 Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
				w.(*net.TCPConn).CloseWrite()
				io.Copy(io.Discard, w.(*net.TCPConn)) // so that no reset overtakes the answer
				return false
			}
		})
		c := loadtest.Short(r)
		c.Generator = generator
		c.Requests = []plan.Request{{Method: "POST", Path: "/", Body: make([]byte, 8<<20), Status: 413}}
		if l := mustSee(t, c, something); l.Requests == 0 || l.Errors.Total() != 0 {
			t.Errorf("%d answers, %+v", l.Requests, l.Errors)
		}
	})
}

func TestClasses(t *testing.T) {
	eachGenerator(t, func(t *testing.T, generator string) {
		var as, bs atomic.Int64
		r := loadtest.Respond(t, "tcp", func(r *loadtest.Responder) {
			r.Answer = func(w io.Writer, n int64, head []byte) bool {
				if p := loadtest.Path(head); p == "/b" {
					bs.Add(1)
					return loadtest.Reply("HTTP/1.1 404 No\r\nContent-Length: 1\r\n\r\nb")(w, n, head)
				}
				as.Add(1)
				return loadtest.Reply(loadtest.Hello)(w, n, head)
			}
		})
		c := loadtest.Short(r)
		c.Generator, c.Model, c.Rate, c.Arrivals = generator, plan.Open, 1000, plan.Poisson
		c.Requests = []plan.Request{
			{Class: "fast", Path: "/a", Weight: 2, Length: 13}, {Class: "slow", Path: "/b", Status: 404, Length: 1}, {Class: "fast", Path: "/c", Length: 13},
		}
		l := mustRun(t, c)
		if l.Errors.Total() != l.Errors.Unsent || len(l.Classes) != 2 || l.Classes[0].Class != "fast" ||
			l.Classes[0].Requests != as.Load() || l.Classes[1].Requests != bs.Load() {
			t.Errorf("%+v; the server saw %d and %d; %+v", l.Errors, as.Load(), bs.Load(), l.Classes)
		}
	})
}

// due is how many requests the schedule of c has in the window of l.
func due(t *testing.T, c plan.Config, l *results.Load) int64 {
	t.Helper()
	c, err := c.WithDefaults()
	if err != nil {
		t.Fatal(err)
	}
	end := int64(l.DurationS*1e9 + 0.5)
	n, s := int64(0), plan.NewTimetable(&c, 0, 0, 1)
	for {
		if at, _ := s.Due(); at >= end {
			return n
		}
		s.Next()
		n++
	}
}

// With more offered than served the rest is unsent, not forgotten.
func TestOverload(t *testing.T) {
	eachGenerator(t, func(t *testing.T, generator string) {
		r := loadtest.Respond(t, "tcp", func(r *loadtest.Responder) {
			r.Answer = func(w io.Writer, n int64, head []byte) bool {
				time.Sleep(10 * time.Millisecond)
				return loadtest.Reply(loadtest.Hello)(w, n, head)
			}
		})
		for _, arrivals := range []plan.Arrivals{plan.Constant, plan.Poisson} {
			c := loadtest.Short(r)
			c.Generator, c.Model, c.Rate, c.Arrivals, c.Threads, c.Warmup = generator, plan.Open, 4000, arrivals, threadsOf(generator, 2), 150*time.Millisecond
			l := mustRun(t, c)
			if got, want := l.Requests+l.Errors.Total(), due(t, c, l); got != want || l.Errors.Unsent == 0 || l.Errors.Unsent != l.Errors.Total() {
				t.Errorf("%s: %d accounted for of %d due, %+v", arrivals, got, want, l.Errors)
			}
		}
	})
}

func TestInterrupt(t *testing.T) {
	eachGenerator(t, func(t *testing.T, generator string) {
		for _, model := range []plan.Model{plan.Closed, plan.Open} {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			var n atomic.Int64
			r := loadtest.Respond(t, "tcp", func(r *loadtest.Responder) {
				r.Answer = func(w io.Writer, _ int64, head []byte) bool {
					if n.Add(1) == 200 {
						cancel()
					}
					return loadtest.Reply(loadtest.Hello)(w, 0, head)
				}
			})
			c := loadtest.Short(r)
			c.Generator, c.Model, c.Duration = generator, model, time.Hour
			if model == plan.Open {
				c.Rate = 2000
			}
			l, err := Run(ctx, c)
			if err != nil {
				t.Fatal(err)
			}
			consistent(t, l)
			if !l.Interrupted || l.Valid || l.Requests == 0 || l.DurationS <= 0 || l.DurationS > 60 {
				t.Errorf("%s: interrupted %v, valid %v, %d requests in %v s", model, l.Interrupted, l.Valid, l.Requests, l.DurationS)
			}
			if got := l.Requests + l.Errors.Total(); model == plan.Open && got != due(t, c, l) {
				t.Errorf("%d accounted for, %d due", got, due(t, c, l))
			}
		}
	})
}

func TestInterruptedBeforeTheWindow(t *testing.T) {
	eachGenerator(t, func(t *testing.T, generator string) {
		r := loadtest.Respond(t, "tcp", func(r *loadtest.Responder) { // never steady: nothing is answered
			r.Answer = func(io.Writer, int64, []byte) bool { return true }
		})
		ctx, cancel := context.WithCancel(t.Context())
		c := loadtest.Short(r)
		c.Generator, c.Warmup, c.Timeout = generator, time.Hour, 50*time.Millisecond
		c.Progress = func(plan.Progress) { cancel() }
		l, err := Run(ctx, c)
		cancel()
		if err != nil {
			t.Fatal(err)
		}
		if !l.Interrupted || l.Requests != 0 {
			t.Errorf("interrupted %v, %d requests", l.Interrupted, l.Requests)
		}
	})
}

func TestNobodyThere(t *testing.T) {
	eachGenerator(t, func(t *testing.T, generator string) {
		r := loadtest.Respond(t, "tcp", nil)
		r.Stop()
		c := loadtest.Short(r)
		c.Generator = generator
		_, err := Run(t.Context(), c)
		if !errors.Is(err, syscall.ECONNREFUSED) || !strings.Contains(err.Error(), "is the server running?") || !strings.Contains(err.Error(), c.URL) {
			t.Error(err)
		}
		c.URL = "unix:" + t.TempDir() + "/none"
		_, err = Run(t.Context(), c)
		if !errors.Is(err, syscall.ENOENT) || !strings.Contains(err.Error(), "no such socket") {
			t.Error(err)
		}
	})
}

// A server that goes away in the middle of the window is an error by kind, and
// those connections that still stand go on.
func TestListenerGoesAway(t *testing.T) {
	eachGenerator(t, func(t *testing.T, generator string) {
		try := func() *results.Load { return listenerGoesAway(t, generator) }
		// vegeta connects while the listener is closed: when all of it is done
		// before, nothing has to be connected again.
		l := until(try, func(l *results.Load) bool { return l.Errors.Connect > 0 })
		if l.Errors.Connect == 0 || l.Errors.Timeout+l.Errors.Status+l.Errors.Body+l.Errors.Unsent != 0 {
			t.Errorf("%+v", l.Errors)
		}
		if generator == "native" && l.Requests == 0 {
			t.Error("no request was answered")
		}
	})
}

func listenerGoesAway(t *testing.T, generator string) *results.Load {
	r := loadtest.Respond(t, "tcp", nil)
	c := loadtest.Short(r)
	c.Generator = generator
	c.Phase = func(p plan.Phase) {
		if p != plan.MeasureStart {
			return
		}
		r.Listener.Close()
		r.Mu.Lock()
		defer r.Mu.Unlock()
		n := 0
		for conn := range r.Conns {
			if n++; n%2 == 0 {
				conn.Close()
			}
		}
	}
	if generator == "native" { // whose connections stand before the window
		c.Warmup = 500 * time.Millisecond
	}
	return mustRun(t, c)
}

func TestPhasesAndProgress(t *testing.T) {
	eachGenerator(t, func(t *testing.T, generator string) {
		r := loadtest.Respond(t, "tcp", nil)
		c := loadtest.Short(r)
		c.Generator, c.Warmup, c.Duration = generator, 200*time.Millisecond, 600*time.Millisecond
		var phases []plan.Phase
		shown := 0
		c.Phase = func(p plan.Phase) { phases = append(phases, p) }
		c.Progress = func(p plan.Progress) {
			shown++
			if p.Elapsed <= 0 || p.Total != 800*time.Millisecond || p.RPS < 0 || p.Errors != 0 || p.Backlog != 0 {
				t.Errorf("%+v", p)
			}
		}
		l := mustRun(t, c)
		if len(phases) != 2 || phases[0] != plan.MeasureStart || phases[1] != plan.MeasureEnd || shown == 0 {
			t.Errorf("phases %v, progress shown %d times", phases, shown)
		}
		if l.WarmupS <= 0 || l.DurationS != 0.6 || len(l.Series) != 6 {
			t.Errorf("warm-up %v s, window %v s, %d steps", l.WarmupS, l.DurationS, len(l.Series))
		}
	})
}
