package load

import (
	"io"
	"testing"
	"time"
)

// Pipelined requests that time out together are one failure of their
// connection, and a server that never answers is not asked on a new one for
// each of them.
func TestTogetherOverdue(t *testing.T) { eachTransport(t, togetherOverdue) }

func togetherOverdue(t *testing.T) {
	r := respond(t, "unix", func(r *responder) {
		r.answer = func(w io.Writer, _ int64, _ []byte) bool {
			io.Copy(io.Discard, w.(io.Reader))
			return false
		}
	})
	c := short(r)
	c.Connections, c.Pipeline, c.Timeout, c.Duration = 1, 16, 50*time.Millisecond, 5*time.Millisecond
	l := mustRun(t, c)
	if n := r.accepted.Load(); l.Errors.Timeout != 16 || n != 1 {
		t.Errorf("%+v, %d connections", l.Errors, n)
	}
}
