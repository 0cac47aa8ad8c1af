package cli

import (
	"bytes"
	"context"
	"testing"
)

// TestHomeIsNotNeeded where nothing is unpacked.
func TestHomeIsNotNeeded(t *testing.T) {
	t.Setenv("HOME", "")
	t.Setenv("XDG_CACHE_HOME", "")
	for _, c := range []struct {
		target string
		code   int
	}{{"goroutine", 0}, {"uwsgi-threads", exitFailed}} { // the other's app is a file of dyno's
		var out, log bytes.Buffer
		if code := run(context.Background(), nil, []string{"run", "hello", "--targets", c.target, "--plan"}, &out, &log); code != c.code {
			t.Errorf("%s: exit code %d: %s", c.target, code, log.String())
		}
	}
}
