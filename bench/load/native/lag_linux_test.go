package native

import (
	"testing"

	"github.com/dynobench/dyno/bench/load/plan"
	"github.com/dynobench/dyno/bench/load/record"
)

// A request that is given to a connection with room for it, while that is
// being made or has yet to take the one before, waits for the server and not
// for the generator.
func TestWhoIsLate(t *testing.T) {
	c, err := plan.Config{URL: "http://127.0.0.1:1/", Model: plan.Open, Rate: 1, Connections: 1, Pipeline: 2}.WithDefaults()
	if err != nil {
		t.Fatal(err)
	}
	to, err := c.Resolve(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	j, err := newJob(&c, to)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		state     state
		congested bool
		acted     bool
	}{
		{state: up},
		{state: down},
		{state: up, congested: true, acted: true},
		{state: connecting, acted: true},
		{state: waiting, acted: true},
	} {
		th, err := newThread(j, 0)
		if err != nil {
			t.Fatal(err)
		}
		s := &th.slots[0]
		s.state, s.congested = test.state, test.congested
		th.start(s, record.Now(), 0)
		if q := th.at(s, 0); q.acted > 0 != test.acted || q.acted > 0 && q.acted < q.ready {
			t.Errorf("%+v: due at %d, all done that can be done at %d", test, q.ready, q.acted)
		}
	}
}
