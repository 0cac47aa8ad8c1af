// Package http1 is HTTP/1.1 and HTTP/1.0 on the wire (RFC 9110, RFC 9112),
// both sides and without I/O: Codec is the server's half for a
// protocol.Session; AppendRequest and ResponseParser are a client's.
//
// The server's half is strict where leniency has been the door for request
// smuggling: lines end in CRLF, a length is stated once and in one way, there
// is no folding, and no whitespace where the grammar has none.
package http1

import (
	"github.com/dynobench/dyno/internal/percent"
	"github.com/dynobench/dyno/protocol"
	"github.com/dynobench/dyno/protocol/gateway"
)

// Codec is the server's half of HTTP/1. The zero value is ready for use.
type Codec struct{}

var _ protocol.Codec = Codec{}

// Name returns "http".
func (Codec) Name() string { return "http" }

// New makes a connection's Parser and Encoder.
func (Codec) New() (protocol.Parser, protocol.Encoder) { return protocol.Halves(new(conn)) }

// conn is both halves of one connection: the framing of an answer depends on
// its request.
type conn struct {
	limits *protocol.Limits

	step  step
	blank bool // an empty line before the request line has been skipped
	line  int  // where the line that is being received begins
	scan  int  // up to where it has been searched for its end

	// The request line and the header, as positions: data may move.
	method, target  span
	path, query     span // within target
	authority       span // of a target in absolute form
	escaped         bool // path has percent signs
	asterisk        bool
	proto           span
	minor           byte
	isHead          bool
	fields          []field
	fieldsAt        int // where the header section begins
	host, mediaType span
	hosts           int
	lengths         int   // Content-Length fields
	length          int64 // as declared
	tooLong         bool  // the length does not fit in an int64
	codings         int   // Transfer-Encoding fields
	chunkedOnly     bool  // and all that they say is "chunked"
	expects         bool  // 100-continue
	expectsElse     bool
	wantsClose      bool
	wantsKeep       bool
	wantsUpgrade    bool // to what Upgrade names
	upgradesElse    bool // and that is not HTTP

	body   span // decoded so far
	chunks chunks
	asked  bool // the client has been told to go on

	unescaped []byte // the path, if escaped

	// The answer.
	chunked bool
	noBody  bool
}

var (
	_ protocol.Parser   = (*conn)(nil)
	_ protocol.Extender = (*conn)(nil)
)

type span struct{ from, to int }

func (s span) of(data []byte) []byte { return data[s.from:s.to] }

type field struct{ name, value span }

// step is what is to be received next.
type step uint8

const (
	requestLine step = iota
	headerField
	fixedBody
	chunkSize
	chunkData
	chunkEnd
	trailerField
	complete
)

// Reset implements protocol.Parser.
func (c *conn) Reset(limits *protocol.Limits) {
	fields, unescaped := c.fields[:0], c.unescaped[:0]
	*c = conn{}
	c.limits, c.fields, c.unescaped = limits, fields, unescaped
}

// Describe implements protocol.Parser.
func (c *conn) Describe(env *gateway.Environ, data []byte) []byte {
	env.Method = text(data, c.method)
	env.RequestURI = text(data, c.target)
	env.Query = text(data, c.query)
	env.Proto = text(data, c.proto)
	switch {
	case c.asterisk:
		env.Path = "*"
	case c.path.from == c.path.to:
		env.Path = "/"
	case c.escaped:
		c.unescaped, _ = percent.AppendDecoded(c.unescaped[:0], c.path.of(data)) // which has passed checkEscapes
		env.Path = text(c.unescaped, span{0, len(c.unescaped)})
	default:
		env.Path = text(data, c.path)
	}
	env.Host = text(data, c.host)
	if c.authority.to > 0 { // RFC 9112, 3.2.2: it replaces what Host says
		env.Host = text(data, c.authority)
	}
	env.ContentType = text(data, c.mediaType)
	header := env.Header
	for i := range c.fields {
		f := &c.fields[i]
		header = append(header, gateway.Field{Name: text(data, f.name), Value: text(data, f.value)})
	}
	env.Header = header
	return c.body.of(data)
}
