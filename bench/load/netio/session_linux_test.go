package netio

import (
	"crypto/tls"
	"iter"
	"strings"
	"testing"

	"github.com/dynobench/dyno/bench/load/loadtest"
	"github.com/dynobench/dyno/bench/load/plan"
	"github.com/dynobench/dyno/bench/load/record"
)

// memory is a session's other end: a connection over memory whose Read runs f
// until there is something.
type memory struct {
	Session
	wait func()
}

func (m *memory) Read(b []byte) (int, error) {
	for len(m.In) == 0 {
		m.wait()
	}
	return m.Session.Read(b)
}

// What is opened does not hang on where the network cuts the records: between
// them, in their heads, in their tags.
func TestSessionPieces(t *testing.T) {
	want := loadtest.Hello + "x" + loadtest.Hello
	for cut := 1; ; cut++ {
		client, server := agreedPair(t)
		for _, text := range []string{loadtest.Hello, "x", loadtest.Hello} {
			if _, err := server.Conn.Write([]byte(text)); err != nil {
				t.Fatal(err)
			}
		}
		stream := server.Out
		if cut >= len(stream) {
			break
		}
		var got []byte
		buf := make([]byte, 5)
		for _, piece := range [][]byte{stream[:cut], stream[cut:]} {
			client.In = piece
			for {
				n, err := client.Open(buf)
				got = append(got, buf[:n]...)
				if err == ErrDrained {
					break
				} else if err != nil {
					t.Fatalf("cut at %d: %v", cut, err)
				}
			}
			if len(client.In) > 0 {
				t.Fatalf("cut at %d: %d bytes are not taken", cut, len(client.In))
			}
		}
		if string(got) != want {
			t.Fatalf("cut at %d: %q", cut, got)
		}
	}
}

// A handshake that is given up leaves no coroutine, and one that goes wrong
// says why.
func TestSessionGivenUp(t *testing.T) {
	var s Session
	s.Begin(loadtest.Trusting(), record.Now())
	if s.Shake() || len(s.Out) == 0 {
		t.Fatal("nothing is sent")
	}
	s.Stop() // the rest is for the test of leaks
	if s.Err == nil {
		t.Error("it went on")
	}
	s.Begin(loadtest.Trusting(), record.Now())
	s.Shake()
	s.In = []byte("HTTP/1.1 400 Bad Request\r\n\r\n")
	if !s.Shake() || !strings.Contains(plan.HandshakeError(s.Err).Error(), "use http://") {
		t.Errorf("%v", s.Err)
	}
}

// BenchmarkSession is one request and its answer: by sessions, whose reads are
// drained, and by a coroutine that every read suspends.
func BenchmarkSession(b *testing.B) {
	answer := []byte(loadtest.Hello)
	request := []byte("GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n")
	buf := make([]byte, 4096)
	b.Run("drained", func(b *testing.B) {
		client, server := agreedPair(b)
		b.ReportAllocs()
		for b.Loop() {
			exchange(b, client, server, request, answer, func() int {
				n, err := client.Open(buf)
				if err != ErrDrained {
					b.Fatal(err)
				}
				return n
			})
		}
	})
	b.Run("coroutine", func(b *testing.B) {
		client, server := agreedPair(b)
		next, stop := iter.Pull(func(yield func(int) bool) {
			client.yield = func(struct{}) bool { return yield(0) }
			for {
				n, err := client.Conn.Read(buf)
				if err != nil || !yield(n) {
					return
				}
			}
		})
		defer stop()
		next()
		b.ReportAllocs()
		for b.Loop() {
			exchange(b, client, server, request, answer, func() int {
				n, _ := next()
				next() // until it waits again
				return n
			})
		}
	})
}

// BenchmarkHandshake is a handshake of both sides; the profile tells them apart.
func BenchmarkHandshake(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		agreedPair(b)
	}
}

// exchange has a request sent and its answer taken.
func exchange(b *testing.B, client *Session, server *memory, request, answer []byte, take func() int) {
	if _, err := client.Conn.Write(request); err != nil {
		b.Fatal(err)
	}
	client.Out = client.Out[:0] // a server that reads it is not what is measured
	if _, err := server.Conn.Write(answer); err != nil {
		b.Fatal(err)
	}
	client.In = server.Out
	if n := take(); n != len(answer) {
		b.Fatalf("%d bytes, want %d", n, len(answer))
	}
	server.Out = server.Out[:0]
}

// agreedPair is a client and a server after their handshake.
func agreedPair(tb testing.TB) (*Session, *memory) {
	client, server := new(Session), new(memory)
	client.Begin(loadtest.Trusting(), record.Now())
	var done bool
	server.wait = func() {
		if !done {
			client.In, server.Out = server.Out, nil
			done = client.Shake()
		}
		server.In, client.Out = client.Out, nil
	}
	server.Conn = tls.Server(server, loadtest.Certified())
	if err := server.Conn.Handshake(); err != nil || client.Err != nil || !done {
		tb.Fatal(err, client.Err, done)
	}
	client.In, server.Out = server.Out, nil // tickets
	if n, err := client.Open(make([]byte, 100)); n != 0 || err != ErrDrained {
		tb.Fatal(n, err)
	}
	return client, server
}
