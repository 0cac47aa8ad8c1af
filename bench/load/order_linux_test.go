package load

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/dynobench/dyno/bench/load/loadtest"
	"github.com/dynobench/dyno/bench/load/plan"
)

// Requests arrive in the order in which they were sent, also where the server
// reads nothing until the socket is full of them.
func TestFullSocket(t *testing.T) { eachTransport(t, fullSocket) }

func fullSocket(t *testing.T) {
	for _, network := range []string{"unix", "tcp"} {
		r := loadtest.Respond(t, network, func(r *loadtest.Responder) { r.Answer = echoPath })
		c := loadtest.Short(r)
		c.Connections, c.Pipeline, c.Duration, c.Timeout = 1, 512, 50*time.Millisecond, 20*time.Second
		c.Requests = nil
		for i := range 64 {
			p := fmt.Sprintf("/%02d", i)
			// One class: each has histograms of its own, which take the race detector long.
			c.Requests = append(c.Requests, plan.Request{Class: "all", Path: p, Want: []byte(p), Header: [][2]string{{"X-Long", strings.Repeat("x", 60*i)}}})
		}
		r.Frozen.Lock()
		c.Phase = func(p plan.Phase) {
			if p == plan.MeasureEnd {
				r.Frozen.Unlock()
			}
		}
		if l := mustRun(t, c); l.Requests != 512 || l.Errors.Total() != 0 {
			t.Errorf("%s: %d answers, %+v", network, l.Requests, l.Errors)
		}
	}
}
