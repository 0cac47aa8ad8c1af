// Package uwsgi is both halves of the uwsgi protocol, uWSGI's own, which nginx
// speaks by uwsgi_pass: a packet of CGI variables, the request's body behind it,
// a plain HTTP response, and the end of the connection.
//
// A packet is u8 modifier1, u16 datasize, u8 modifier2, then datasize bytes of
// u16 length and name, u16 length and value; numbers are little endian.
// modifier1 0 is a WSGI request; 100 is a ping, which the server answers without
// the app; all others (PSGI, Rack, …) are other languages' and refused, as is a
// modifier2.
package uwsgi

import (
	"encoding/binary"
	"time"

	"github.com/dynobench/dyno/protocol"
	"github.com/dynobench/dyno/protocol/cgi"
	"github.com/dynobench/dyno/protocol/gateway"
)

// Codec is the server's half of the uwsgi protocol. The zero value is ready
// for use.
type Codec struct{}

var _ protocol.Codec = Codec{}

// Name returns "uwsgi".
func (Codec) Name() string { return "uwsgi" }

// New makes a connection's Parser and Encoder.
func (Codec) New() (protocol.Parser, protocol.Encoder) { return protocol.Halves(new(conn)) }

const (
	headSize = 4
	wsgi     = 0
	ping     = 100
)

// pong answers a ping: no message, modifier2 1.
var pong = []byte{ping, 0, 0, 1}

// The refusals of a packet.
var (
	errModifier  = protocol.Refusal(501, "not a uwsgi packet that is served here: modifier1 must be 0 (WSGI) or 100 (ping)")
	errModifier2 = protocol.Refusal(501, "uwsgi modifier2 must be 0")
	errPacket    = protocol.Refusal(400, "malformed uwsgi packet")
)

// conn is both halves of one connection.
type conn struct {
	cgi.Unframed
	limits *protocol.Limits
	req    cgi.Request
	block  int // where the variables end, 0 while that is not known
	ready  bool
}

var (
	_ protocol.Parser  = (*conn)(nil)
	_ protocol.Encoder = (*conn)(nil)
)

// Reset implements protocol.Parser.
func (c *conn) Reset(limits *protocol.Limits) {
	c.req.Reset(limits)
	c.limits, c.block, c.ready = limits, 0, false
}

// Parse implements protocol.Parser.
func (c *conn) Parse(data []byte) (protocol.Outcome, error) {
	if len(data) > 0 && data[0] != wsgi && data[0] != ping {
		return protocol.Outcome{}, errModifier
	}
	if c.block == 0 {
		if len(data) < headSize {
			return protocol.Outcome{Size: len(data)}, nil
		}
		size := int(binary.LittleEndian.Uint16(data[1:]))
		switch {
		case size > c.limits.MaxHeaderBytes():
			return protocol.Outcome{}, cgi.ErrHeader
		case data[0] == wsgi && data[3] != 0:
			return protocol.Outcome{}, errModifier2
		}
		c.block = headSize + size
	}
	if !c.ready {
		switch {
		case len(data) < c.block:
			return protocol.Outcome{Size: len(data), Need: c.block}, nil
		case data[0] == ping:
			return protocol.Outcome{Reply: pong, Ends: true}, nil
		}
		if err := c.variables(data); err != nil {
			return protocol.Outcome{}, err
		}
		c.ready = true
	}
	return c.req.Body(data, c.block), nil
}

// variables takes the packet apart, which is complete.
func (c *conn) variables(data []byte) error {
	for at := headSize; at < c.block; {
		name, ok := c.text(data, at)
		if !ok {
			return errPacket
		}
		value, ok := c.text(data, name.To)
		if !ok {
			return errPacket
		}
		if err := c.req.Add(data, name, value); err != nil {
			return err
		}
		at = value.To
	}
	return c.req.Complete(data)
}

// text is the length at at and the bytes behind it.
func (c *conn) text(data []byte, at int) (cgi.Span, bool) {
	from := at + 2
	if from > c.block {
		return cgi.Span{}, false
	}
	to := from + int(binary.LittleEndian.Uint16(data[at:]))
	return cgi.Span{From: from, To: to}, to <= c.block
}

// Describe implements protocol.Parser.
func (c *conn) Describe(env *gateway.Environ, data []byte) []byte {
	c.req.Describe(env, data)
	return data[c.block:]
}

// Head implements protocol.Encoder. The end of the connection ends the answer.
func (c *conn) Head(dst []byte, h *gateway.Head, _ bool, _ time.Time) ([]byte, bool) {
	dst, c.Body = c.req.AppendHead(dst, "HTTP/1.1 ", "Connection: close\r\n", h)
	return dst, false
}
