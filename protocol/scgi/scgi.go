// Package scgi is both halves of SCGI, the Simple Common Gateway Interface
// (specification of 2006, revision 1.12), which nginx speaks by scgi_pass: CGI
// variables in a netstring, the request's body behind it, an answer as from CGI,
// and the end of the connection.
//
// The server keeps the specification to the letter in what a client must send:
// the first variable is CONTENT_LENGTH, and SCGI is 1.
package scgi

import (
	"bytes"
	"time"

	"github.com/dynobench/dyno/protocol"
	"github.com/dynobench/dyno/protocol/cgi"
	"github.com/dynobench/dyno/protocol/gateway"
)

// Codec is the server's half of SCGI. The zero value is ready for use.
type Codec struct{}

var _ protocol.Codec = Codec{}

// Name returns "scgi".
func (Codec) Name() string { return "scgi" }

// New makes a connection's Parser and Encoder.
func (Codec) New() (protocol.Parser, protocol.Encoder) { return protocol.Halves(new(conn)) }

// The refusals of a request.
var (
	errNetstring = protocol.Refusal(400, "not an SCGI request: it must begin with a netstring")
	errVariables = protocol.Refusal(400, "malformed SCGI variables")
	errFirst     = protocol.Refusal(400, "the first SCGI variable must be CONTENT_LENGTH, a number")
	errVersion   = protocol.Refusal(400, "the SCGI variable SCGI must be 1")
)

// conn is both halves of one connection.
type conn struct {
	cgi.Unframed
	limits *protocol.Limits
	req    cgi.Request
	scan   int // digits seen
	size   int // of the netstring, as far as it has been read
	from   int // where its text begins, 0 while that is not known
	end    int // behind its comma
	ready  bool
}

var (
	_ protocol.Parser  = (*conn)(nil)
	_ protocol.Encoder = (*conn)(nil)
)

// Reset implements protocol.Parser.
func (c *conn) Reset(limits *protocol.Limits) {
	c.req.Reset(limits)
	*c = conn{limits: limits, req: c.req}
}

// Parse implements protocol.Parser.
func (c *conn) Parse(data []byte) (protocol.Outcome, error) {
	if c.from == 0 {
		if err := c.length(data); err != nil {
			return protocol.Outcome{}, err
		}
		if c.from == 0 {
			return protocol.Outcome{Size: len(data)}, nil
		}
	}
	if !c.ready {
		if len(data) < c.end {
			return protocol.Outcome{Size: len(data), Need: c.end}, nil
		}
		if err := c.variables(data); err != nil {
			return protocol.Outcome{}, err
		}
		c.ready = true
	}
	return c.req.Body(data, c.end), nil
}

// length reads the netstring's. It has no leading zero, and is bounded, and so
// are its digits.
func (c *conn) length(data []byte) error {
	for ; c.scan < len(data); c.scan++ {
		b := data[c.scan]
		switch {
		case b == ':' && c.scan > 0:
			c.from = c.scan + 1
			c.end = c.from + c.size + len(",")
			return nil
		case b < '0' || b > '9', c.scan > 0 && c.size == 0:
			return errNetstring
		}
		c.size = 10*c.size + int(b-'0')
		if c.size > c.limits.MaxHeaderBytes() {
			return cgi.ErrHeader
		}
	}
	return nil
}

// variables takes the netstring apart, which is complete.
func (c *conn) variables(data []byte) error {
	if data[c.end-1] != ',' {
		return errNetstring
	}
	block := data[:c.end-1]
	for at := c.from; at < len(block); {
		name, ok := text(block, at)
		if !ok {
			return errVariables
		}
		value, ok := text(block, name.To+1)
		if !ok {
			return errVariables
		}
		if at == c.from && (string(block[name.From:name.To]) != "CONTENT_LENGTH" || value.From == value.To) {
			return errFirst
		}
		if err := c.req.Add(block, name, value); err != nil {
			return err
		}
		at = value.To + 1
	}
	if c.size == 0 {
		return errFirst
	}
	if !c.req.SCGI(block) {
		return errVersion
	}
	return c.req.Complete(block)
}

// text is what is at at, before the next NUL.
func text(block []byte, at int) (cgi.Span, bool) {
	n := bytes.IndexByte(block[at:], 0)
	return cgi.Span{From: at, To: at + n}, n >= 0
}

// Describe implements protocol.Parser.
func (c *conn) Describe(env *gateway.Environ, data []byte) []byte {
	c.req.Describe(env, data)
	return data[c.end:]
}

// Head implements protocol.Encoder. The end of the connection ends the answer.
func (c *conn) Head(dst []byte, h *gateway.Head, _ bool, _ time.Time) ([]byte, bool) {
	dst, c.Body = c.req.AppendHead(dst, "Status: ", "", h)
	return dst, false
}
