package cli

import (
	"bytes"
	"testing"
	"time"

	"github.com/dynobench/dyno/bench/load/plan"
)

func TestPlainProgress(t *testing.T) {
	var b bytes.Buffer
	seen := plainProgress(&b)
	for s := 0.25; s <= 12; s += 0.25 {
		seen(plan.Progress{
			Elapsed: time.Duration(s * 1e9), Total: 12 * time.Second, RPS: 98765.4, Measuring: s > 6,
			P99US: 1234, Errors: int64(s / 8), Backlog: int64(s/10) * 2345,
		})
	}
	want := "5s of 12s: 98,800 requests/s, warming up\n10s of 12s: 98,800 requests/s, p99 1.23 ms, 1 error, 2,345 waiting\n"
	if b.String() != want {
		t.Errorf("got\n%swant\n%s", b.String(), want)
	}
	b.Reset()
	for _, mode := range []string{"auto", "none"} {
		seen, done := watchLoad(&b, mode)
		done()
		if seen != nil || b.Len() > 0 {
			t.Errorf("%s shows something where nobody watches", mode)
		}
	}
}
