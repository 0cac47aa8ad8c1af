package load

import (
	"crypto/tls"
	"iter"
	"strings"
	"testing"
)

// memory is a session's other end: a connection over memory whose Read runs f
// until there is something.
type memory struct {
	session
	wait func()
}

func (m *memory) Read(b []byte) (int, error) {
	for len(m.in) == 0 {
		m.wait()
	}
	return m.session.Read(b)
}

// What is opened does not hang on where the network cuts the records: between
// them, in their heads, in their tags.
func TestSessionPieces(t *testing.T) {
	want := hello + "x" + hello
	for cut := 1; ; cut++ {
		client, server := agreedPair(t)
		for _, text := range []string{hello, "x", hello} {
			if _, err := server.conn.Write([]byte(text)); err != nil {
				t.Fatal(err)
			}
		}
		stream := server.out
		if cut >= len(stream) {
			break
		}
		var got []byte
		buf := make([]byte, 5)
		for _, piece := range [][]byte{stream[:cut], stream[cut:]} {
			client.in = piece
			for {
				n, err := client.open(buf)
				got = append(got, buf[:n]...)
				if err == errDrained {
					break
				} else if err != nil {
					t.Fatalf("cut at %d: %v", cut, err)
				}
			}
			if len(client.in) > 0 {
				t.Fatalf("cut at %d: %d bytes are not taken", cut, len(client.in))
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
	var s session
	s.begin(trusting(), now())
	if s.shake() || len(s.out) == 0 {
		t.Fatal("nothing is sent")
	}
	s.stop() // the rest is for the test of leaks
	if s.err == nil {
		t.Error("it went on")
	}
	s.begin(trusting(), now())
	s.shake()
	s.in = []byte("HTTP/1.1 400 Bad Request\r\n\r\n")
	if !s.shake() || !strings.Contains(handshakeError(s.err).Error(), "use http://") {
		t.Errorf("%v", s.err)
	}
}

// BenchmarkSession is one request and its answer: by sessions, whose reads are
// drained, and by a coroutine that every read suspends.
func BenchmarkSession(b *testing.B) {
	answer := []byte(hello)
	request := []byte("GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n")
	buf := make([]byte, 4096)
	b.Run("drained", func(b *testing.B) {
		client, server := agreedPair(b)
		b.ReportAllocs()
		for b.Loop() {
			exchange(b, client, server, request, answer, func() int {
				n, err := client.open(buf)
				if err != errDrained {
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
				n, err := client.conn.Read(buf)
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
func exchange(b *testing.B, client *session, server *memory, request, answer []byte, take func() int) {
	if _, err := client.conn.Write(request); err != nil {
		b.Fatal(err)
	}
	client.out = client.out[:0] // a server that reads it is not what is measured
	if _, err := server.conn.Write(answer); err != nil {
		b.Fatal(err)
	}
	client.in = server.out
	if n := take(); n != len(answer) {
		b.Fatalf("%d bytes, want %d", n, len(answer))
	}
	server.out = server.out[:0]
}

// agreedPair is a client and a server after their handshake.
func agreedPair(tb testing.TB) (*session, *memory) {
	client, server := new(session), new(memory)
	client.begin(trusting(), now())
	var done bool
	server.wait = func() {
		if !done {
			client.in, server.out = server.out, nil
			done = client.shake()
		}
		server.in, client.out = client.out, nil
	}
	server.conn = tls.Server(server, certified())
	if err := server.conn.Handshake(); err != nil || client.err != nil || !done {
		tb.Fatal(err, client.err, done)
	}
	client.in, server.out = server.out, nil // tickets
	if n, err := client.open(make([]byte, 100)); n != 0 || err != errDrained {
		tb.Fatal(n, err)
	}
	return client, server
}
