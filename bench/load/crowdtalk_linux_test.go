package load

import (
	"bytes"
	"io"
	"net"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dynobench/dyno/bench/load/loadtest"
	"github.com/dynobench/dyno/bench/load/plan"
	"github.com/dynobench/dyno/scenarios/workload"
)

// pieces is a server that counts in how many pieces requests to a path come.
type pieces struct {
	reads, requests, fewest atomic.Int64
}

func (p *pieces) serve(path string) func(io.Writer) bool {
	p.fewest.Store(1 << 60)
	return func(w io.Writer) bool {
		c, buf, in, reads := w.(net.Conn), make([]byte, 4096), []byte(nil), int64(0)
		for {
			n, err := c.Read(buf)
			if err != nil {
				return false
			}
			in, reads = append(in, buf[:n]...), reads+1
			head, body, ok := bytes.Cut(in, []byte("\r\n\r\n"))
			if !ok {
				continue
			}
			if _, after, ok := bytes.Cut(head, []byte("Content-Length: ")); ok {
				line, _, _ := bytes.Cut(after, []byte("\r"))
				if length, _ := strconv.Atoi(string(line)); len(body) < length {
					continue
				}
			}
			if strings.Contains(string(head), path) {
				p.reads.Add(reads)
				p.requests.Add(1)
				p.fewest.Store(min(p.fewest.Load(), int64(len(in))))
			}
			in, reads = in[:0], 0
			if _, err := io.WriteString(c, loadtest.Hello); err != nil {
				return false
			}
		}
	}
}

func TestSlowSend(t *testing.T) {
	for _, test := range []struct {
		name  string
		group workload.Group
		bytes int64 // that go slowly at least, one each ms
	}{
		{"head", workload.Group{Kind: workload.SlowSend, Connections: 3, Rate: 1000, Every: time.Millisecond, Path: "/slow"}, 30},
		{"padded head", workload.Group{Kind: workload.SlowSend, Connections: 3, Rate: 1000, Every: time.Millisecond, Path: "/slow", Size: 80}, 80},
		{"body", workload.Group{Kind: workload.SlowSend, Connections: 3, Rate: 1000, Every: time.Millisecond, Path: "/slow", Part: "body", Size: 40}, 40},
	} {
		var p pieces
		r := loadtest.Respond(t, "tcp", func(r *loadtest.Responder) { r.Greet = p.serve("/slow") })
		c := loadtest.Short(r)
		c.Duration = 500 * time.Millisecond
		g, l := onlyGroup(t, c, test.group)
		if g.Requests == 0 || g.Errors != 0 || g.Closed != 0 || g.Opened != 3 || g.Standing != 3 {
			t.Errorf("%s: %+v", test.name, g)
		}
		// It may be late, and the server too, but never early.
		if least := float64(test.bytes-3) * 1e3; g.LatencyUS.Min < least {
			t.Errorf("%s: a request took %.0f µs, though it cannot be sent in less than %.0f", test.name, g.LatencyUS.Min, least)
		}
		if n, in := p.requests.Load(), p.reads.Load(); n < g.Requests || in < 5*n {
			t.Errorf("%s: %d requests came in %d pieces", test.name, n, in)
		}
		if test.group.Size > 0 && test.group.Part == "" && p.fewest.Load() < 80 {
			t.Errorf("%s: a head of %d bytes", test.name, p.fewest.Load())
		}
		if l.Errors.Total() != 0 {
			t.Errorf("%s: %+v", test.name, l.Errors)
		}
	}
}

// A server that will not wait for a slow sender says so, or closes: that is an
// error of the request, and its connection was closed by the server.
func TestSlowSendCutOff(t *testing.T) {
	for _, answer := range []string{"", "HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"} {
		r := loadtest.Respond(t, "tcp", func(r *loadtest.Responder) {
			r.Greet = func(w io.Writer) bool {
				var first [1]byte
				if _, err := io.ReadFull(w.(net.Conn), first[:]); err != nil || first[0] == 'P' {
					io.WriteString(w, answer)
					return false
				}
				return true
			}
			r.Answer = loadtest.Reply(loadtest.Hello)
		})
		c := loadtest.Short(r)
		c.Duration = 300 * time.Millisecond
		g, _ := onlyGroup(t, c, workload.Group{Kind: workload.SlowSend, Connections: 2, Part: "body", Size: 1000})
		if g.Errors == 0 || g.Closed == 0 || g.HeldUS.Max <= 0 || g.Errors != g.Closed || (g.Requests > 0) != (answer != "") {
			t.Errorf("%q: %+v", answer, g)
		}
		if g.Closed > 2*8 {
			t.Errorf("%q: %d connections in %v: no back-off", answer, g.Closed, c.Duration)
		}
	}
}

// large is a server of one large body, that knows how much of it has left.
func large(r *loadtest.Responder, size int, left *atomic.Int64) {
	piece := make([]byte, 1000)
	r.Answer = func(w io.Writer, n int64, head []byte) bool {
		if loadtest.Path(head) != "/large" {
			return loadtest.Reply(loadtest.Hello)(w, n, head)
		}
		w.(*net.TCPConn).SetWriteBuffer(4096)
		if !loadtest.Reply("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", size)(w, n, head) {
			return false
		}
		for range size / len(piece) {
			k, err := w.Write(piece)
			left.Add(int64(k))
			if err != nil {
				return false
			}
		}
		return true
	}
}

// The whole of an answer arrives, as slowly as it is read.
func TestSlowRead(t *testing.T) {
	const size = 40000
	var left atomic.Int64
	r := loadtest.Respond(t, "tcp", func(r *loadtest.Responder) { large(r, size, &left) })
	c := loadtest.Short(r)
	c.Duration = 600 * time.Millisecond
	g, l := onlyGroup(t, c, workload.Group{Kind: workload.SlowRead, Connections: 3, Rate: 400000, Every: time.Millisecond, Path: "/large"})
	if g.Requests == 0 || g.Errors != 0 || g.Closed != 0 || g.Opened != 3 || g.BytesRead < size*g.Requests/2 {
		t.Errorf("%+v", g)
	}
	if least := float64(size/400-3) * 1e3; g.LatencyUS.Min < least {
		t.Errorf("an answer took %.0f µs, though it cannot be read in less than %.0f", g.LatencyUS.Min, least)
	}
	if l.Errors.Total() != 0 {
		t.Errorf("%+v", l.Errors)
	}
}

// The writes of a server block when nobody reads.
func TestSlowReadBlocksTheServer(t *testing.T) {
	const size = 20 << 20
	var left atomic.Int64
	r := loadtest.Respond(t, "tcp", func(r *loadtest.Responder) { large(r, size, &left) })
	c := loadtest.Short(r)
	var atEnd int64
	c.Phase = func(p plan.Phase) {
		if p == plan.MeasureEnd {
			atEnd = left.Load()
		}
	}
	g, _ := onlyGroup(t, c, workload.Group{Kind: workload.SlowRead, Connections: 1, Path: "/large"})
	if g.Requests+g.Errors+g.Closed != 0 || g.Standing != 1 || atEnd == 0 || atEnd > 1<<20 {
		t.Errorf("%+v; %d bytes have left the server", g, atEnd)
	}
}
