package protocoltest

import (
	"testing"

	"github.com/dynobench/dyno/protocol"
	"github.com/dynobench/dyno/protocol/gateway"
)

// This file is what the tests of the gateway protocols' codecs have in common.

// Typical is a request as browsers make them and web servers pass them on.
var Typical = Request{Method: "GET", Target: "/hello?name=world", Host: "www.example.com", Header: []gateway.Field{
	{Name: "Connection", Value: "keep-alive"},
	{Name: "Cache-Control", Value: "max-age=0"},
	{Name: "Upgrade-Insecure-Requests", Value: "1"},
	{Name: "User-Agent", Value: "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36"},
	{Name: "Accept", Value: "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"},
	{Name: "Accept-Encoding", Value: "gzip, deflate, br, zstd"},
	{Name: "Accept-Language", Value: "en-GB,en;q=0.9,de;q=0.8"},
	{Name: "Cookie", Value: "session=0123456789abcdef0123456789abcdef; theme=dark; consent=yes"},
}}

// Corpus is Load for a test that cannot go on without.
func Corpus(t testing.TB, folder string) []Case {
	t.Helper()
	cases, err := Load(folder)
	if err != nil {
		t.Fatal(err)
	}
	return cases
}

// CheckCorpus holds a codec against every case of a folder.
func CheckCorpus(t *testing.T, codec protocol.Codec, folder string) {
	for _, c := range Corpus(t, folder) {
		t.Run(c.Name, func(t *testing.T) { Check(t, codec, c, "") })
	}
}

// CheckSteadyState holds a codec to allocating nothing once it has seen a
// request like the one at hand.
func CheckSteadyState(t *testing.T, codec protocol.Codec, client Client) {
	post := Typical
	post.Method, post.Target, post.Body = "POST", "/a%20b", "hello"
	for name, r := range map[string]Request{"typical": Typical, "body": post} {
		round := Rounds(t, codec, client.Encode(r))
		if n := testing.AllocsPerRun(1000, round); n != 0 {
			t.Errorf("%s: %v allocations per request, want 0", name, n)
		}
	}
}

// BenchmarkRounds measures Rounds of the typical request.
func BenchmarkRounds(b *testing.B, codec protocol.Codec, client Client) {
	stream := client.Encode(Typical)
	round := Rounds(b, codec, stream)
	b.SetBytes(int64(len(stream)))
	b.ReportAllocs()
	for b.Loop() {
		round()
	}
}
