package protocol_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/dynobench/dyno/protocol"
	"github.com/dynobench/dyno/protocol/gateway"
)

// How connections end: aborted, at the client's end, drained, expired.

func TestAbort(t *testing.T) {
	gone := errors.New("gone")
	t.Run("in an answer", func(t *testing.T) {
		body := chunks("a", "b")
		c := connect(t, body.app())
		c.send(get)
		c.run()
		if c.Broken() {
			t.Error("broken before its end")
		}
		c.Abort(gone)
		c.next(protocol.Close)
		if !c.Broken() {
			t.Error("an answer that has begun and is not whole is not broken")
		}
		if len(c.Output()) > 0 || body.closed != 1 || c.Linger() {
			t.Errorf("output %q, closed %d times, lingers %v", c.Output(), body.closed, c.Linger())
		}
		c.Abort(gone)
		c.Run()
		c.Sent(1)
		c.Received(1)
		c.EOF()
		c.Release()
		c.counted(0, 1)
	})
	t.Run("idle", func(t *testing.T) {
		c := connect(t, say("ok"))
		c.send(get)
		c.all()
		c.Abort(gone)
		c.next(protocol.Close)
		if c.Broken() {
			t.Error("a whole answer is broken")
		}
		c.counted(1, 0)
	})
	t.Run("release in an answer", func(t *testing.T) {
		body := chunks("a", "b")
		c := connect(t, body.app())
		c.send(get)
		c.run()
		c.Release()
		c.Release()
		if body.closed != 1 {
			t.Errorf("closed %d times", body.closed)
		}
		c.counted(0, 1)
	})
}

func TestEOF(t *testing.T) {
	t.Run("idle", func(t *testing.T) {
		c := connect(t, say("ok"))
		c.EOF()
		c.next(protocol.Close)
		c.counted(0, 0)
	})
	t.Run("in a request", func(t *testing.T) {
		c := connect(t, say("ok"))
		c.send("GET /")
		c.EOF()
		c.next(protocol.Close)
		c.counted(0, 1)
	})
	t.Run("behind whole requests", func(t *testing.T) {
		c := connect(t, say("ok"))
		c.send(get + get + "GET")
		c.EOF()
		if got := c.all(); strings.Count(got, "HTTP/1.1 200 OK") != 2 {
			t.Errorf("got %q", got)
		}
		c.next(protocol.Close)
		c.counted(2, 1)
	})
	t.Run("in an answer", func(t *testing.T) {
		c := connect(t, chunks("a", "b").app())
		c.send(get)
		c.run()
		c.EOF()
		if got := c.all(); !strings.HasSuffix(got, "1\r\na\r\n1\r\nb\r\n0\r\n\r\n") {
			t.Errorf("got %q", got)
		}
		c.next(protocol.Close)
	})
}

func TestDrain(t *testing.T) {
	t.Run("fresh", func(t *testing.T) {
		c := connect(t, say("ok"))
		c.next(protocol.Read)
		c.Drain()
		c.next(protocol.Close)
	})
	t.Run("idle", func(t *testing.T) {
		c := connect(t, say("ok"))
		c.send(get)
		c.all()
		c.Drain()
		c.next(protocol.Close)
	})
	t.Run("in a request", func(t *testing.T) {
		c := connect(t, say("ok"))
		c.send(get[:10])
		c.Drain()
		c.next(protocol.Read)
		c.send(get[10:])
		if got := c.all(); !strings.Contains(got, "Connection: close\r\n") {
			t.Errorf("got %q", got)
		}
		c.next(protocol.Close)
	})
	t.Run("before the answer has begun", func(t *testing.T) {
		c := connect(t, chunks("", "a").app())
		c.send(get)
		c.run()
		c.Drain()
		if got := c.all(); !strings.Contains(got, "Connection: close\r\n") || !strings.HasSuffix(got, "0\r\n\r\n") {
			t.Errorf("got %q", got)
		}
		c.next(protocol.Close)
		c.counted(1, 0)
	})
	t.Run("in an answer", func(t *testing.T) {
		c := connect(t, chunks("a", "b").app())
		c.send(get)
		c.run()
		c.Drain()
		if got := c.all(); strings.Contains(got, "Connection") || !strings.HasSuffix(got, "0\r\n\r\n") {
			t.Errorf("got %q", got)
		}
		c.next(protocol.Close)
	})
	t.Run("in a write", func(t *testing.T) {
		c := connect(t, say("ok"))
		c.send(get)
		c.run()
		c.Drain()
		c.Sent(1)
		c.next(protocol.Write)
		if got := c.all(); !strings.HasSuffix(got, "ok") {
			t.Errorf("got %q", got)
		}
		c.next(protocol.Close)
	})
}

