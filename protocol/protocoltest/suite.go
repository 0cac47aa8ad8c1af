package protocoltest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dynobench/dyno/protocol"
	"github.com/dynobench/dyno/protocol/gateway"
)

// Check holds a codec against a case: what its Parser finds, and that a
// Session's output is the same however the stream comes. interim is the bytes
// of an interim answer, of which there may be more when a client is slow.
func Check(t *testing.T, codec protocol.Codec, c Case, interim string) {
	t.Helper()
	var output []byte
	try := func(name string, pieces ...[]byte) {
		t.Helper()
		found, err := Parse(codec, &c.Limits, pieces...)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if diff := c.compare(found); diff != "" {
			t.Fatalf("%s: %s", name, diff)
		}
		rec := new(recorder)
		spy := &spy{Codec: codec}
		var lint collector
		served := Serve(Service(spy, c.Limits, gateway.LintWith(lint.report)(rec.app)), pieces...)
		if err := lint.err(); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		out := served.Output
		if interim != "" {
			out = bytes.ReplaceAll(out, []byte(interim), nil)
		}
		if c.Status != 0 { // with the server's own Date
			out = withoutDate(out)
			if !served.Closed || !served.Linger {
				t.Fatalf("%s: closed %v and lingering %v after a refusal", name, served.Closed, served.Linger)
			}
		}
		if c.Ends && !served.Closed {
			t.Fatalf("%s: not closed", name)
		}
		if output == nil {
			output = out
		}
		if diff := cmp.Diff(string(output), string(out)); diff != "" {
			t.Fatalf("%s: the output is another one (-whole +split):\n%s", name, diff)
		}
		if diff := c.compareServed(rec.seen, spy.statuses, served.Closed); diff != "" {
			t.Fatalf("%s: %s", name, diff)
		}
	}
	Splits(c.Stream, try)
}

// compareServed returns "" if a Session has called the app for what c wants,
// and has answered as the app does, and then with c's refusal. If it has closed
// without one, as a request may ask it to, those behind that are dropped.
func (c *Case) compareServed(seen []Request, statuses []int, closed bool) string {
	dropped := closed && c.Status == 0 && len(seen) > 0 && len(seen) < len(c.Want)
	if len(seen) != len(c.Want) && !dropped {
		return fmt.Sprintf("the app saw %d requests, want %d", len(seen), len(c.Want))
	}
	for i, got := range seen {
		if diff := c.Want[i].compare(got); diff != "" {
			return fmt.Sprintf("the app saw in request %d: %s", i+1, diff)
		}
	}
	want := slices.Repeat([]int{200}, len(seen))
	if c.Status != 0 {
		want = append(want, c.Status)
	}
	if !slices.Equal(statuses, want) {
		return fmt.Sprintf("answered with %d, want %d", statuses, want)
	}
	return ""
}

// spy is a Codec that keeps the statuses of the answers it frames.
type spy struct {
	protocol.Codec
	statuses []int
}

func (s *spy) New() (protocol.Parser, protocol.Encoder) {
	p, e := s.Codec.New()
	return p, &spyEncoder{e, s}
}

type spyEncoder struct {
	protocol.Encoder
	spy *spy
}

func (e *spyEncoder) Head(dst []byte, h *gateway.Head, keep bool, now time.Time) ([]byte, bool) {
	e.spy.statuses = append(e.spy.statuses, h.Status)
	return e.Encoder.Head(dst, h, keep, now)
}

// collector keeps what Lint reports.
type collector struct {
	mu  sync.Mutex
	all []error
}

func (c *collector) report(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all = append(c.all, err)
}

func (c *collector) err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return errors.Join(c.all...)
}

func withoutDate(out []byte) []byte {
	var kept [][]byte
	for _, line := range bytes.SplitAfter(out, []byte("\n")) {
		if !bytes.HasPrefix(line, []byte("Date: ")) {
			kept = append(kept, line)
		}
	}
	return bytes.Join(kept, nil)
}

// compare returns "" if found is what c wants.
func (c *Case) compare(found Found) string {
	status := 0
	reason := ""
	if found.Refused != nil {
		status, reason = found.Refused.Status, found.Refused.Reason
	}
	if status != c.Status {
		return fmt.Sprintf("refused with %d %q, want %d", status, reason, c.Status)
	}
	if found.Partial != c.Partial {
		return fmt.Sprintf("ends within a request: %v, want %v", found.Partial, c.Partial)
	}
	if found.Ends != c.Ends {
		return fmt.Sprintf("the codec ends the connection: %v, want %v", found.Ends, c.Ends)
	}
	if len(found.Requests) != len(c.Want) {
		return fmt.Sprintf("%d requests found, want %d", len(found.Requests), len(c.Want))
	}
	for i, want := range c.Want {
		if diff := want.compare(found.Requests[i]); diff != "" {
			return fmt.Sprintf("request %d: %s", i+1, diff)
		}
	}
	return ""
}

