package uwsgi_test

import (
	"testing"

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
