package scgi_test

import (
	"testing"

	"github.com/dynobench/dyno/protocol/gateway"
	"github.com/dynobench/dyno/protocol/protocoltest"
	"github.com/dynobench/dyno/protocol/scgi"
)

var client = protocoltest.Client{Encode: protocoltest.EncodeSCGI, Decode: protocoltest.DecodeCGI}

func TestConformance(t *testing.T) { protocoltest.Run(t, scgi.Codec{}, client) }

func corpus(t testing.TB) []protocoltest.Case {
	t.Helper()
	cases, err := protocoltest.Load("testdata/requests")
	if err != nil {
		t.Fatal(err)
	}
	return cases
}

func TestCorpus(t *testing.T) {
	for _, c := range corpus(t) {
		t.Run(c.Name, func(t *testing.T) {
			protocoltest.Check(t, scgi.Codec{}, c, "")
		})
	}
}

func FuzzCodec(f *testing.F) {
	cases := append(corpus(f), protocoltest.Case{Stream: client.Encode(typical)})
	protocoltest.Fuzz(f, scgi.Codec{}, cases, nil)
}

// typical is a request as browsers make them and nginx passes them on.
var typical = protocoltest.Request{Method: "GET", Target: "/hello?name=world", Host: "www.example.com", Header: []gateway.Field{
	{Name: "Connection", Value: "keep-alive"},
	{Name: "Cache-Control", Value: "max-age=0"},
	{Name: "Upgrade-Insecure-Requests", Value: "1"},
	{Name: "User-Agent", Value: "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36"},
	{Name: "Accept", Value: "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"},
	{Name: "Accept-Encoding", Value: "gzip, deflate, br, zstd"},
	{Name: "Accept-Language", Value: "en-GB,en;q=0.9,de;q=0.8"},
	{Name: "Cookie", Value: "session=0123456789abcdef0123456789abcdef; theme=dark; consent=yes"},
}}

func TestSteadyStateAllocatesNothing(t *testing.T) {
	post := typical
	post.Method, post.Target, post.Body = "POST", "/a%20b", "hello"
	for name, r := range map[string]protocoltest.Request{"typical": typical, "body": post} {
		round := protocoltest.Rounds(t, scgi.Codec{}, client.Encode(r))
		if n := testing.AllocsPerRun(1000, round); n != 0 {
			t.Errorf("%s: %v allocations per request, want 0", name, n)
		}
	}
}

func BenchmarkRound(b *testing.B) {
	stream := client.Encode(typical)
	round := protocoltest.Rounds(b, scgi.Codec{}, stream)
	b.SetBytes(int64(len(stream)))
	b.ReportAllocs()
	for b.Loop() {
		round()
	}
}
