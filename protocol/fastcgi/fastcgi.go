// Package fastcgi is FastCGI (specification 1.0, 1996), which nginx speaks by
// fastcgi_pass: records of up to 64 KiB that carry CGI variables, the request's
// body and an answer as from CGI.
//
// The server's half plays the Responder and serves one request of a connection at
// a time, as the specification lets an application choose: a second one that
// begins before the first has come whole is answered FCGI_CANT_MPX_CONN, and
// FCGI_GET_VALUES says so beforehand. Requests that come one behind the other are
// served in turn; with FCGI_KEEP_CONN the connection stays open.
//
// FCGI_ABORT_REQUEST is honoured while the request is being received. An app
// that runs is not told: nothing is read from the connection meanwhile, and its
// Context is that of the whole connection (docs/protocols.md has more on it). What
// apps write to env.Errors goes to the server's log and not to FCGI_STDERR, so
// that it is in one place behind every protocol.
//
// The client's half, AppendRequest and ResponseParser, has one request on a
// connection at a time as well.
package fastcgi

import (
	"encoding/binary"

	"github.com/dynobench/dyno/protocol"
	"github.com/dynobench/dyno/protocol/cgi"
	"github.com/dynobench/dyno/protocol/gateway"
)

// Codec is the server's half of FastCGI. The zero value is ready for use.
type Codec struct{}

var _ protocol.Codec = Codec{}

// Name returns "fastcgi".
func (Codec) Name() string { return "fastcgi" }

// New makes a connection's Parser and Encoder.
func (Codec) New() (protocol.Parser, protocol.Encoder) { return protocol.Halves(new(conn)) }

// kind is a record's type, FCGI_… in the specification.
type kind uint8

const (
	beginRequest kind = iota + 1
	abortRequest
	endRequest
	params
	stdin
	stdout
	stderr
	_ // data
	getValues
	getValuesResult
	unknownType
)

const (
	version    = 1
	headSize   = 8 // of a record
	beginSize  = 8 // of the content of FCGI_BEGIN_REQUEST
	responder  = 1
	keepConn   = 1
	maxContent = 65535 &^ 7 // of our records: the largest that keeps what follows aligned
)

// The protocolStatus of FCGI_END_REQUEST.
const (
	requestComplete = 0
	cantMpxConn     = 1
	overloaded      = 2
	unknownRole     = 3
)

// conn is both halves of one connection.
type conn struct {
	limits *protocol.Limits
	req    cgi.Request

	id    uint16 // of the request that is active; 0 none
	keep  bool   // FCGI_KEEP_CONN
	stage stage
	reply []byte
	ends  bool

	// What counts of a request is drawn together at its beginning: the head of
	// its first record, the variables, the body.
	kept     int
	bodyFrom int
	at       int  // where begins what has not been looked at
	left     int  // content to come of a record of PARAMS or STDIN
	skip     int  // bytes to be dropped: padding, and records that do not count
	last     bool // the request is complete when they are

	noBody bool // of the answer
}

// stage is which stream of the request comes now.
type stage uint8

const (
	nothing stage = iota // no request is active
	inParams
	inBody
	complete
)

var (
	_ protocol.Parser  = (*conn)(nil)
	_ protocol.Encoder = (*conn)(nil)
)

// Reset implements protocol.Parser.
func (c *conn) Reset(limits *protocol.Limits) {
	c.req.Reset(limits)
	*c = conn{limits: limits, req: c.req, reply: c.reply[:0]}
}

// Describe implements protocol.Parser.
func (c *conn) Describe(env *gateway.Environ, data []byte) []byte {
	c.req.Describe(env, data)
	return data[c.bodyFrom:c.kept]
}

// appendRecord appends the head of a record.
func appendRecord(dst []byte, k kind, id uint16, length int) []byte {
	return append(dst, version, byte(k), byte(id>>8), byte(id), byte(length>>8), byte(length), 0, 0)
}

// appendEnd appends FCGI_END_REQUEST with appStatus 0.
func appendEnd(dst []byte, id uint16, status byte) []byte {
	dst = appendRecord(dst, endRequest, id, 8)
	return append(dst, 0, 0, 0, 0, status, 0, 0, 0)
}

// pair finds the name and the value at at in block, behind their lengths of
// one or four bytes.
func pair(block []byte, at int) (name, value cgi.Span, ok bool) {
	n, at, ok := length(block, at)
	if !ok {
		return name, value, false
	}
	v, at, ok := length(block, at)
	if !ok || n > len(block)-at || v > len(block)-at-n {
		return name, value, false
	}
	return cgi.Span{From: at, To: at + n}, cgi.Span{From: at + n, To: at + n + v}, true
}

func length(block []byte, at int) (n, next int, ok bool) {
	switch {
	case at >= len(block):
		return 0, at, false
	case block[at] < 0x80:
		return int(block[at]), at + 1, true
	case at+4 > len(block):
		return 0, at, false
	}
	return int(binary.BigEndian.Uint32(block[at:]) &^ (1 << 31)), at + 4, true
}
