package fastcgi_test

import (
	"testing"

	"github.com/dynobench/dyno/protocol/fastcgi"
	"github.com/dynobench/dyno/protocol/protocoltest"
)

const cases = "testdata/requests"

var client = protocoltest.Client{Reuse: true, Encode: protocoltest.EncodeFastCGI, Decode: protocoltest.DecodeFastCGI}

func TestConformance(t *testing.T) { protocoltest.Run(t, fastcgi.Codec{}, client) }

func TestCorpus(t *testing.T) { protocoltest.CheckCorpus(t, fastcgi.Codec{}, cases) }

func FuzzCodec(f *testing.F) {
	typical := protocoltest.Case{Stream: client.Encode(protocoltest.Typical)}
	protocoltest.Fuzz(f, fastcgi.Codec{}, append(protocoltest.Corpus(f, cases), typical), nil)
}

func TestSteadyStateAllocatesNothing(t *testing.T) {
	protocoltest.CheckSteadyState(t, fastcgi.Codec{}, client)
}

func BenchmarkRound(b *testing.B) { protocoltest.BenchmarkRounds(b, fastcgi.Codec{}, client) }
