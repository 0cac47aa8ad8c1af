// Package client is the other side of the codecs: the wire protocols as a client
// speaks them, by name, and a Transport with which net/http's client, and all
// that is built on it, can ask a server over the gateway protocols.
package client

import (
	"github.com/dynobench/dyno/protocol/cgi"
	"github.com/dynobench/dyno/protocol/fastcgi"
	"github.com/dynobench/dyno/protocol/http1"
	"github.com/dynobench/dyno/protocol/scgi"
	"github.com/dynobench/dyno/protocol/uwsgi"
)

// Request is one as it is asked in any of the protocols.
type Request = cgi.ClientRequest

// Protocol is a wire protocol, seen from a client. It does not change.
type Protocol struct {
	Name string // as in --protocol, and the scheme of URLs
	// Gateway: requests are told in CGI variables.
	Gateway bool
	// Reuses: a connection carries several requests, one after the other.
	Reuses bool
	// Append appends a request; on error, where it cannot be told in this
	// protocol, dst is returned as it was.
	Append func(dst []byte, r *Request) ([]byte, error)
	// Answers makes a reader of the answers on one connection at a time, and
	// what it reads: status, header, body.
	Answers func() (Answers, *http1.ResponseParser)
}

// Answers reads the answers on a connection, one after the other. The methods
// are those of http1.ResponseParser.
type Answers interface {
	Reset(head bool)
	Parse(b []byte) (n int, done bool, err error)
	EOF() error
	KeepAlive() bool
}

var (
	_ Answers = (*http1.ResponseParser)(nil)
	_ Answers = (*cgi.ResponseParser)(nil)
	_ Answers = (*fastcgi.ResponseParser)(nil)
)

// The protocols.
var (
	HTTP = &Protocol{
		Name: "http", Reuses: true,
		Append: func(dst []byte, r *Request) ([]byte, error) {
			return http1.AppendRequest(dst, r.Method, r.Target, r.Host, r.Header, r.Body), nil
		},
		Answers: func() (Answers, *http1.ResponseParser) {
			p := new(http1.ResponseParser)
			return p, p
		},
	}
	UWSGI = &Protocol{Name: "uwsgi", Gateway: true, Append: uwsgi.AppendRequest, Answers: unframed}
	SCGI  = &Protocol{
		Name: "scgi", Gateway: true,
		Append:  func(dst []byte, r *Request) ([]byte, error) { return scgi.AppendRequest(dst, r), nil },
		Answers: unframed,
	}
	FastCGI = &Protocol{
		Name: "fastcgi", Gateway: true, Reuses: true,
		Append: func(dst []byte, r *Request) ([]byte, error) { return fastcgi.AppendRequest(dst, r), nil },
		Answers: func() (Answers, *http1.ResponseParser) {
			p := new(fastcgi.ResponseParser)
			return p, &p.ResponseParser
		},
	}
)

func unframed() (Answers, *http1.ResponseParser) {
	p := new(cgi.ResponseParser)
	return p, &p.ResponseParser
}

// All are the protocols in the order in which they are shown to people.
var All = []*Protocol{HTTP, UWSGI, SCGI, FastCGI}

// Lookup returns the protocol of that name, or nil.
func Lookup(name string) *Protocol {
	for _, p := range All {
		if p.Name == name {
			return p
		}
	}
	return nil
}
