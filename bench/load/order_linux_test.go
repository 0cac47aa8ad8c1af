package load

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// Requests arrive in the order in which they were sent, also where the server
// reads nothing until the socket is full of them.
func TestFullSocket(t *testing.T) { eachTransport(t, fullSocket) }

func fullSocket(t *testing.T) {
	for _, network := range []string{"unix", "tcp"} {
		r := respond(t, network, func(r *responder) { r.answer = echoPath })
		c := short(r)
		c.Connections, c.Pipeline, c.Duration, c.Timeout = 1, 512, 50*time.Millisecond, 20*time.Second
		c.Requests = nil
		for i := range 64 {
			p := fmt.Sprintf("/%02d", i)
			// One class: each has histograms of its own, which take the race detector long.
			c.Requests = append(c.Requests, Request{Class: "all", Path: p, Want: []byte(p), Header: [][2]string{{"X-Long", strings.Repeat("x", 60*i)}}})
		}
		r.frozen.Lock()
		c.Phase = func(p Phase) {
			if p == MeasureEnd {
				r.frozen.Unlock()
			}
		}
		if l := mustRun(t, c); l.Requests != 512 || l.Errors.Total() != 0 {
			t.Errorf("%s: %d answers, %+v", network, l.Requests, l.Errors)
		}
	}
}
