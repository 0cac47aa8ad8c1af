package fastcgi

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/dynobench/dyno/protocol/cgi"
	"github.com/dynobench/dyno/protocol/http1"
)

// clientID is that of all our requests: a connection has one at a time.
const clientID = 1

// AppendRequest appends r as a client sends it: the Responder's role, with
// FCGI_KEEP_CONN if r.Keep.
func AppendRequest(dst []byte, r *cgi.ClientRequest) []byte {
	flags := byte(0)
	if r.Keep {
		flags = keepConn
	}
	dst = appendRecord(dst, beginRequest, clientID, beginSize)
	dst = append(dst, 0, responder, flags, 0, 0, 0, 0, 0)
	from := len(dst)
	dst = appendRecord(dst, params, clientID, 0)
	dst = split(r.AppendVariables(dst, appendPair), from)
	dst = appendRecord(dst, params, clientID, 0)
	for body := r.Body; len(body) > 0; {
		n := min(len(body), maxContent)
		dst = append(appendRecord(dst, stdin, clientID, n), body[:n]...)
		body = body[n:]
	}
	return appendRecord(dst, stdin, clientID, 0)
}

func appendPair(dst []byte, prefix, name, value string) []byte {
	dst = appendLength(dst, len(prefix)+len(name))
	dst = appendLength(dst, len(value))
	return append(cgi.AppendName(dst, prefix, name), value...)
}

func appendLength(dst []byte, n int) []byte {
	if n < 0x80 {
		return append(dst, byte(n))
	}
	return binary.BigEndian.AppendUint32(dst, uint32(n)|1<<31)
}

// ErrResponse is what all errors of a ResponseParser about malformed records
// wrap; those about what the records carry wrap http1.ErrResponse.
var ErrResponse = errors.New("fastcgi: malformed response")

func malformed(format string, a ...any) error {
	return fmt.Errorf("%w: %s", ErrResponse, fmt.Sprintf(format, a...))
}

// A ResponseParser reads the answers on a client's connection, one after the
// other, as http1.ResponseParser does: it has that one for what FCGI_STDOUT
// carries. An answer is done with FCGI_END_REQUEST.
type ResponseParser struct {
	http1.ResponseParser

	// Errors, where not nil, is called with each piece of FCGI_STDERR. The
	// slice is valid during the call. Reset leaves it alone.
	Errors func([]byte)

	head   [headSize]byte // of a record, or the content of FCGI_END_REQUEST
	have   int            // of it
	kind   kind           // of the record that is being read, 0 between two
	left   int            // of its content
	pad    int
	begun  bool // something has come
	whole  bool // the answer that FCGI_STDOUT carries
	end    bool // FCGI_END_REQUEST has come, but for its padding
	status uint32
}

// Reset makes ready for the next answer; head tells that it is one to HEAD,
// which has no body.
func (p *ResponseParser) Reset(head bool) {
	p.ResetCGI(head)
	*p = ResponseParser{ResponseParser: p.ResponseParser, Errors: p.Errors}
}

// AppStatus is the application's exit status, once the answer is done.
func (p *ResponseParser) AppStatus() uint32 { return p.status }

// Started tells whether anything of the answer has come.
func (p *ResponseParser) Started() bool { return p.begun }

// KeepAlive tells, once the answer is done, whether the connection can carry
// another request. It takes for granted that the request asked for it.
func (p *ResponseParser) KeepAlive() bool { return p.end }

// EOF says that the server has closed the connection, which ends no answer:
// the error is io.EOF if nothing of one has come and io.ErrUnexpectedEOF if it
// is cut.
func (p *ResponseParser) EOF() error {
	switch {
	case p.end && p.pad == 0:
		return nil
	case !p.begun:
		return io.EOF
	}
	return io.ErrUnexpectedEOF
}

// Parse takes b and tells how much of it belongs to this answer, all of it
// unless the answer is done. After an error the connection is of no use.
func (p *ResponseParser) Parse(b []byte) (n int, done bool, err error) {
	for {
		switch {
		case p.left > 0:
			k := min(p.left, len(b)-n)
			if k == 0 {
				return n, false, nil
			}
			if err := p.content(b[n : n+k]); err != nil {
				return n, false, err
			}
			p.left -= k
			n += k
			continue
		case p.pad > 0:
			k := min(p.pad, len(b)-n)
			if k == 0 {
				return n, false, nil
			}
			p.pad -= k
			n += k
			continue
		case p.end:
			return n, true, nil
		case n == len(b):
			return n, false, nil
		}
		k := copy(p.head[p.have:], b[n:])
		p.begun = true
		p.have += k
		n += k
		if p.have == headSize {
			p.have = 0
			if err := p.record(); err != nil {
				return n, false, err
			}
		}
	}
}

// record takes a record's head.
func (p *ResponseParser) record() error {
	h := &p.head
	p.kind, p.left, p.pad = kind(h[1]), int(binary.BigEndian.Uint16(h[4:])), int(h[6])
	id := binary.BigEndian.Uint16(h[2:])
	switch {
	case h[0] != version:
		return malformed("a record of version %d", h[0])
	case id == 0: // management, to which we have asked nothing: dropped
		p.kind = 0
	case id != clientID:
		return malformed("a record of request %d, which was not made", id)
	case p.kind == endRequest && p.left != headSize:
		return malformed("FCGI_END_REQUEST of %d bytes", p.left)
	case p.kind != stdout && p.kind != stderr && p.kind != endRequest:
		return malformed("a record of type %d", p.kind)
	}
	return nil
}

// content takes a piece of a record.
func (p *ResponseParser) content(b []byte) (err error) {
	switch p.kind {
	case stdout:
		n := 0
		if !p.whole {
			if n, p.whole, err = p.ResponseParser.Parse(b); err != nil {
				return err
			}
		}
		if n < len(b) {
			return malformed("FCGI_STDOUT goes on behind the answer")
		}
	case stderr:
		if p.Errors != nil {
			p.Errors(b)
		}
	case endRequest:
		if p.have += copy(p.head[p.have:], b); p.have == headSize {
			p.have = 0
			return p.ended()
		}
	}
	return nil
}

// ended takes the content of FCGI_END_REQUEST.
func (p *ResponseParser) ended() error {
	switch p.head[4] {
	case requestComplete:
	case cantMpxConn:
		return malformed("FCGI_CANT_MPX_CONN to the only request")
	case overloaded:
		return malformed("FCGI_OVERLOADED")
	case unknownRole:
		return malformed("FCGI_UNKNOWN_ROLE to a Responder's request")
	default:
		return malformed("protocolStatus %d", p.head[4])
	}
	if err := p.ResponseParser.EOF(); err != nil {
		return malformed("FCGI_END_REQUEST before the end of the answer")
	}
	p.end, p.status = true, binary.BigEndian.Uint32(p.head[:])
	return nil
}
