package protocol_test

import (
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/dynobench/dyno/protocol"
	"github.com/dynobench/dyno/protocol/gateway"
)

func TestAnswer(t *testing.T) {
	const date = "{DATE}\r\n"
	for _, c := range []struct {
		name, request string
		app           gateway.App
		want          string
		closes        bool
	}{
		{"length", get, say("hi"),
			"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n" + date + "Content-Length: 2\r\n\r\nhi", false},
		{"chunks", get, chunks("a", "", "bcd").app(),
			"HTTP/1.1 200 OK\r\n" + date + "Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n3\r\nbcd\r\n0\r\n\r\n", false},
		{"declared length", get, chunks("a", "b").app(gateway.Field{Name: "content-length", Value: "2"}),
			"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n" + date + "\r\nab", false},
		{"empty", get, chunks().app(), "HTTP/1.1 200 OK\r\n" + date + "Content-Length: 0\r\n\r\n", false},
		{"HEAD", "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n", say("hi"),
			"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n" + date + "Content-Length: 2\r\n\r\n", false},
		{"HEAD, chunks", "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n", chunks("a", "b").app(),
			"HTTP/1.1 200 OK\r\n" + date + "\r\n", false},
		{"close", "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", say("hi"),
			"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n" + date + "Content-Length: 2\r\nConnection: close\r\n\r\nhi", true},
		{"1.0", "GET / HTTP/1.0\r\n\r\n", say("hi"),
			"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n" + date + "Content-Length: 2\r\nConnection: close\r\n\r\nhi", true},
		{"1.0 keep-alive", "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", say("hi"),
			"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n" + date + "Content-Length: 2\r\nConnection: keep-alive\r\n\r\nhi", false},
		{"1.0 of unknown length", "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", chunks("a", "b").app(),
			"HTTP/1.1 200 OK\r\n" + date + "Connection: close\r\n\r\nab", true},
		{"204", get, status(204), "HTTP/1.1 204 No Content\r\n" + date + "\r\n", false},
		{"304", get, status(304, gateway.Field{Name: "Content-Length", Value: "9"}),
			"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n" + date + "\r\n", false},
		{"unknown status", get, status(799), "HTTP/1.1 799 \r\n" + date + "Content-Length: 0\r\n\r\n", false},
		{"own date and server", get, status(200, gateway.Field{Name: "date", Value: "today"}, gateway.Field{Name: "Server", Value: "mine"}),
			"HTTP/1.1 200 OK\r\ndate: today\r\nServer: mine\r\nContent-Length: 0\r\n\r\n", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := connect(t, c.app)
			s.send(c.request)
			expect(t, s.all(), c.want)
			if closes := s.Next() == protocol.Close; closes != c.closes {
				t.Errorf("closes: %v, want %v", closes, c.closes)
			}
			if s.Idle() != true || s.Busy() {
				t.Errorf("idle %v, busy %v afterwards", s.Idle(), s.Busy())
			}
			s.counted(1, 0)
		})
	}
}

func status(code int, header ...gateway.Field) gateway.App {
	return func(_ *gateway.Environ, start gateway.StartResponse) gateway.Body {
		start(code, header, nil)
		return nil
	}
}

func TestNoKeepAlive(t *testing.T) {
	c := connect(t, say("hi"), func(s *protocol.Service) { s.NoKeepAlive = true })
	c.send(get + get)
	if got := c.all(); strings.Count(got, "HTTP/1.1 200 OK") != 1 || !strings.Contains(got, "Connection: close") {
		t.Errorf("got %q", got)
	}
	c.next(protocol.Close)
	if !c.Linger() {
		t.Error("does not linger, though a request has been dropped")
	}
	c = connect(t, say("hi"), func(s *protocol.Service) { s.NoKeepAlive = true })
	c.send(get)
	c.all()
	if c.next(protocol.Close); c.Linger() {
		t.Error("lingers for nothing")
	}
}

// A chunk leaves before the next one is pulled, and a body that yields gives
// the engine its turn back without output.
func TestChunksLeaveOneByOne(t *testing.T) {
	body := chunks("a", "", "", "b")
	c := connect(t, body.app())
	c.send(get)
	for i, want := range []string{"a", "", "", "b", "end"} {
		c.run()
		if body.n != i+1 {
			t.Fatalf("%d pulls in the %dth Run", body.n, i+1)
		}
		switch want {
		case "":
			c.next(protocol.Run)
		case "end":
			expect(t, c.read(), "0\r\n\r\n")
		default:
			if got := c.read(); !strings.HasSuffix(got, "1\r\n"+want+"\r\n") {
				t.Fatalf("got %q", got)
			}
			if !c.Busy() {
				t.Errorf("not busy in the middle of an answer")
			}
		}
	}
	if body.closed != 1 {
		t.Errorf("closed %d times", body.closed)
	}
	c.next(protocol.Read)
}

