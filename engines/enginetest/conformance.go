package enginetest

import (
	"context"
	"net"
	"testing"

	wire "github.com/dynobench/dyno/protocol/client"
	"github.com/dynobench/dyno/protocol/conformance"
	"github.com/dynobench/dyno/protocol/gateway"
)

// testConformance judges the engine by the rules that dyno check judges any
// server by.
func testConformance(t *testing.T, s Subject) {
	srv := s.start(t, options{wrap: func(gateway.App) gateway.App { return conformance.NewApp() }})
	conform(t, s.Traits, conformance.Server{
		Dial: func(context.Context) (net.Conn, error) { return srv.connect() },
		App:  true, Patience: patience,
	})
}

// protocolConformance does the same by another protocol, as far as its rules
// are not about HTTP.
func protocolConformance(t *testing.T, s Subject, p Protocol) {
	srv := s.start(t, options{wrap: func(gateway.App) gateway.App { return conformance.NewApp() }})
	conform(t, s.Traits, conformance.Server{
		Transport: &wire.Transport{
			DialContext:       func(context.Context, string, string) (net.Conn, error) { return srv.connect() },
			DisableKeepAlives: true, // or it would ask again when a kept connection is closed
		},
		Scheme: p.Codec.Name(), App: true, Host: "test", Patience: patience,
	})
}

// conform reports each broken rule, and each that could have been judged and
// was not.
func conform(t *testing.T, traits Traits, s conformance.Server) {
	t.Helper()
	conformance.Run(context.Background(), s, func(r conformance.Result) {
		if why, known := traits.Breaks[r.Rule.ID]; known {
			if r.Verdict == conformance.Pass {
				t.Errorf("%s holds now, but is listed as broken: %s", r.Rule.ID, why)
			}
			return
		}
		foreign := r.Rule.Needs&conformance.HTTP != 0 && s.Dial == nil
		closes := traits.OneShot && pipelined[r.Rule.ID]
		if r.Verdict == conformance.Fail || r.Verdict == conformance.Unjudged && !foreign && !closes {
			t.Errorf("%s (%s, %s): %s: %s", r.Rule.ID, r.Rule.Text, r.Rule.Ref, r.Verdict, r.Detail)
		}
	})
}

// pipelined are rules that need a second answer on a connection.
var pipelined = map[string]bool{"http.pipelined": true, "wire.pipelining": true}
