package enginetest

import (
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// supervised are the engines that workers can have.
var supervised = []string{"sync", "threads", "pool", "goroutine", "goroutine,per=request", "eventloop", "gnet", "eventloop,io=io_uring", "eventloop-pool", "coroutine", "nethttp", "fasthttp"}

// under is the Spec of a supervisor of one worker with that engine.
func under(engine string) string {
	name, params, _ := strings.Cut(engine, ",")
	if params != "" {
		params = "," + params
	}
	return "prefork:" + name + ",processes=1" + params
}

// TestHarakiriSparesSlowClients: a client that takes many times the limit to read
// an answer, or to send a request, has nobody killed.
func TestHarakiriSparesSlowClients(t *testing.T) {
	const limit = 300 * time.Millisecond
	for _, engine := range supervised {
		t.Run(engine, func(t *testing.T) {
			needRing(t, engine)
			t.Parallel()
			p := startProcess(t, under(engine), limitsVariable+`={"Harakiri":300000000}`)
			pid := p.workers(1)[0]
			c := p.dial()
			c.Conn.(*net.TCPConn).SetReadBuffer(8 << 10)
			c.send(request("GET", "/stream?n=4096&size=65536", ""))
			few := make([]byte, 4<<10)
			for began := time.Now(); time.Since(began) < 5*limit; time.Sleep(20 * time.Millisecond) {
				if _, err := c.Read(few); err != nil {
					t.Fatalf("a client that reads slowly must not be cut: %v", err)
				}
			}
			c.reset()

			c = p.dial()
			body := strings.Repeat("x", 100)
			stream := request("POST", "/echo", body)
			for began := time.Now(); len(stream) > len(body)/2 && (time.Since(began) < 5*limit || len(stream) > len(body)); time.Sleep(10 * time.Millisecond) {
				c.send(stream[:1])
				stream = stream[1:]
			}
			if _, err := io.WriteString(c, stream); err != nil {
				t.Fatal(err)
			}
			if got := c.receive("POST").text(); got != body {
				t.Errorf("a client that sends slowly must be answered: %q", got)
			}
			c.Close()
			if p.count("harakiri") > 0 || p.workers(1)[0] != pid {
				t.Error("the worker has been killed for its client's time")
			}
			p.terminate()
		})
	}
}
