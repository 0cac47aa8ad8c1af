package protocol_test

import (
	"errors"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/dynobench/dyno/protocol"
	"github.com/dynobench/dyno/protocol/gateway"
)

// TestErrorsByKind has one error of each kind, and of none.
func TestErrorsByKind(t *testing.T) {
	type counts struct{ bad, timeout, gone, app, shed int64 }
	for name, tt := range map[string]struct {
		do   func(*client)
		app  gateway.App
		want counts
	}{
		"malformed":           {do: func(c *client) { c.send("x\r\n\r\n"); c.all() }, want: counts{bad: 1}},
		"a header too late":   {do: func(c *client) { c.send("GET"); c.Expire(time.Now().Add(time.Hour)); c.all() }, want: counts{timeout: 1}},
		"an answer not read":  {do: func(c *client) { c.send(get); c.run(); c.Expire(time.Now().Add(time.Hour)) }, want: counts{timeout: 1}},
		"reset":               {do: func(c *client) { c.send(get); c.run(); c.Abort(os.NewSyscallError("read", syscall.ECONNRESET)) }, want: counts{gone: 1}},
		"half a request":      {do: func(c *client) { c.send("GET"); c.EOF() }, want: counts{gone: 1}},
		"a panic":             {do: func(c *client) { c.send(get); c.all() }, app: func(*gateway.Environ, gateway.StartResponse) gateway.Body { panic("x") }, want: counts{app: 1}},
		"shed":                {do: func(c *client) { c.send(get); c.Shed(); c.all() }, want: counts{shed: 1}},
		"the engine's ending": {do: func(c *client) { c.send(get); c.run(); c.Abort(errors.New("enough")) }},
	} {
		t.Run(name, func(t *testing.T) {
			if tt.app == nil {
				tt.app = say("hi")
			}
			c := connect(t, tt.app)
			tt.do(c)
			n := c.svc.Counters
			got := counts{n.BadRequests.Load(), n.Timeouts.Load(), n.ClientGone.Load(), n.AppFailed.Load(), n.Shed.Load()}
			if got != tt.want || n.Errors.Load() != 1 {
				t.Errorf("%+v of %d errors, want %+v of 1", got, n.Errors.Load(), tt.want)
			}
		})
	}
}

// TestLatencyIsCounted counts what is answered, pipelined or not, where it is
// asked for and only there.
func TestLatencyIsCounted(t *testing.T) {
	for _, timed := range []bool{true, false} {
		c := connect(t, say("hi"), func(s *protocol.Service) { s.Timed = timed })
		c.send(get + get)
		c.all()
		c.send(get)
		c.all()
		c.counted(3, 0)
		var n int64
		l := c.svc.Counters.Latency.Load()
		for _, k := range l.Buckets {
			n += k
		}
		if want := map[bool]int64{true: 3, false: 0}[timed]; n != want || l.SumNS < 0 || !timed && l.SumNS != 0 {
			t.Errorf("timed %v: %d latencies of %d ns in all, want %d", timed, n, l.SumNS, want)
		}
	}
}
