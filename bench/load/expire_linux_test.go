package load

import (
	"io"
	"testing"
	"time"

	"github.com/dynobench/dyno/bench/load/loadtest"
)

// Pipelined requests that time out together are one failure of their
// connection, and a server that never answers is not asked on a new one for
// each of them.
func TestTogetherOverdue(t *testing.T) { eachTransport(t, togetherOverdue) }

func togetherOverdue(t *testing.T) {
	r := loadtest.Respond(t, "unix", func(r *loadtest.Responder) {
		r.Answer = func(w io.Writer, _ int64, _ []byte) bool {
			io.Copy(io.Discard, w.(io.Reader))
			return false
		}
	})
	c := loadtest.Short(r)
	c.Connections, c.Pipeline, c.Timeout, c.Duration = 1, 16, 50*time.Millisecond, 5*time.Millisecond
	l := mustRun(t, c)
	if n := r.Accepted.Load(); l.Errors.Timeout != 16 || n != 1 {
		t.Errorf("%+v, %d connections", l.Errors, n)
	}
}