func (want *Request) compare(got Request) string {
	check := func(what, got, want string) string {
		if want == "" || got == want {
			return ""
		}
		return fmt.Sprintf("%s %q, want %q; ", what, got, want)
	}
	diff := check("method", got.Method, want.Method) +
		check("target", got.Target, want.Target) +
		check("path", got.Path, want.Path) +
		check("query", got.Query, want.Query) +
		check("host", got.Host, want.Host) +
		check("proto", got.Proto, want.Proto)
	if got.Body != want.Body {
		diff += fmt.Sprintf("body of %d bytes %.60q, want %d %.60q; ", len(got.Body), got.Body, len(want.Body), want.Body)
	}
	for _, f := range want.Header {
		if values := want.Field(f.Name); strings.Join(got.Field(f.Name), "\n") != strings.Join(values, "\n") {
			diff += fmt.Sprintf("%s %q, want %q; ", f.Name, got.Field(f.Name), values)
		}
	}
	return diff
}

// Client is the other side of a codec.
type Client struct {
	// Encode formats a request; of Header it adds what its protocol needs.
	Encode func(r Request) []byte
	// Decode reads one answer to a request with this method, and returns what
	// is behind it. closed tells that the server has closed after b; it has not
	// where it resets the connection, to show that the answer is not whole.
	Decode func(method string, b []byte, closed bool) (Response, []byte, error)
	// Reuse tells whether a connection carries several requests.
	Reuse bool
}

// Response is an answer as a client sees it.
type Response struct {
	Status int
	Body   string
}

// Run holds a codec against what all protocols have in common.
func Run(t *testing.T, codec protocol.Codec, client Client) {
	t.Run("requests", func(t *testing.T) {
		for i, r := range requests {
			t.Run(fmt.Sprint(i, r.Method, r.Target), func(t *testing.T) {
				stream := client.Encode(r)
				Check(t, codec, Case{Stream: stream, Want: []Request{r}}, "")
				if client.Reuse {
					next := requests[(i+1)%len(requests)]
					both := append(bytes.Clone(stream), client.Encode(next)...)
					Check(t, codec, Case{Stream: both, Want: []Request{r, next}}, "")
				}
			})
		}
	})
	t.Run("cut requests", func(t *testing.T) {
		for _, r := range requests {
			stream := client.Encode(r)
			for i := 1; i < len(stream); i += len(stream)/50 + 1 {
				found, err := Parse(codec, new(protocol.Limits), stream[:i])
				if err != nil || len(found.Requests) > 0 || found.Refused != nil || !found.Partial {
					t.Fatalf("%s %s cut at %d of %d: %+v, %v", r.Method, r.Target, i, len(stream), found, err)
				}
			}
		}
	})
	t.Run("a body too large", func(t *testing.T) {
		stream := client.Encode(Request{Method: "POST", Target: "/", Host: "test", Body: strings.Repeat("x", 1000)})
		Check(t, codec, Case{Stream: stream, Limits: protocol.Limits{Body: 999}, Status: 413}, "")
		Check(t, codec, Case{Stream: stream, Limits: protocol.Limits{Body: 1000},
			Want: []Request{{Method: "POST", Body: strings.Repeat("x", 1000)}}}, "")
	})
	t.Run("nothing is injected", func(t *testing.T) { checkInjection(t, codec, client) })
	t.Run("answers", func(t *testing.T) {
		for _, a := range answers {
			t.Run(a.name, func(t *testing.T) { a.check(t, codec, client) })
		}
	})
}

var requests = []Request{
	{Method: "GET", Target: "/", Path: "/", Host: "test"},
	{Method: "GET", Target: "/a%20b/%C3%A9?x=%20&y", Path: "/a b/é", Query: "x=%20&y", Host: "test:8080"},
	{Method: "HEAD", Target: "/head?", Path: "/head", Host: "test"},
	{Method: "GET", Target: "/fields", Host: "test", Header: []gateway.Field{
		{Name: "X-Empty", Value: ""}, {Name: "X-Word", Value: "some words, and: more"}, {Name: "Accept", Value: "*/*"}}},
	{Method: "POST", Target: "/post", Path: "/post", Host: "test", Body: "hello"},
	{Method: "POST", Target: "/empty", Host: "test"},
	{Method: "PUT", Target: "/binary", Host: "test", Body: "\x00\r\n\r\nGET / HTTP/1.1\r\n\xff"},
	{Method: "DELETE", Target: "/x", Host: "test"},
	{Method: "POST", Target: "/large", Host: "test", Body: strings.Repeat("0123456789", 30_000)},
}

