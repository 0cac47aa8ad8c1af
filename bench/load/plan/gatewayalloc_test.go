//go:build !race

package plan

import (
	"testing"

	"github.com/dynobench/dyno/protocol/client"
)

// Under the race detector a sync.Pool drops things at random.
func TestGatewayWireAllocatesNothing(t *testing.T) {
	c := &Config{Seed: 1, Requests: []Request{{Method: "POST", Path: "/a%20b/${seq}", Header: [][2]string{{"X", "${uuid}"}}, Body: []byte("${hex:9}")}}}
	for _, p := range client.All {
		w, err := NewWire(c, &c.Requests[0], Endpoint{Protocol: p, Host: "h"})
		if err != nil {
			t.Fatal(err)
		}
		draws := NewDraws(c, 0, 1)
		var out []byte
		if n := testing.AllocsPerRun(100, func() { out = w.Append(out[:0], draws.Next(0)) }); n > 0 {
			t.Errorf("%s: %v allocations", p.Name, n)
		}
	}
}
