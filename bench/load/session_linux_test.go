package load

import (
	"crypto/tls"
	"iter"
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
