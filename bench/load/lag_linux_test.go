package load

import (
	"strings"
	"testing"
	"time"
)

// A request that is given to a connection with room for it, while that has yet
// to take the one before, waits for the server and not for the generator.
func TestLagOfFullSocket(t *testing.T) { eachTransport(t, lagOfFullSocket) }

func lagOfFullSocket(t *testing.T) {
	r := respond(t, "unix", nil)
	c := short(r)
	c.Model, c.Rate, c.Connections, c.Pipeline, c.Duration, c.Timeout = Open, 1000, 1, 512, 400*time.Millisecond, 20*time.Second
	c.Requests[0].Header = [][2]string{{"X-Long", strings.Repeat("x", 3500)}}
	r.frozen.Lock()
	c.Phase = func(p Phase) {
		if p == MeasureEnd {
			r.frozen.Unlock()
		}
	}
	l := mustRun(t, c)
	if l.SendLagUS.Max < 200e3 {
		t.Fatalf("the socket was not full: requests left %.0f µs late at most", l.SendLagUS.Max)
	}
	if l.Requests != 400 || l.GeneratorLagUS.P90 > 100e3 {
		t.Errorf("%d answers, %+v; %.0f µs were the generator's own", l.Requests, l.Errors, l.GeneratorLagUS.P90)
	}
}
