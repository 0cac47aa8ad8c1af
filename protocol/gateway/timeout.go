package gateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// ErrTimedOut is the cause with which the Context of a request ends that has
// taken longer than Timeout allows.
var ErrTimedOut = errors.New("gateway: the app took too long")

// Timeout gives up on a request that is not answered whole after d: its Context
// ends then with ErrTimedOut, so that waits by env.Wait, handlers of FromHTTP
// and all that heeds a context return, and instead of the app's answer the
// client gets a 503, or, when bytes have left, a cut connection.
//
// It is what uWSGI calls harakiri, as far as Go allows: nothing can end code
// that neither returns nor looks at its Context. That takes a process, and a
// master that kills it.
func Timeout(d time.Duration) Middleware {
	return func(app App) App {
		return func(env *Environ, start StartResponse) Body {
			own := *env
			ctx, cancel := context.WithTimeoutCause(env.Context, d, ErrTimedOut)
			own.Context = ctx
			r := &rescued{start: start, cancel: cancel, late: func() error {
				if context.Cause(ctx) == ErrTimedOut {
					return fmt.Errorf("%w: more than %v", ErrTimedOut, d)
				}
				return nil
			}}
			called := false
			defer func() {
				if !called {
					cancel()
				}
			}()
			r.body = app(&own, start)
			called = true
			return wrapBody(r.body, r.next, r.close)
		}
	}
}

// rescued is an answer that may be given up for a short one of the server's.
type rescued struct {
	start  StartResponse
	body   Body
	cancel context.CancelFunc // nil for Recover
	late   func() error       // likewise
	left   bool
	end    error
}

func (r *rescued) next() ([]byte, error) {
	if r.end != nil {
		return nil, r.end
	}
	err := r.late()
	var chunk []byte
	if err == nil {
		chunk, r.end = pull(r.body)
		err = r.late()
	}
	if err != nil {
		return r.replace(http.StatusServiceUnavailable, err)
	}
	r.left = r.left || len(chunk) > 0
	return chunk, r.end
}

// replace answers in the app's place, or breaks its answer off.
func (r *rescued) replace(status int, cause error) ([]byte, error) {
	r.end = cause
	if r.left {
		return nil, cause
	}
	text := http.StatusText(status) + "\n"
	header := []Field{{"Content-Type", "text/plain; charset=utf-8"}, {"Content-Length", fmt.Sprint(len(text))}}
	if err := r.start(status, header, cause); err != nil {
		return nil, err
	}
	r.left, r.end = true, io.EOF
	return []byte(text), io.EOF
}

func (r *rescued) close() error {
	if r.cancel != nil {
		defer r.cancel()
	}
	return shut(r.body)
}
