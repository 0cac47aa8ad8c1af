package enginetest

import (
	"io"
	"net/http"
	"slices"
	"testing"

	"github.com/dynobench/dyno/protocol"
	"github.com/dynobench/dyno/protocol/protocoltest"
)

// TestSmuggling sends what http1's corpus says must be refused, each stream in
// one piece with whatever it hides behind its first request: the answers must
// be those of the codec, the connection must close, and no more requests may
// have reached the app.
func TestSmuggling(t *testing.T) {
	cases, err := protocoltest.Load("../../protocol/http1/testdata/requests/invalid")
	if err != nil {
		t.Fatal(err)
	}
	byLimits := map[protocol.Limits][]protocoltest.Case{}
	for _, c := range cases {
		byLimits[c.Limits] = append(byLimits[c.Limits], c)
	}
	for _, s := range subjects {
		if s.traits.Yardstick {
			continue
		}
		t.Run(s.spec, func(t *testing.T) {
			needRing(t, s.spec)
			for limits, cases := range byLimits {
				srv := subject(s.spec, s.traits).start(t, options{limits: limits})
				for _, c := range cases {
					if s.traits.OneShot && len(c.Want) > 0 {
						continue // it has closed before
					}
					srv.smuggle(t, c)
				}
				srv.alive()
			}
		})
	}
}

func (s *server) smuggle(t *testing.T, c protocoltest.Case) {
	before := s.engine.Stats()
	conn := s.dial()
	defer conn.Close()
	go conn.Write(c.Stream) // the answer may come first
	var statuses []int
	for range c.Want {
		r := conn.receive("GET")
		if r.err != nil {
			t.Errorf("%s: %v", c.Name, r.err)
			return
		}
		statuses = append(statuses, r.StatusCode)
	}
	r := conn.receive("GET")
	if r.err != nil {
		t.Errorf("%s: a refusal must be answered: %v", c.Name, r.err)
		return
	}
	if r.StatusCode != c.Status || !r.Close || slices.ContainsFunc(statuses, refused) {
		t.Errorf("%s: answered %d and %s (close %v), want %d and the connection closed", c.Name, statuses, r.Status, r.Close, c.Status)
	}
	if rest, err := io.ReadAll(conn.r); err != nil || len(rest) > 0 {
		t.Errorf("%s: behind the refusal come %d bytes, %.60q, %v", c.Name, len(rest), rest, err)
	}
	after := s.engine.Stats()
	if n := after.Requests - before.Requests; n != int64(len(c.Want)) || after.Errors-before.Errors != 1 {
		t.Errorf("%s: %d requests and %d errors, want %d and 1", c.Name, n, after.Errors-before.Errors, len(c.Want))
	}
}

func refused(status int) bool { return status != http.StatusOK && status != http.StatusNotFound }