// A large chunk is written from where the app has it, and the Body is closed
// only afterwards.
func TestLargeChunkIsNotCopied(t *testing.T) {
	large := []byte(strings.Repeat("0123456789", 100_000))
	body := &steps{next: func(int) ([]byte, error) { return large, io.EOF }}
	c := connect(t, body.app())
	c.send(get)
	c.run()
	var got []byte
	for c.Next() == protocol.Write {
		out := c.Output()
		if &out[0] == &large[0] {
			if body.closed > 0 {
				t.Fatal("closed while its chunk is in use")
			}
		} else if len(out) > 1000 && len(got) < 1000 {
			t.Fatalf("%d bytes copied", len(out))
		}
		n := min(len(out), 70_000)
		got = append(got, out[:n]...)
		c.Sent(n)
	}
	if !strings.HasSuffix(string(got), "\r\n\r\n"+string(large)) {
		t.Fatalf("got %d bytes", len(got))
	}
	c.run()
	c.next(protocol.Read)
	if body.closed != 1 {
		t.Errorf("closed %d times", body.closed)
	}
	c.counted(1, 0)
}

func TestPipelining(t *testing.T) {
	c := connect(t, target)
	var requests, want strings.Builder
	for i := range 500 {
		fmt.Fprintf(&requests, "GET /%d HTTP/1.1\r\nHost: a\r\n\r\n", i)
		fmt.Fprintf(&want, "HTTP/1.1 200 OK\r\n{DATE}\r\nContent-Length: %d\r\n\r\n/%d", len(fmt.Sprint(i))+1, i)
	}
	rest := requests.String()
	var got strings.Builder
	held := 0
	for len(rest) > 0 {
		n := c.Feed([]byte(rest))
		rest = rest[n:]
		held = max(held, n)
		got.WriteString(c.all())
	}
	if held > 64<<10 {
		t.Errorf("%d bytes taken while a request waited", held)
	}
	expect(t, got.String(), want.String())
	c.counted(500, 0)
}

// Answers gather while requests are there, but only up to a bound.
func TestPipelinedAnswersGather(t *testing.T) {
	c := connect(t, say(strings.Repeat("x", 10_000)))
	c.send(strings.Repeat(get, 20))
	runs := 0
	for c.Next() == protocol.Run {
		c.Run()
		runs++
	}
	c.next(protocol.Write)
	if n := len(c.Output()); n < 60_000 || n > 64<<10+11_000 || runs < 6 || runs > 8 {
		t.Errorf("%d bytes gathered in %d runs", n, runs)
	}
	if got := strings.Count(c.all(), "HTTP/1.1 200 OK"); got != 20 {
		t.Errorf("%d answers", got)
	}
}

// What is in the output leaves before an app that yields is asked again.
func TestYieldLetsEarlierAnswersLeave(t *testing.T) {
	first := true
	c := connect(t, func(env *gateway.Environ, start gateway.StartResponse) gateway.Body {
		start(200, nil, nil)
		if first {
			first = false
			return gateway.Bytes([]byte("first"))
		}
		return chunks("", "second")
	})
	c.send(get + get)
	c.run()
	c.run()
	if got := c.read(); !strings.HasSuffix(got, "first") {
		t.Fatalf("got %q", got)
	}
	c.next(protocol.Run)
}

func TestBodyOverManyFeeds(t *testing.T) {
	body := strings.Repeat("0123456789", 100_000)
	c := connect(t, func(env *gateway.Environ, start gateway.StartResponse) gateway.Body {
		got, err := io.ReadAll(env.Input)
		if err != nil || string(got) != body || env.ContentLength != int64(len(body)) {
			t.Errorf("%d bytes of %d, %v", len(got), env.ContentLength, err)
		}
		return say("ok")(env, start)
	})
	for _, stream := range []string{
		fmt.Sprintf("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%s", len(body), body),
		"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" +
			strings.Repeat("a\r\n0123456789\r\n", 100_000) + "0\r\n\r\n",
	} {
		for len(stream) > 0 {
			c.next(protocol.Read)
			n := copy(c.Buffer(), stream[:min(len(stream), 10_007)])
			c.Received(n)
			stream = stream[n:]
		}
		if got := c.all(); !strings.HasSuffix(got, "ok") {
			t.Fatalf("got %q", got)
		}
	}
	c.counted(2, 0)
}

