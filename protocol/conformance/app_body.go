package conformance

import (
	"bytes"
	"os"
	"strconv"
	"time"

	"github.com/dynobench/dyno/protocol/gateway"
)

// What the app gives for a body.

// pause is how long the app holds its second chunk back.
const pause = 100 * time.Millisecond

var bodyAnswers = map[string]func(*request) gateway.Body{
	"/chunks": func(q *request) gateway.Body {
		n, size := q.number("n"), min(q.number("size"), len(block))
		return q.chunks(func(yield func([]byte, error) bool) {
			buf := make([]byte, size) // one for all: a chunk is sent or copied before the next is asked for
			for i := range n {
				copy(buf, bytes.Repeat([]byte{byte('a' + i%26)}, size))
				if !yield(buf, nil) {
					return
				}
			}
		})
	},
	"/pause": func(q *request) gateway.Body {
		return q.chunks(func(yield func([]byte, error) bool) {
			if !yield([]byte("first"), nil) {
				return
			}
			if err := q.Wait.Sleep(q.Context, pause); err != nil {
				yield(nil, err)
				return
			}
			yield([]byte("second"), nil)
		})
	},
	"/empties": func(q *request) gateway.Body {
		return q.chunks(func(yield func([]byte, error) bool) {
			for i := range 300 {
				chunk := []byte{}
				if i%100 == 50 {
					chunk = []byte("x")
				}
				if !yield(chunk, nil) {
					return
				}
			}
		})
	},
	"/nil": func(q *request) gateway.Body {
		q.text(200, "").Close()
		return nil
	},
	"/nothing": func(q *request) gateway.Body { return q.chunks(func(func([]byte, error) bool) {}) },
	"/length": func(q *request) gateway.Body {
		give, size := q.number("give"), max(q.number("size"), 1)
		return q.chunks(func(yield func([]byte, error) bool) {
			for left := give; left > 0; left -= size {
				if !yield(block[:min(left, size)], nil) {
					return
				}
			}
		}, gateway.Field{Name: "Content-Length", Value: strconv.Itoa(q.number("declared"))})
	},
	"/bodyless": func(q *request) gateway.Body {
		if err := q.start(q.number("code"), field("X-Bodyless", "yes"), nil); err != nil {
			return gateway.Fail(err)
		}
		return gateway.String("there must be nothing")
	},
	"/fail": func(*request) gateway.Body { return gateway.Fail(errCause) },
	"/fail-started": func(q *request) gateway.Body {
		return q.chunks(func(yield func([]byte, error) bool) { yield(nil, errCause) }, gateway.Field{Name: "X-Failed", Value: "yes"})
	},
	"/fail-late": func(q *request) gateway.Body {
		return q.chunks(func(yield func([]byte, error) bool) {
			if yield(block[:1000], nil) {
				yield(nil, errCause)
			}
		})
	},
	"/panic": func(*request) gateway.Body { panic("conformance: on purpose") },
	"/panic-late": func(q *request) gateway.Body {
		return q.chunks(func(yield func([]byte, error) bool) {
			if yield(block[:1000], nil) {
				panic("conformance: on purpose")
			}
		})
	},
	"/panic-in-close": func(q *request) gateway.Body {
		return &closing{q.text(200, "whole"), func() { panic("conformance: on purpose") }}
	},
	"/endless": func(q *request) gateway.Body {
		return q.chunks(func(yield func([]byte, error) bool) {
			for yield(block, nil) {
			}
		})
	},
	"/file": serveFile,
}

// fileSize is of the file that /file answers with: more than one read of it.
const fileSize = 200_000

// serveFile answers with a file, or as many of its bytes as length says.
func serveFile(q *request) gateway.Body {
	f, err := os.CreateTemp("", "conformance")
	if err != nil {
		return gateway.Fail(err)
	}
	defer os.Remove(f.Name()) // where the system lets go of it; elsewhere it is the system's to clean
	if _, err = f.Write(bytes.Repeat([]byte("0123456789"), fileSize/10)); err == nil {
		_, err = f.Seek(0, 0)
	}
	var body *gateway.FileBody
	if err == nil {
		body, err = gateway.File(f)
	}
	if err != nil {
		f.Close()
		return gateway.Fail(err)
	}
	if err := q.start(200, plain, nil); err != nil {
		body.Close()
		return gateway.Fail(err)
	}
	return body
}
