package conformance

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/dynobench/dyno/protocol/gateway"
)

// What the app does to start_response.

var errCause = errors.New("conformance: the app has changed its mind")

func encode(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

func field(name, value string) []gateway.Field { return []gateway.Field{{Name: name, Value: value}} }

// refusedHeads are heads that start has to refuse.
var refusedHeads = map[string][]struct {
	status int
	header []gateway.Field
}{
	"hop-by-hop": {
		{200, field("Connection", "close")}, {200, field("Keep-Alive", "timeout=5")}, {200, field("Proxy-Authenticate", "Basic")},
		{200, field("Proxy-Authorization", "Basic")}, {200, field("TE", "trailers")}, {200, field("Trailer", "X")},
		{200, field("Transfer-Encoding", "chunked")}, {200, field("UPGRADE", "h2c")},
	},
	"injection": {
		{200, field("X-A", "a\r\nX-Injected: yes")}, {200, field("X-A", "a\nX-Injected: yes")}, {200, field("X-A", "a\rb")},
		{200, field("X-A", "a\x00b")}, {200, field("X-A\r\nX-Injected", "yes")},
	},
	"name":   {{200, field("", "x")}, {200, field("X A", "x")}, {200, field("X:A", "x")}, {200, field("X-\u00e9", "x")}},
	"status": {{0, nil}, {99, nil}, {100, nil}, {199, nil}, {1000, nil}, {-200, nil}},
	"length": {
		{200, field("Content-Length", "x")}, {200, field("Content-Length", "-1")}, {200, field("Content-Length", "+1")},
		{200, field("Content-Length", "")}, {200, append(field("Content-Length", "1"), field("content-length", "1")...)},
		{204, field("Content-Length", "0")},
	},
}

var startAnswers = map[string]func(*request) gateway.Body{
	"/status": func(q *request) gateway.Body { return q.text(q.number("code"), "status") },
	"/fields": func(q *request) gateway.Body {
		if err := q.start(200, []gateway.Field{{Name: "X-One", Value: "1"}, {Name: "Set-Cookie", Value: "a=1; Path=/"},
			{Name: "Set-Cookie", Value: "b=2"}, {Name: "x-lower", Value: "a, b"}}, nil); err != nil {
			return gateway.Fail(err)
		}
		return gateway.String("fields")
	},
	"/lazy": func(q *request) gateway.Body {
		return gateway.Chunks(func(yield func([]byte, error) bool) {
			if !yield(nil, nil) {
				return
			}
			if err := q.start(203, field("X-Lazy", "yes"), nil); err != nil {
				yield(nil, err)
				return
			}
			yield([]byte("lazy"), nil)
		})
	},
	"/silent":       func(*request) gateway.Body { return nil },
	"/silent-chunk": func(*request) gateway.Body { return gateway.String("silent") },
	"/twice": func(q *request) gateway.Body {
		body := q.text(200, "refused")
		if q.start(201, field("X-Second", "yes"), nil) == nil {
			body.Close()
			return gateway.String("taken")
		}
		return body
	},
	"/replace": func(q *request) gateway.Body {
		if err := q.start(200, append(field("X-First", "yes"), field("Content-Length", "1")...), nil); err != nil {
			return gateway.Fail(err)
		}
		return gateway.Chunks(func(yield func([]byte, error) bool) {
			if !yield(nil, nil) || !yield([]byte{}, nil) { // nothing leaves with these
				return
			}
			if err := q.start(503, field("X-Second", "yes"), errCause); err != nil {
				yield(nil, err)
				return
			}
			yield([]byte("replaced"), nil)
		})
	},
	"/change-late": func(q *request) gateway.Body {
		return q.chunks(func(yield func([]byte, error) bool) {
			if !yield(block[:1000], nil) {
				return
			}
			err := q.start(500, nil, errCause)
			q.app.note(q.token, fmt.Sprintf("raised %v", errors.Is(err, errCause)))
			yield([]byte("more"), nil)
		})
	},
	"/refused": func(q *request) gateway.Body {
		var taken []string
		for _, head := range refusedHeads[q.query.Get("what")] {
			if q.start(head.status, head.header, nil) == nil {
				taken = append(taken, fmt.Sprintf("%d %q", head.status, head.header))
				break // what was taken stands
			}
		}
		if len(taken) > 0 {
			return gateway.String("taken: " + strings.Join(taken, ", "))
		}
		return q.text(200, "refused")
	},
	"/start-in-close": func(q *request) gateway.Body {
		return &closing{q.text(200, "closing"), func() {
			q.app.note(q.token, fmt.Sprintf("refused %v", q.start(500, nil, errCause) != nil))
		}}
	},
}

// closing is a Body that does something when it is closed.
type closing struct {
	gateway.Body
	f func()
}

func (c *closing) Close() error {
	c.f()
	return c.Body.Close()
}
