package record

import (
	"crypto/tls"
	"net"
	"slices"
	"strings"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/dynobench/dyno/results"
)

// A TLS is what one thread's connections agreed on.
type TLS struct {
	window     *Window
	agreements []agreement // few, where not all are alike
	handshakes int64       // within the window, and
	resumed    int64       // of these
	took       *hdrhistogram.Histogram
}

type agreement struct {
	version, suite uint16
	curve          tls.CurveID
}

// NewTLS makes the record of one thread.
func NewTLS(w *Window) *TLS { return &TLS{window: w, took: results.NewHistogram()} }

// Agreed records a handshake.
func (r *TLS) Agreed(s *tls.ConnectionState, took, at int64) {
	a := agreement{s.Version, s.CipherSuite, s.CurveID}
	if !slices.Contains(r.agreements, a) {
		r.agreements = append(r.agreements, a)
	}
	if !r.window.Holds(at) {
		return
	}
	r.handshakes++
	if s.DidResume {
		r.resumed++
	}
	results.RecordNS(r.took, took)
}

// Add adds what another thread has recorded.
func (r *TLS) Add(from *TLS) {
	r.handshakes += from.handshakes
	r.resumed += from.resumed
	r.took.Merge(from.took)
	for _, a := range from.agreements {
		if !slices.Contains(r.agreements, a) {
			r.agreements = append(r.agreements, a)
		}
	}
}

// Result is what is reported of it.
func (r *TLS) Result(config *tls.Config) *results.TLS {
	t := &results.TLS{Verified: !config.InsecureSkipVerify, Handshakes: r.handshakes, Resumed: r.resumed}
	if net.ParseIP(config.ServerName) == nil {
		t.ServerName = config.ServerName
	}
	if r.handshakes > 0 {
		t.HandshakeUS = results.QuantilesOf(r.took)
	}
	var versions, suites, curves []string
	for _, a := range r.agreements {
		versions = append(versions, tls.VersionName(a.version))
		suites = append(suites, tls.CipherSuiteName(a.suite))
		if a.curve != 0 {
			curves = append(curves, a.curve.String())
		}
	}
	t.Version, t.CipherSuite, t.KeyExchange = list(versions), list(suites), list(curves)
	return t
}

func list(words []string) string {
	slices.Sort(words)
	return strings.Join(slices.Compact(words), ", ")
}