func TestContinue(t *testing.T) {
	const head = "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"
	c := connect(t, say("ok"))
	c.send(head)
	expect(t, c.read(), "HTTP/1.1 100 Continue\r\n\r\n")
	c.next(protocol.Read)
	c.send("h")
	c.next(protocol.Read)
	c.send("i")
	if got := c.all(); !strings.HasPrefix(got, "HTTP/1.1 200 OK\r\n") {
		t.Errorf("got %q", got)
	}
	// Not where the client has begun the body, nor where there is none.
	c.send(head + "h")
	c.next(protocol.Read)
	c.send("i")
	if got := c.all(); !strings.HasPrefix(got, "HTTP/1.1 200 OK\r\n") {
		t.Errorf("got %q", got)
	}
	c.send("GET / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n")
	if got := c.all(); !strings.HasPrefix(got, "HTTP/1.1 200 OK\r\n") {
		t.Errorf("got %q", got)
	}
	// Answers before it stay before it.
	c.send(get + head)
	got := c.all()
	if !strings.HasPrefix(got, "HTTP/1.1 200 OK\r\n") || !strings.HasSuffix(got, "okHTTP/1.1 100 Continue\r\n\r\n") {
		t.Errorf("got %q", got)
	}
}

func TestRefusal(t *testing.T) {
	c := connect(t, say("ok"))
	c.send(get + "bad\r\n" + get)
	got := c.all()
	expect(t, got[strings.LastIndex(got, "HTTP/1.1"):],
		"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\n{DATE}\r\n"+
			"Content-Length: 23\r\nConnection: close\r\n\r\nmalformed request line\n")
	c.next(protocol.Close)
	if !c.Linger() {
		t.Error("does not linger")
	}
	if n := c.Feed([]byte(get)); n != len(get) {
		t.Errorf("takes %d bytes after the end", n)
	}
	c.next(protocol.Close)
	c.counted(1, 1)
}

// 413 comes from the declared length, before the body and before 100.
func TestBodyTooLarge(t *testing.T) {
	c := connect(t, say("ok"))
	c.send("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 16777217\r\n\r\n")
	if got := c.all(); !strings.HasPrefix(got, "HTTP/1.1 413 ") {
		t.Errorf("got %q", got)
	}
	c.next(protocol.Close)
}

func TestFailure(t *testing.T) {
	panics := func(*gateway.Environ, gateway.StartResponse) gateway.Body { panic("told to") }
	t.Run("before bytes", func(t *testing.T) {
		c := connect(t, panics)
		c.send(get + get)
		got := c.all()
		if strings.Count(got, "HTTP/1.1 500 Internal Server Error\r\n") != 2 {
			t.Errorf("got %q", got)
		}
		c.next(protocol.Read)
		c.counted(2, 2)
		if !strings.Contains(c.log.String(), "told to") {
			t.Errorf("log: %s", c.log)
		}
	})
	t.Run("after bytes", func(t *testing.T) {
		body := &steps{next: func(n int) ([]byte, error) {
			if n == 1 {
				return []byte("some"), nil
			}
			panic("told to")
		}}
		c := connect(t, body.app())
		c.send(get + get)
		got := c.all()
		if !strings.HasSuffix(got, "4\r\nsome\r\n") {
			t.Errorf("got %q", got)
		}
		c.next(protocol.Close)
		if !c.Broken() {
			t.Error("not broken")
		}
		c.counted(0, 1)
		if body.closed != 1 {
			t.Errorf("closed %d times", body.closed)
		}
	})
	t.Run("too short", func(t *testing.T) {
		c := connect(t, chunks("abc").app(gateway.Field{Name: "Content-Length", Value: "5"}))
		c.send(get)
		if got := c.all(); !strings.HasSuffix(got, "\r\n\r\nabc") {
			t.Errorf("got %q", got)
		}
		c.next(protocol.Close)
		c.counted(0, 1)
	})
	t.Run("too long", func(t *testing.T) {
		c := connect(t, chunks("abc", "def").app(gateway.Field{Name: "Content-Length", Value: "5"}))
		c.send(get)
		if got := c.all(); !strings.HasSuffix(got, "\r\n\r\nabcde") {
			t.Errorf("got %q", got)
		}
		c.next(protocol.Read)
		c.counted(1, 0)
		if !strings.Contains(c.log.String(), "longer than its Content-Length") {
			t.Errorf("log: %s", c.log)
		}
	})
}
