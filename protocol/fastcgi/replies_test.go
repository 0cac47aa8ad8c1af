package fastcgi_test

import (
	"strings"
	"testing"

	"github.com/dynobench/dyno/internal/testkit"
	"github.com/dynobench/dyno/protocol"
	"github.com/dynobench/dyno/protocol/fastcgi"
	"github.com/dynobench/dyno/protocol/gateway"
	"github.com/dynobench/dyno/protocol/protocoltest"
)

var rec = protocoltest.FastCGIRecord

const (
	begin     = "\x00\x01\x01\x00\x00\x00\x00\x00" // responder, FCGI_KEEP_CONN
	complete  = "\x00\x00\x00\x00\x00\x00\x00\x00"
	cantMpx   = "\x00\x00\x00\x00\x01\x00\x00\x00"
	wrongRole = "\x00\x00\x00\x00\x03\x00\x00\x00"
)

// What the protocol itself answers, byte for byte.
func TestReplies(t *testing.T) {
	for _, tt := range []struct{ name, stream, want string }{
		{"what is asked for", string(rec(9, 0, "\x0e\x00FCGI_MAX_CONNS\x0f\x00FCGI_MPXS_CONNS")),
			"\x01\x0a\x00\x00\x00\x12\x00\x00\x0f\x01FCGI_MPXS_CONNS0"},
		{"what is not known", string(rec(9, 0, "\x0e\x00FCGI_MAX_CONNS")), string(rec(10, 0, ""))},
		{"a record of no known type", string(rec(77, 0, "?")), string(rec(11, 0, "\x4d\x00\x00\x00\x00\x00\x00\x00"))},
		{"a second request", string(rec(1, 1, begin)) + string(rec(1, 258, begin)), string(rec(3, 258, cantMpx))},
		{"another role", string(rec(1, 1, "\x00\x02\x01\x00\x00\x00\x00\x00")), string(rec(3, 1, wrongRole))},
		{"an abort", string(rec(1, 7, begin)) + string(rec(2, 7, "")), string(rec(3, 7, complete))},
		{"no FastCGI", "GET / HTTP/1.1\r\n\r\n", ""},
		{"none that an answer could be about", string(rec(1, 7, "short")), ""},
	} {
		svc := protocoltest.Service(fastcgi.Codec{}, protocol.Limits{}, nil)
		if got := string(protocoltest.Serve(svc, []byte(tt.stream)).Output); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

// A head that is larger than a record may be is several.
func TestLargeHead(t *testing.T) {
	var fields []gateway.Field
	for range 10 {
		fields = append(fields, gateway.Field{Name: "X", Value: strings.Repeat("y", 20_000)})
	}
	svc := protocoltest.Service(fastcgi.Codec{}, protocol.Limits{}, func(_ *gateway.Environ, start gateway.StartResponse) gateway.Body {
		start(200, fields, nil)
		return gateway.String("hello")
	})
	served := protocoltest.Serve(svc, client.Encode(protocoltest.Request{Method: "GET", Target: "/"}))
	got, rest, err := client.Decode("GET", served.Output, false)
	if err != nil || len(rest) > 0 || got.Status != 200 || got.Body != "hello" {
		t.Errorf("%+v, %d bytes behind, %v", got, len(rest), err)
	}
	if n := len(served.Output); n < 200_000 {
		t.Errorf("%d bytes", n)
	}
}

// Records that count for nothing take no memory, however many there are.
func TestJunkTakesNoMemory(t *testing.T) {
	s := protocoltest.Service(fastcgi.Codec{}, protocol.Limits{}, nil).NewSession(protocol.Peer{})
	defer s.Release()
	send := func(b []byte) {
		for len(b) > 0 {
			if s.Next() != protocol.Read {
				t.Fatalf("Next is %v", s.Next())
			}
			n := copy(s.Buffer(), b)
			s.Received(n)
			b = b[n:]
		}
	}
	junk := []byte(strings.Repeat(string(rec(5, 9, strings.Repeat("x", 1001))), 1000))
	send(junk)
	if !s.Idle() {
		t.Error("a connection with no request must be idle")
	}
	send(rec(1, 1, begin))
	if s.Idle() {
		t.Error("a request has begun")
	}
	send(junk)
	if n := len(s.Buffer()); n > 8<<10 {
		t.Errorf("%d bytes of buffer", n)
	}
}

// What a Session costs beyond the codec is nothing for each request.
func TestSessionAllocatesNothing(t *testing.T) {
	fields := []gateway.Field{{Name: "Content-Type", Value: "text/plain"}}
	svc := protocoltest.Service(fastcgi.Codec{}, protocol.Limits{}, func(_ *gateway.Environ, start gateway.StartResponse) gateway.Body {
		start(200, fields, nil)
		return gateway.String("hello")
	})
	s := svc.NewSession(protocol.Peer{})
	defer s.Release()
	stream := client.Encode(protocoltest.Typical)
	cycle := func() {
		s.Feed(stream)
		for s.Next() != protocol.Read {
			if s.Next() == protocol.Run {
				s.Run()
			} else {
				s.Sent(len(s.Output()))
			}
		}
	}
	if n := testing.AllocsPerRun(1000, cycle); n >= 1 && !testkit.Race {
		t.Errorf("%v allocations per request, want 0", n)
	}
	if n := svc.Counters.Requests.Load(); n != 1001 {
		t.Errorf("%d requests", n)
	}
}

// An abort that comes once its request runs is about one that is over when it
// is read, and the next one is served.
func TestLateAbort(t *testing.T) {
	var alive []bool
	svc := protocoltest.Service(fastcgi.Codec{}, protocol.Limits{}, func(env *gateway.Environ, start gateway.StartResponse) gateway.Body {
		alive = append(alive, env.Context.Err() == nil)
		start(200, nil, nil)
		return gateway.String("hello")
	})
	request := string(client.Encode(protocoltest.Request{Method: "GET", Target: "/"}))
	served := protocoltest.Serve(svc, []byte(request+string(rec(2, 1, ""))+request))
	rest := served.Output
	for range 2 {
		got, behind, err := client.Decode("GET", rest, false)
		if err != nil || got.Status != 200 || got.Body != "hello" {
			t.Fatalf("%+v, %v", got, err)
		}
		rest = behind
	}
	if len(rest) > 0 || len(alive) != 2 || !alive[0] || !alive[1] {
		t.Errorf("%d bytes behind, contexts alive %v", len(rest), alive)
	}
}
