package uwsgi_test

import (
	"testing"

	"github.com/dynobench/dyno/protocol"
	"github.com/dynobench/dyno/protocol/gateway"
	"github.com/dynobench/dyno/protocol/protocoltest"
	"github.com/dynobench/dyno/protocol/uwsgi"
)

const cases = "testdata/requests"

var client = protocoltest.Client{Encode: protocoltest.EncodeUWSGI, Decode: protocoltest.DecodeCGI}

func TestConformance(t *testing.T) { protocoltest.Run(t, uwsgi.Codec{}, client) }

func TestCorpus(t *testing.T) { protocoltest.CheckCorpus(t, uwsgi.Codec{}, cases) }

func FuzzCodec(f *testing.F) {
	typical := protocoltest.Case{Stream: client.Encode(protocoltest.Typical)}
	protocoltest.Fuzz(f, uwsgi.Codec{}, append(protocoltest.Corpus(f, cases), typical), nil)
}

func TestSteadyStateAllocatesNothing(t *testing.T) {
	protocoltest.CheckSteadyState(t, uwsgi.Codec{}, client)
}

func BenchmarkRound(b *testing.B) { protocoltest.BenchmarkRounds(b, uwsgi.Codec{}, client) }

// BenchmarkParse is the server's half alone: a packet taken apart and described.
func BenchmarkParse(b *testing.B) {
	stream := client.Encode(protocoltest.Typical)
	p, _ := uwsgi.Codec{}.New()
	var limits protocol.Limits
	var env gateway.Environ
	data := make([]byte, len(stream))
	b.SetBytes(int64(len(stream)))
	b.ReportAllocs()
	for b.Loop() {
		copy(data, stream) // header names are rewritten in place
		p.Reset(&limits)
		o, err := p.Parse(data)
		if err != nil || o.State != protocol.Done {
			b.Fatal(o, err)
		}
		env.Header, env.Vars = env.Header[:0], env.Vars[:0]
		p.Describe(&env, data)
	}
}
