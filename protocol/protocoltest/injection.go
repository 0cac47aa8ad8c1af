package protocoltest

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/dynobench/dyno/protocol"
	"github.com/dynobench/dyno/protocol/gateway"
)

// injections are heads that must not reach the wire. What would be seen of
// them there has "injected" in it.
var injections = []gateway.Head{
	{Status: 200, Header: []gateway.Field{{Name: "X", Value: "a\r\nX-Injected: b"}}},
	{Status: 200, Header: []gateway.Field{{Name: "X", Value: "a\nX-Injected: b"}}},
	{Status: 200, Header: []gateway.Field{{Name: "X", Value: "a\rX-Injected: b"}}},
	{Status: 200, Header: []gateway.Field{{Name: "X", Value: "injected\x00"}}},
	{Status: 200, Header: []gateway.Field{{Name: "X", Value: "a\r\n\r\n<injected>"}}},
	{Status: 200, Header: []gateway.Field{{Name: "X: a\r\nX-Injected", Value: "b"}}},
	{Status: 200, Header: []gateway.Field{{Name: "X-Injected\n", Value: "b"}}},
	{Status: 200, Header: []gateway.Field{{Name: "X-Injected\x00", Value: "b"}}},
	{Status: 200, Header: []gateway.Field{{Name: "X-Injected ", Value: "b"}}},
	{Status: 200, Header: []gateway.Field{{Name: "Injected:", Value: "b"}}},
	{Status: 200, Header: []gateway.Field{{Name: "", Value: "injected"}}},
	{Status: 200, Header: []gateway.Field{{Name: "Transfer-Encoding", Value: "injected"}}},
	{Status: 200, Header: []gateway.Field{{Name: "Connection", Value: "injected"}}},
	{Status: 200, Header: []gateway.Field{{Name: "Upgrade", Value: "injected"}}},
	{Status: 200, Header: []gateway.Field{{Name: "Trailer", Value: "injected"}}},
	{Status: 200, Header: []gateway.Field{{Name: "Content-Length", Value: "8, 8"}}},
	{Status: 200, Header: []gateway.Field{{Name: "Content-Length", Value: "8\r\n"}}},
	{Status: 200, Header: []gateway.Field{{Name: "Content-Length", Value: "8"}, {Name: "content-length", Value: "9"}}},
	{Status: 0}, {Status: -1}, {Status: 99}, {Status: 100}, {Status: 101}, {Status: 199}, {Status: 1000}, {Status: 200_000},
}

// checkInjection has an app try to inject, and not look at the error that
// tells it so: the client must be told of a failure and see nothing else.
func checkInjection(t *testing.T, codec protocol.Codec, client Client) {
	for _, h := range injections {
		for _, before := range []bool{false, true} {
			app := func(_ *gateway.Environ, start gateway.StartResponse) gateway.Body {
				var cause error
				if before { // replaced by an error page, which is no better
					start(200, nil, nil)
					cause = fmt.Errorf("changed its mind")
				}
				if start(h.Status, h.Header, cause) == nil {
					t.Errorf("%d %q: start must fail", h.Status, h.Header)
				}
				if before {
					return gateway.Bytes([]byte("first"))
				}
				return gateway.Bytes([]byte("injected"))
			}
			request := client.Encode(Request{Method: "GET", Target: "/", Host: "test"})
			served := Serve(Service(codec, protocol.Limits{}, app), request)
			got, rest, err := client.Decode("GET", served.Output, !served.Broken)
			want := Response{500, "the application failed\n"}
			if before { // the first head stands
				want = Response{200, "first"}
			}
			if err != nil || got != want || len(rest) > 0 {
				t.Errorf("%d %q: the client sees %+v, %q, %v, want %+v", h.Status, h.Header, got, rest, err, want)
			}
			if bytes.Contains(bytes.ToLower(served.Output), []byte("injected")) {
				t.Errorf("%d %q: injected: %q", h.Status, h.Header, served.Output)
			}
		}
	}
}
