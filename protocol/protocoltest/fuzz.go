package protocoltest

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dynobench/dyno/protocol"
	"github.com/dynobench/dyno/protocol/gateway"
)

// Pieces cuts b at random, by seed.
func Pieces(b []byte, seed uint64) (cut [][]byte) {
	r := rand.New(rand.NewPCG(seed, 0))
	for len(b) > 0 {
		n := 1 + r.IntN(min(len(b), 1+r.IntN(64)))
		cut = append(cut, b[:n])
		b = b[n:]
	}
	return cut
}

// Fuzz is the body of a fuzz target of a codec: it looks for panics, for
// streams whose requests, refusal or output depend on the pieces in which they
// come, and for requests that break the gateway's contract. check, if not nil,
// is told what each stream is found to be.
func Fuzz(f *testing.F, codec protocol.Codec, cases []Case, check func(*testing.T, []byte, Found)) {
	for _, c := range cases {
		if len(c.Stream) < 4000 {
			f.Add(c.Stream, uint64(1))
		}
	}
	// Small, so that they are met.
	limits := protocol.Limits{Line: 500, HeaderCount: 20, HeaderBytes: 2000, Body: 3000}
	f.Fuzz(func(t *testing.T, stream []byte, seed uint64) {
		whole, err := Parse(codec, &limits, stream)
		if err != nil {
			t.Fatal(err)
		}
		split, err := Parse(codec, &limits, Pieces(stream, seed)...)
		if err != nil {
			t.Fatal(err)
		}
		if check != nil {
			check(t, stream, whole)
		}
		whole.Replies, split.Replies = 0, 0
		if diff := cmp.Diff(whole, split); diff != "" {
			t.Fatalf("the outcome depends on the pieces (-whole +split):\n%s", diff)
		}
		serve := func(pieces ...[]byte) Served {
			var lint collector
			served := Serve(Service(codec, limits, gateway.LintWith(lint.report)(new(recorder).app)), pieces...)
			if err := lint.err(); err != nil {
				t.Fatal(err)
			}
			served.Linger = false // tells whether something more has been offered
			served.Output = withoutDate(served.Output)
			return served
		}
		if diff := cmp.Diff(serve(stream), serve(Pieces(stream, seed)...)); diff != "" {
			t.Fatalf("the output depends on the pieces (-whole +split):\n%s", diff)
		}
	})
}

// Rounds makes both halves of a codec go through a request, which is the whole
// of stream, n times, as a Session does: to see what it allocates and costs. A
// Parser may rewrite its bytes, so each round has a fresh copy.
func Rounds(tb testing.TB, codec protocol.Codec, stream []byte) (round func()) {
	p, e := codec.New()
	var limits protocol.Limits
	var env gateway.Environ
	data := make([]byte, len(stream))
	out := make([]byte, 0, 4096)
	now := time.Now()
	head := gateway.Head{Status: 200, Header: []gateway.Field{{Name: "Content-Type", Value: "text/plain"}}, Length: 5}
	return func() {
		copy(data, stream)
		p.Reset(&limits)
		o, err := p.Parse(data)
		if err != nil || o.State != protocol.Done {
			tb.Fatal(o, err)
		}
		env.Header, env.Vars = env.Header[:0], env.Vars[:0]
		p.Describe(&env, data[:o.Size])
		out, _ = e.Head(out[:0], &head, true, now)
		out, _ = e.Open(out, 5)
		out = e.End(e.Close(append(out, "hello"...)))
	}
}
