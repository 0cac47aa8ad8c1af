package http1_test

import (
	"bytes"
	"io"
	"log/slog"
	"testing"

	"github.com/dynobench/dyno/internal/testkit"
	"github.com/dynobench/dyno/protocol"
	"github.com/dynobench/dyno/protocol/gateway"
	"github.com/dynobench/dyno/protocol/http1"
)

var plain = []gateway.Field{{Name: "Content-Type", Value: "text/plain"}}

// shared is a Body for all requests, so that it costs the app nothing.
type shared struct{ p []byte }

func (b *shared) Next() ([]byte, error) { return b.p, io.EOF }
func (b *shared) Close() error          { return nil }
func (b *shared) Size() int64           { return int64(len(b.p)) }

func service(app gateway.App) *protocol.Service {
	s := protocol.NewService(app, http1.Codec{})
	s.Log = slog.New(slog.DiscardHandler)
	return s
}

// echo answers with the request's body.
func echo(env *gateway.Environ, start gateway.StartResponse) gateway.Body {
	body, err := io.ReadAll(env.Input)
	if err != nil {
		panic(err)
	}
	start(200, plain, nil)
	return gateway.Bytes(body)
}

// cycle is one request and its answer as an event loop drives them.
func cycle(s *protocol.Session, request []byte) (written int) {
	s.Feed(request)
	for {
		switch s.Next() {
		case protocol.Run:
			s.Run()
		case protocol.Write:
			n := len(s.Output())
			written += n
			s.Sent(n)
		default:
			return written
		}
	}
}

// typical is a request as browsers send them, about 700 bytes.
var typical = []byte("GET /hello?name=world HTTP/1.1\r\n" +
	"Host: www.example.com\r\n" +
	"Connection: keep-alive\r\n" +
	"Cache-Control: max-age=0\r\n" +
	"sec-ch-ua: \"Chromium\";v=\"130\", \"Not?A_Brand\";v=\"99\"\r\n" +
	"sec-ch-ua-mobile: ?0\r\n" +
	"sec-ch-ua-platform: \"Linux\"\r\n" +
	"Upgrade-Insecure-Requests: 1\r\n" +
	"User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36\r\n" +
	"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8\r\n" +
	"Accept-Encoding: gzip, deflate, br, zstd\r\n" +
	"Accept-Language: en-GB,en;q=0.9,de;q=0.8\r\n" +
	"Cookie: session=0123456789abcdef0123456789abcdef; theme=dark; consent=yes\r\n" +
	"\r\n")

func hello() gateway.App {
	body := &shared{[]byte("Hello, World!")}
	return func(env *gateway.Environ, start gateway.StartResponse) gateway.Body {
		start(200, plain, nil)
		return body
	}
}

func TestSteadyStateAllocatesNothing(t *testing.T) {
	for name, request := range map[string]string{
		"typical":   string(typical),
		"escaped":   "GET /a%20b HTTP/1.1\r\nHost: a\r\n\r\n",
		"body":      "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
		"chunks":    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
		"pipelined": "GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
	} {
		s := service(hello()).NewSession(protocol.Peer{})
		defer s.Release()
		stream := []byte(request)
		if n := cycle(s, stream); n == 0 {
			t.Fatalf("%s: no answer", name)
		}
		allocs := testing.AllocsPerRun(1000, func() { cycle(s, stream) })
		if allocs != 0 && !testkit.Race {
			t.Errorf("%s: %v allocations per request, want 0", name, allocs)
		}
	}
}

func BenchmarkSessionHello(b *testing.B) {
	s := service(hello()).NewSession(protocol.Peer{})
	defer s.Release()
	b.SetBytes(int64(len(typical)))
	b.ReportAllocs()
	for b.Loop() {
		cycle(s, typical)
	}
}

func BenchmarkSessionPipelined(b *testing.B) {
	const depth = 16
	s := service(hello()).NewSession(protocol.Peer{})
	defer s.Release()
	stream := bytes.Repeat([]byte("GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n"), depth)
	b.SetBytes(int64(len(stream)))
	b.ReportAllocs()
	for b.Loop() {
		cycle(s, stream)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*depth), "ns/request")
}

func BenchmarkParse(b *testing.B) {
	p, _ := http1.Codec{}.New()
	var limits protocol.Limits
	var env gateway.Environ
	b.SetBytes(int64(len(typical)))
	b.ReportAllocs()
	for b.Loop() {
		p.Reset(&limits)
		o, err := p.Parse(typical)
		if err != nil || o.State != protocol.Done {
			b.Fatal(o, err)
		}
		env.Header = env.Header[:0]
		p.Describe(&env, typical)
	}
}