// Drain and Cancel come from other goroutines while the app runs.
func TestDrainAndCancelWhileTheAppRuns(t *testing.T) {
	gone := errors.New("gone")
	inside := make(chan struct{})
	c := connect(t, func(env *gateway.Environ, start gateway.StartResponse) gateway.Body {
		close(inside)
		<-env.Context.Done()
		return say(context.Cause(env.Context).Error())(env, start)
	})
	go func() {
		<-inside
		c.Drain()
		c.Cancel(gone)
	}()
	c.send(get)
	if got := c.all(); !strings.Contains(got, "Connection: close\r\n") || !strings.HasSuffix(got, "gone") {
		t.Errorf("got %q", got)
	}
	c.next(protocol.Close)
}

func TestExpire(t *testing.T) {
	limits := func(s *protocol.Service) {
		s.Limits = protocol.Limits{HeaderTime: 1 * time.Hour, BodyTime: 2 * time.Hour, IdleTime: 3 * time.Hour, WriteTime: 4 * time.Hour}
	}
	c := connect(t, chunks("", "a").app(), limits)
	// in tells that the deadline is in about d, and that nothing comes of it before.
	in := func(d time.Duration) {
		t.Helper()
		left := time.Until(c.Deadline())
		if left > d || left < d-30*time.Minute {
			t.Fatalf("the deadline is in %v, want %v", left, d)
		}
		action := c.Next()
		c.Expire(c.Deadline().Add(-1))
		c.next(action)
	}
	in(1 * time.Hour) // nothing has come, ever
	d := c.Deadline()
	c.send("POST / HT")
	if !c.Deadline().Equal(d) {
		t.Error("the first byte moves the deadline of the first request")
	}
	c.send("TP/1.1\r\nHost: a\r\nContent-Length: 2\r\n")
	if !c.Deadline().Equal(d) {
		t.Error("the deadline moves while the header comes in")
	}
	c.send("\r\n")
	in(2 * time.Hour)
	c.send("hi")
	if !c.Deadline().IsZero() {
		t.Error("a deadline while the app runs")
	}
	c.run()
	c.run()
	in(4 * time.Hour)
	c.all()
	in(3 * time.Hour)
	c.send("POST / HT")
	in(1 * time.Hour)
	c.send("TP/1.1\r\nHost: a\r\n\r\n")
	c.run()
	c.all()
	in(3 * time.Hour)
	c.Expire(c.Deadline())
	c.next(protocol.Close)
	c.counted(2, 0)

	t.Run("408", func(t *testing.T) {
		for _, part := range []string{"G", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nh"} {
			c := connect(t, say("ok"), limits)
			c.send(part)
			c.Expire(c.Deadline())
			if got := c.all(); !strings.HasPrefix(got, "HTTP/1.1 408 Request Timeout\r\n") || !strings.Contains(got, "Connection: close\r\n") {
				t.Errorf("got %q", got)
			}
			c.next(protocol.Close)
			c.counted(0, 1)
		}
	})
	t.Run("write", func(t *testing.T) {
		body := chunks("a", "b")
		c := connect(t, body.app(), limits)
		c.send(get)
		c.run()
		c.Expire(c.Deadline())
		c.next(protocol.Close)
		if body.closed != 1 || len(c.Output()) > 0 {
			t.Errorf("closed %d times, output %q", body.closed, c.Output())
		}
		c.counted(0, 1)
	})
	t.Run("a byte now and then", func(t *testing.T) {
		c := connect(t, say(strings.Repeat("x", 64<<10)), limits)
		c.send(get)
		c.run()
		d := c.Deadline()
		for range 100 {
			c.Sent(1)
		}
		if !c.Deadline().Equal(d) {
			t.Error("the deadline moves though next to nothing is taken")
		}
		c.Sent(16 << 10)
		if !c.Deadline().After(d) {
			t.Error("the deadline does not move though the client reads")
		}
		c.Expire(c.Deadline())
		c.next(protocol.Close)
	})
	t.Run("never", func(t *testing.T) {
		c := connect(t, say("ok"), func(s *protocol.Service) { s.Limits.IdleTime, s.Limits.HeaderTime = -1, -1 })
		if !c.Deadline().IsZero() {
			t.Error("a deadline without a limit")
		}
		c.Expire(time.Now().Add(1000 * time.Hour))
		c.next(protocol.Read)
	})
	t.Run("an empty line begins nothing", func(t *testing.T) {
		c := connect(t, say("ok"), limits)
		c.send("\r\n")
		if !c.Idle() {
			t.Error("not idle")
		}
		c.Expire(c.Deadline())
		c.next(protocol.Close)
		c.counted(0, 0)
	})
}
