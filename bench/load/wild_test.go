package load

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dynobench/dyno/bench/load/loadtest"
	"github.com/dynobench/dyno/bench/load/plan"
	"github.com/dynobench/dyno/protocol/http1"
	"github.com/dynobench/dyno/results"
	"github.com/dynobench/dyno/scenarios/workload"
)

// Answers as servers give them, where RFC 9112 has a client bear them, are as
// right as any other, on every transport and pipelined as well.
func TestAnswersInTheWild(t *testing.T) {
	const body = "Hello, World!"
	chunks := func(head string) string { return head + "\r\nd\r\n" + body + "\r\n0\r\n\r\n" }
	for name, c := range map[string]struct {
		answer string
		closes bool
		vegeta string // why net/http's client will not have it
	}{
		"folded field":         {answer: "HTTP/1.1 200 OK\r\nX-A: one\r\n two\r\n\tthree\r\nContent-Length:\r\n 13\r\n\r\n" + body},
		"blank before a colon": {answer: "HTTP/1.1 200 OK\r\nContent-Length : 13\r\n\r\n" + body, vegeta: "another field to it"},
		"length twice":         {answer: "HTTP/1.1 200 OK\r\nContent-Length: 13, 13\r\n\r\n" + body, vegeta: "bad Content-Length"},
		"identity":             {answer: "HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\n" + body, closes: true, vegeta: "unsupported transfer encoding"},
		"gzip":                 {answer: "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n" + body, closes: true, vegeta: "unsupported transfer encoding"},
		"gzip, chunked":        {answer: chunks("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n"), vegeta: "unsupported transfer encoding"},
		"gzip and chunked":     {answer: chunks("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\nTransfer-Encoding: chunked ,\r\n"), vegeta: "too many transfer encodings"},
		"lines behind it":      {answer: loadtest.Hello + "\r\n\r\n", vegeta: "bytes that it has not asked for"},
		"field of 60,000":      {answer: "HTTP/1.1 200 OK\r\nLocation: " + strings.Repeat("x", 60_000) + "\r\nContent-Length: 13\r\n\r\n" + body},
		"head as long as can be": {answer: strings.Replace("HTTP/1.1 200 OK\r\nContent-Length: 13\r\nX: \r\n\r\n", "X: ",
			"X: "+strings.Repeat("x", http1.MaxResponseHead-len("HTTP/1.1 200 OK\r\nContent-Length: 13\r\nX: \r\n\r\n")), 1) + body},
	} {
		t.Run(name, func(t *testing.T) {
			eachGenerator(t, func(t *testing.T, generator string) {
				if generator == "vegeta" && c.vegeta != "" {
					return
				}
				for _, pipeline := range []int{1, 4} {
					if pipeline > 1 && (c.closes || generator == "vegeta") {
						continue
					}
					r := loadtest.Respond(t, "tcp", func(r *loadtest.Responder) {
						r.Answer = loadtest.Reply("%s", c.answer)
						if c.closes {
							r.Answer = loadtest.Closing(r.Answer)
						}
					})
					config := loadtest.Short(r)
					config.Generator, config.Pipeline = generator, pipeline
					l := mustSee(t, config, func(l *results.Load) bool { return l.Requests > 0 })
					if l.Requests == 0 || l.Errors.Total() > 0 || has(l, results.CodeWrongBytes) {
						t.Errorf("pipeline %d: %d answers, %+v, %+v", pipeline, l.Requests, l.Errors, l.Warnings)
					}
				}
			})
		})
	}
}

// A field that is longer than a head may be is an error with either generator.
func TestTooLongHead(t *testing.T) {
	eachGenerator(t, func(t *testing.T, generator string) {
		r := loadtest.Respond(t, "tcp", func(r *loadtest.Responder) {
			r.Answer = loadtest.Reply("HTTP/1.1 200 OK\r\nX: %s\r\nContent-Length: 13\r\n\r\nHello, World!", strings.Repeat("x", 2*http1.MaxResponseHead))
		})
		c := loadtest.Short(r)
		c.Generator = generator
		l := mustSee(t, c, something)
		if l.Requests > 0 || l.Errors.Read == 0 {
			t.Errorf("%d answers, %+v", l.Requests, l.Errors)
		}
	})
}