// answer is what an app does and what the client must see.
type answer struct {
	name   string
	method string // GET if empty
	app    gateway.App
	want   Response
	broken bool // the client must see that it is not whole
}

var large = bytes.Repeat([]byte("large body "), 20_000)

var answers = []answer{
	{name: "a body of known length", app: chunked(200, []string{"hello"}), want: Response{200, "hello"}},
	{name: "no body", app: chunked(404, nil), want: Response{404, ""}},
	{name: "chunks", app: chunked(200, []string{"a", "", "bc", "", "", "def"}), want: Response{200, "abcdef"}},
	{name: "204", app: chunked(204, nil), want: Response{204, ""}},
	{name: "304", app: chunked(304, nil), want: Response{304, ""}},
	{name: "HEAD", method: "HEAD", app: chunked(200, []string{"never sent"}), want: Response{200, ""}},
	{name: "a large chunk", app: func(_ *gateway.Environ, start gateway.StartResponse) gateway.Body {
		start(200, nil, nil)
		return gateway.Bytes(large)
	}, want: Response{200, string(large)}},
	{name: "large chunks", app: chunked(200, []string{string(large), "", "x", string(large)}),
		want: Response{200, string(large) + "x" + string(large)}},
	{name: "a failure at once", app: func(*gateway.Environ, gateway.StartResponse) gateway.Body { panic("told to") },
		want: Response{500, "the application failed\n"}},
	{name: "a failure at once, HEAD", method: "HEAD",
		app:  func(*gateway.Environ, gateway.StartResponse) gateway.Body { panic("told to") },
		want: Response{500, ""}},
	{name: "no start", app: func(*gateway.Environ, gateway.StartResponse) gateway.Body { return nil },
		want: Response{500, "the application failed\n"}},
	{name: "a failure after some bytes", app: failing("some", "bytes"), broken: true},
}

// chunked is an app that gives these chunks.
func chunked(status int, chunks []string) gateway.App {
	return func(_ *gateway.Environ, start gateway.StartResponse) gateway.Body {
		start(status, []gateway.Field{{Name: "Content-Type", Value: "text/plain"}}, nil)
		return &script{chunks: chunks, end: io.EOF}
	}
}

func failing(chunks ...string) gateway.App {
	return func(_ *gateway.Environ, start gateway.StartResponse) gateway.Body {
		start(200, nil, nil)
		return &script{chunks: chunks, end: io.ErrNoProgress}
	}
}

// script is a Body that overwrites what it gave before, as it may.
type script struct {
	chunks []string
	end    error
	buf    []byte
}

func (s *script) Next() ([]byte, error) {
	s.overwrite()
	if len(s.chunks) == 0 {
		return nil, s.end
	}
	s.buf = append(s.buf[:0], s.chunks[0]...)
	s.chunks = s.chunks[1:]
	return s.buf, nil
}

func (s *script) Close() error {
	s.overwrite()
	return nil
}

func (s *script) overwrite() {
	for i := range s.buf {
		s.buf[i] = '!'
	}
}

func (a *answer) check(t *testing.T, codec protocol.Codec, client Client) {
	method := a.method
	if method == "" {
		method = "GET"
	}
	request := client.Encode(Request{Method: method, Target: "/", Host: "test"})
	rounds := 1
	if client.Reuse && !a.broken {
		rounds = 3
	}
	svc := Service(codec, protocol.Limits{}, a.app)
	served := Serve(svc, bytes.Repeat(request, rounds))
	out := served.Output
	for range rounds {
		got, rest, err := client.Decode(method, out, !served.Broken)
		if a.broken {
			if err == nil {
				t.Errorf("the client takes %+v for whole", got)
			}
			return
		}
		if err != nil {
			t.Fatalf("%v in %.200q", err, out)
		}
		if diff := cmp.Diff(a.want, got); diff != "" {
			t.Fatalf("(-want +got):\n%.500s", diff)
		}
		out = rest
	}
	if len(out) > 0 {
		t.Errorf("%.100q behind the answers", out)
	}
	if n := svc.Counters.Requests.Load(); n != int64(rounds) {
		t.Errorf("%d requests counted, want %d", n, rounds)
	}
}
