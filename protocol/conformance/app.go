package conformance

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/dynobench/dyno/protocol/gateway"
)

// NewApp returns the probe app that rules with the need App ask. It does what
// apps may do, well behaved or not, and tells what it has seen. It keeps a
// little memory for each request that names a token: it is not for service.
func NewApp() gateway.App {
	a := &app{said: map[string]string{}}
	// Where the app itself behaves, the engine is watched too.
	linted := gateway.LintWith(func(err error) {
		var v *gateway.Violation
		if errors.As(err, &v) {
			a.note("lint", v.Error())
		}
	})(a.serve)
	return func(env *gateway.Environ, start gateway.StartResponse) gateway.Body {
		if misbehaves[env.Path] {
			return a.serve(env, start)
		}
		return linted(env, start)
	}
}

// misbehaves are the paths under which the app breaks the contract on purpose.
var misbehaves = map[string]bool{
	"/silent": true, "/silent-chunk": true, "/twice": true, "/refused": true, "/length": true, "/bodyless": true,
	"/start-in-close": true, "/mutate": true,
}

// seen is an Environ as /environ tells it.
type seen struct {
	Keys   map[string]string
	Input  string
	Length int64
	Alive  bool // Context and Wait are there and work
}

type app struct {
	mu   sync.Mutex
	said map[string]string // by token
}

func (a *app) note(token, text string) {
	if token == "" {
		return
	}
	a.mu.Lock()
	a.said[token] += text + "\n"
	a.mu.Unlock()
}

var plain = []gateway.Field{{Name: "Content-Type", Value: "text/plain"}}

// block is 64 KiB of a chunk.
var block = []byte(strings.Repeat("0123456789abcdef", 4096))

// request is a request to the app and what answers need.
type request struct {
	*gateway.Environ
	app   *app
	start gateway.StartResponse
	query url.Values
	token string
}

func (q *request) number(key string) int { n, _ := strconv.Atoi(q.query.Get(key)); return n }

// text answers with status and s as one chunk.
func (q *request) text(status int, s string) gateway.Body {
	if err := q.start(status, plain, nil); err != nil {
		return gateway.Fail(err)
	}
	return gateway.String(s)
}

// chunks answers with 200 and chunks, unless it is given another head.
func (q *request) chunks(seq func(yield func([]byte, error) bool), header ...gateway.Field) gateway.Body {
	if err := q.start(200, append(header, plain...), nil); err != nil {
		return gateway.Fail(err)
	}
	return gateway.Chunks(seq)
}

func (a *app) serve(env *gateway.Environ, start gateway.StartResponse) gateway.Body {
	query, _ := url.ParseQuery(env.Query)
	q := &request{env, a, start, query, strings.Clone(query.Get("token"))}
	if env.Path == "/said" {
		return q.text(200, a.heard(q.token))
	}
	for _, answers := range []map[string]func(*request) gateway.Body{simpleAnswers, startAnswers, bodyAnswers, extraAnswers} {
		if answer, ok := answers[env.Path]; ok {
			return a.counted(answer(q), q.token)
		}
	}
	return q.text(404, env.Path)
}

// counted notes the Close of a body.
func (a *app) counted(b gateway.Body, token string) gateway.Body {
	if token == "" || b == nil {
		return b
	}
	c := &countedBody{Body: b, app: a, token: token}
	if s, ok := b.(gateway.Sized); ok {
		return &countedSized{c, s.Size()}
	}
	return c
}

type countedBody struct {
	gateway.Body
	app   *app
	token string
}

func (c *countedBody) Close() error {
	defer c.app.note(c.token, "closed")
	return c.Body.Close()
}

type countedSized struct {
	*countedBody
	size int64
}

func (c *countedSized) Size() int64 { return c.size }

const hello = "Hello, World!"

var simpleAnswers = map[string]func(*request) gateway.Body{
	"/hello": func(q *request) gateway.Body { return q.text(200, hello) },
	"/where": func(q *request) gateway.Body { return q.text(200, q.Method+" "+q.RequestURI) },
	"/echo": func(q *request) gateway.Body {
		body, err := io.ReadAll(q.Input)
		if err != nil {
			return gateway.Fail(err)
		}
		return q.text(200, string(body))
	},
	"/environ":   describe,
	"/é x%2F":    describe,
	"/unread":    func(q *request) gateway.Body { return q.text(200, "unread") },
	"/read-past": readPast,
	"/errors":    writeErrors,
	"/mutate":    mutate,
	"/said":      func(q *request) gateway.Body { return q.text(200, q.app.heard(q.token)) },
	"/wait":      wait,
}

func (a *app) heard(token string) string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.said[token]
}

func describe(q *request) gateway.Body {
	input, err := io.ReadAll(q.Input)
	if err != nil {
		return gateway.Fail(err)
	}
	s := seen{Keys: map[string]string{}, Input: string(input), Length: q.ContentLength}
	for key, value := range q.All() {
		s.Keys[key] = value
	}
	s.Alive = q.Context != nil && q.Context.Err() == nil && q.Errors != nil && q.Wait != nil
	return q.text(200, encode(s))
}

// readPast reads on at the end of the input, which must neither block nor give anything.
func readPast(q *request) gateway.Body {
	n, err := io.Copy(io.Discard, q.Input)
	if err != nil {
		return gateway.Fail(err)
	}
	var buf [16]byte
	for range 3 {
		if more, err := q.Input.Read(buf[:]); more != 0 || err != io.EOF {
			return q.text(200, fmt.Sprintf("%d bytes and %v behind the end", more, err))
		}
	}
	return q.text(200, fmt.Sprintf("%d bytes, then the end", n))
}

func writeErrors(q *request) gateway.Body {
	n, err := io.WriteString(q.Errors, "conformance: a line for the server's log\n")
	if err != nil || n == 0 {
		return q.text(200, fmt.Sprintf("%d bytes, %v", n, err))
	}
	return q.text(200, "written")
}

// mutate treats its environ as its own, as an app may.
func mutate(q *request) gateway.Body {
	body := q.text(200, "mutated")
	q.Method, q.Path, q.Query, q.Host = "MUTATED", "/mutated", "mutated", "mutated"
	q.Header = append(q.Header, gateway.Field{Name: "X-Mutated", Value: "yes"})
	q.Vars = append(q.Vars, gateway.Field{Name: "MUTATED", Value: "yes"})
	return body
}

func wait(q *request) gateway.Body {
	if err := q.Wait.Sleep(q.Context, time.Millisecond); err != nil {
		return q.text(200, err.Error())
	}
	ctx, cancel := context.WithCancel(q.Context)
	cancel()
	if err := q.Wait.Sleep(ctx, time.Hour); !errors.Is(err, context.Canceled) {
		return q.text(200, fmt.Sprintf("a wait whose Context has ended returns %v", err))
	}
	return q.text(200, "waited")
}