// A server that says 408 before it closes an idle connection has answered
// nothing: neither the request that came just then, which is sent again, nor one
// that was not sent.
func TestIdleFarewell(t *testing.T) {
	const farewell = "HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
	eachTransport(t, func(t *testing.T) {
		t.Run("unasked", func(t *testing.T) {
			r := loadtest.Respond(t, "tcp", func(r *loadtest.Responder) {
				r.Answer = func(w io.Writer, n int64, head []byte) bool {
					io.WriteString(w, loadtest.Hello)
					if n%8 == 0 {
						io.WriteString(w, farewell)
						return false
					}
					return true
				}
			})
			c := loadtest.Short(r)
			c.Model, c.Rate, c.Connections = plan.Open, 400, 1
			l := mustSee(t, c, func(l *results.Load) bool { return l.Requests > 16 })
			if l.Requests == 0 || l.Errors.Total() > l.Errors.Unsent || has(l, results.CodeWrongBytes) {
				t.Errorf("%d answers, %+v, %+v", l.Requests, l.Errors, l.Warnings)
			}
		})
		t.Run("in place of an answer", func(t *testing.T) {
			var mu sync.Mutex
			served := map[io.Writer]int{}
			r := loadtest.Respond(t, "tcp", func(r *loadtest.Responder) {
				r.Answer = func(w io.Writer, _ int64, _ []byte) bool {
					mu.Lock()
					served[w]++
					tired := served[w] > 4
					mu.Unlock()
					if tired {
						io.WriteString(w, farewell)
						return false
					}
					io.WriteString(w, loadtest.Hello)
					return true
				}
			})
			l := mustSee(t, loadtest.Short(r), func(l *results.Load) bool { return l.Resent > 0 })
			if l.Resent == 0 || l.Requests == 0 || l.Errors.Total() > 0 || has(l, results.CodeWrongBytes) {
				t.Errorf("%d answers, %d sent again, %+v, %+v", l.Requests, l.Resent, l.Errors, l.Warnings)
			}
			c := loadtest.Short(r)
			c.Requests = []plan.Request{{Path: "/", Method: "POST", Length: -1, Status: 408}} // wanted: an answer like any other
			l = mustSee(t, c, func(l *results.Load) bool { return l.Requests > 0 })
			if l.Resent > 0 || l.Errors.Status == 0 {
				t.Errorf("%d answers, %d sent again, %+v", l.Requests, l.Resent, l.Errors)
			}
		})
	})
}

// Targets as people write them are sent as RFC 3986 has them.
func TestTargetsInTheWild(t *testing.T) {
	for _, c := range []struct {
		url, path string // the URL with %s for the address
		verbatim  bool
		want      string
	}{
		{url: "http://%s/grün?q=ü#top", want: "GET /gr%C3%BCn?q=%C3%BC HTTP/1.1"},
		{url: "http://%s", path: "/grün?${pick:ü}", want: "GET /gr%C3%BCn?%C3%BC HTTP/1.1"},
		{url: "http://%s", path: "/$ü", verbatim: true, want: "GET /$%C3%BC HTTP/1.1"},
	} {
		eachGenerator(t, func(t *testing.T, generator string) {
			heads := make(chan string, 1)
			r := loadtest.Respond(t, "tcp", func(r *loadtest.Responder) {
				r.Answer = func(w io.Writer, _ int64, head []byte) bool {
					select {
					case heads <- string(head):
					default:
					}
					_, err := io.WriteString(w, loadtest.Hello)
					return err == nil
				}
			})
			config := plan.Config{URL: fmt.Sprintf(c.url, r.Addr()), Connections: 1, Duration: 50 * time.Millisecond, Generator: generator}
			if c.path != "" {
				config.Requests = []plan.Request{{Path: c.path, Length: -1, Verbatim: c.verbatim}}
			}
			mustSee(t, config, something)
			if first, _, _ := strings.Cut(<-heads, "\r\n"); first != c.want {
				t.Errorf("%+v: %q, want %q", c, first, c.want)
			}
		})
	}
	for field, c := range map[string]plan.Config{
		"Requests[0].Path": {Requests: []plan.Request{{Path: "/a#b", Length: -1, Verbatim: true}}},
		"Groups[0].Path":   {Groups: []workload.Group{{Kind: workload.Idle, Connections: 1, Path: "/a#b"}}},
	} {
		c.URL = "http://127.0.0.1:1"
		if _, err := c.WithDefaults(); err == nil || !strings.Contains(err.Error(), "fragment") {
			t.Errorf("%s: %v", field, err)
		}
	}
}

// has tells whether l was warned of that.
func has(l *results.Load, code string) bool {
	return slices.ContainsFunc(l.Warnings, func(w results.Warning) bool { return w.Code == code })
}
