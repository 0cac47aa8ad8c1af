package supervise

import (
	"io"
	"testing"
	"time"

	"github.com/dynobench/dyno/protocol/gateway"
)

// script is a Body that gives its chunks one after the other.
type script []string

func (s *script) Next() ([]byte, error) {
	if len(*s) == 0 {
		return nil, io.EOF
	}
	chunk := (*s)[0]
	*s = (*s)[1:]
	return []byte(chunk), nil
}

func (*script) Close() error { return nil }

// TestCallsCountTheAppsTime goes through an answer with the clock set forward in
// each pause: what passes between a piece and the asking for the next one is the
// client's, all else the app's.
func TestCallsCountTheAppsTime(t *testing.T) {
	c := newCalls(time.Minute)
	app := c.watch(func(_ *gateway.Environ, start gateway.StartResponse) gateway.Body {
		return &script{"", "piece", "", "last"}
	})
	body := app(&gateway.Environ{Method: "GET", RequestURI: "/", Proto: "HTTP/1.1"}, nil)
	const step = time.Hour
	ahead := time.Duration(0)
	// pass has an hour pass: what is open began, or was given, an hour earlier.
	pass := func() {
		for k := range c.open {
			if !k.began.IsZero() {
				k.began = k.began.Add(-step)
			}
		}
	}
	check := func(when string, more bool) {
		t.Helper()
		pass()
		if more {
			ahead += step
		}
		if _, took := c.oldest(time.Now()); took < ahead || took > ahead+step/2 {
			t.Errorf("%s: the app has taken %v, want %v", when, took, ahead)
		}
	}
	check("before it is asked for anything", true)
	for _, n := range []struct {
		when string
		more bool
	}{
		{"after an empty piece, with which the app only lets others go first", true},
		{"while the client takes a piece", false},
		{"after an empty piece behind it", true},
		{"while the client takes the last piece", false},
		{"while the client takes the end", false},
	} {
		body.Next() //nolint:errcheck // the script's
		check(n.when, n.more)
	}
	body.Close() //nolint:errcheck // the script's
	if line, took := c.oldest(time.Now()); took != 0 || line != "" {
		t.Errorf("an answer that is complete still counts: %q, %v", line, took)
	}
}
