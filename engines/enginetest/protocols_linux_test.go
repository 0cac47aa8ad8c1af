package enginetest

import (
	"context"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/dynobench/dyno/engines"
	"github.com/dynobench/dyno/engines/catalog"
	"github.com/dynobench/dyno/internal/testkit"
	"github.com/dynobench/dyno/protocol"
	"github.com/dynobench/dyno/protocol/fastcgi"
	"github.com/dynobench/dyno/protocol/http1"
	"github.com/dynobench/dyno/protocol/protocoltest"
	"github.com/dynobench/dyno/protocol/scgi"
	"github.com/dynobench/dyno/protocol/uwsgi"
)

var protocols = []Protocol{
	{uwsgi.Codec{}, protocoltest.Client{Encode: protocoltest.EncodeUWSGI, Decode: protocoltest.DecodeCGI}},
	{scgi.Codec{}, protocoltest.Client{Encode: protocoltest.EncodeSCGI, Decode: protocoltest.DecodeCGI}},
	{fastcgi.Codec{}, protocoltest.Client{Encode: protocoltest.EncodeFastCGI, Decode: protocoltest.DecodeFastCGI, Reuse: true}},
}

func TestProtocols(t *testing.T) {
	for _, s := range subjects {
		if s.traits.Yardstick {
			continue
		}
		for _, p := range protocols {
			t.Run(s.spec+"/"+p.Codec.Name(), func(t *testing.T) {
				needRing(t, s.spec)
				before := testkit.Descriptors(t)
				RunProtocol(t, subject(s.spec, s.traits), p)
				testkit.Eventually(t, "the engine must leave no descriptor behind", func() bool { return testkit.Descriptors(t) <= before })
				goleak.VerifyNone(t, background...)
			})
		}
	}
}

// Servers with a parser of their own must say so rather than answer in HTTP.
func TestHTTPOnly(t *testing.T) {
	for _, spec := range []string{"nethttp", "fasthttp", "null"} {
		e, err := catalog.New(spec)
		if err != nil {
			t.Fatal(err)
		}
		sock, err := engines.Listen("127.0.0.1:0", engines.SocketOptions{})
		if err != nil {
			t.Fatal(err)
		}
		err = e.Serve(context.Background(), sock, protocol.NewService(nil, scgi.Codec{}))
		if err == nil || !strings.Contains(err.Error(), spec+" speaks http only, not scgi") {
			t.Errorf("%s: %v", spec, err)
		}
		proxied := protocol.NewService(nil, http1.Codec{})
		proxied.Proxied = true
		err = e.Serve(context.Background(), sock, proxied)
		if err == nil || !strings.Contains(err.Error(), spec+" does not take the PROXY protocol") {
			t.Errorf("%s: %v", spec, err)
		}
		if c, err := sock.Listener().Accept(); err == nil {
			c.Close()
			t.Errorf("%s: the socket must be closed", spec)
		}
	}
}
