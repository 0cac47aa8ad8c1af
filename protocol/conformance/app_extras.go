package conformance

import (
	"errors"
	"fmt"

	"github.com/dynobench/dyno/protocol/gateway"
)

// What the app does where it is offered Extras. Its answers tell where it is not.

// without marks an answer that could not have what it was asked for.
var without = gateway.Field{Name: "X-Without", Value: "Extras"}

var extraAnswers = map[string]func(*request) gateway.Body{
	"/interim": func(q *request) gateway.Body {
		if q.Extras == nil {
			return q.chunks(func(yield func([]byte, error) bool) { yield([]byte("final"), nil) }, without)
		}
		return gateway.Chunks(func(yield func([]byte, error) bool) {
			err := q.Extras.Interim(103, field("Link", "</style.css>; rel=preload"))
			if err == nil && !yield(nil, nil) { // what has been given leaves
				return
			}
			if err = errors.Join(err, q.Wait.Sleep(q.Context, pause), q.start(200, plain, nil)); err != nil {
				yield(nil, err)
				return
			}
			yield([]byte("final"), nil)
		})
	},
	"/trailers": func(q *request) gateway.Body {
		one, two := []byte("one"), []byte("two")
		if q.Extras == nil {
			return q.chunks(func(yield func([]byte, error) bool) { _ = yield(one, nil) && yield(two, nil) }, without)
		}
		if err := q.Extras.Announce("X-Sum"); err != nil {
			return gateway.Fail(err)
		}
		return q.chunks(func(yield func([]byte, error) bool) {
			if !yield(one, nil) || !yield(two, nil) {
				return
			}
			if err := q.Extras.Trailer(field("X-Sum", "7")); err != nil {
				yield(nil, err)
			}
		})
	},
	"/extras-refused": func(q *request) gateway.Body {
		if q.Extras == nil {
			return q.chunks(func(func([]byte, error) bool) {}, without)
		}
		for _, status := range []int{0, 99, 101, 200, 1000} {
			if q.Extras.Interim(status, nil) == nil {
				return q.text(200, fmt.Sprintf("taken: the interim status %d", status))
			}
		}
		for _, name := range []string{"injection", "hop-by-hop", "name", "length"} {
			for _, head := range refusedHeads[name] {
				if head.status == 200 && q.Extras.Interim(103, head.header) == nil {
					return q.text(200, fmt.Sprintf("taken: the interim %q", head.header))
				}
				if q.Extras.Trailer(head.header) == nil {
					return q.text(200, fmt.Sprintf("taken: the trailer %q", head.header))
				}
			}
		}
		for _, name := range []string{"Host", "Content-Length", "Content-Encoding", "Content-Type", "Authorization", "Cache-Control", "If-Match"} {
			if q.Extras.Trailer(field(name, "x")) == nil || q.Extras.Announce(name) == nil {
				return q.text(200, "taken: the trailer "+name)
			}
		}
		return q.text(200, "refused")
	},
}
