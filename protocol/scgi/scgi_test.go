package scgi_test

import (
	"testing"

	"github.com/dynobench/dyno/protocol/protocoltest"
	"github.com/dynobench/dyno/protocol/scgi"
)

const cases = "testdata/requests"

var client = protocoltest.Client{Encode: protocoltest.EncodeSCGI, Decode: protocoltest.DecodeCGI}

func TestConformance(t *testing.T) { protocoltest.Run(t, scgi.Codec{}, client) }

func TestCorpus(t *testing.T) { protocoltest.CheckCorpus(t, scgi.Codec{}, cases) }

func FuzzCodec(f *testing.F) {
	typical := protocoltest.Case{Stream: client.Encode(protocoltest.Typical)}
	protocoltest.Fuzz(f, scgi.Codec{}, append(protocoltest.Corpus(f, cases), typical), nil)
}

func TestSteadyStateAllocatesNothing(t *testing.T) {
	protocoltest.CheckSteadyState(t, scgi.Codec{}, client)
}

func BenchmarkRound(b *testing.B) { protocoltest.BenchmarkRounds(b, scgi.Codec{}, client) }
