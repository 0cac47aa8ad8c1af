package http1

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

// Bounds on what a ResponseParser takes from a server.
const (
	MaxResponseLine = 16 << 10  // bytes of a line of the head
	MaxResponseHead = 128 << 10 // bytes of a head, all interim ones included; also of a trailer
)

// ErrResponse is what all errors of a ResponseParser about malformed answers wrap.
var ErrResponse = errors.New("http1: malformed response")

func malformed(format string, a ...any) error {
	return fmt.Errorf("%w: %s", ErrResponse, fmt.Sprintf(format, a...))
}

// ResponseParser reads the answers on one connection of a client, one after
// the other. It takes the bytes in whatever pieces they come, keeps none of
// them but the beginning of a line that is cut, and does not allocate once
// such a line has had its memory.
//
// Unlike the server's half it takes lines of the head that end in a bare LF.
// Interim answers (1xx) are read over. By ResetCGI it reads an answer as a CGI
// program gives it, which is what the gateway protocols carry.
//
//	p.Reset(false)
//	for done := false; !done; {
//		n, err := conn.Read(buf)
//		…
//		used, done, err = p.Parse(buf[:n])
//	}
type ResponseParser struct {
	// Body, where not nil, is called with each piece of the body in order.
	// The slice is valid during the call. Reset leaves it alone.
	Body func([]byte)
	// Field, where not nil, is called with each field of a head, those of
	// interim answers among them, in order. The slices are valid during the
	// call. Reset leaves it alone.
	Field func(name, value []byte)

	step      respStep
	cgi       bool // and no status line has come
	redirects bool // by a field Location
	bodiless  bool // HEAD
	status    int
	minor     byte
	head      int // bytes
	size      int64
	left      int64 // of the body, or of a chunk
	length    int64 // declared, or −1
	codings   int
	chunked   bool // is the last coding
	closes    bool
	keeps     bool
	delimited bool // by something else than the end of the connection
	line      []byte
	section   int // bytes of the head, or of the trailer
}

type respStep uint8

const (
	statusLine respStep = iota
	respField
	respFixed
	respChunkSize
	respChunkData
	respChunkEnd
	respTrailer
	respUntilClose
	respDone
)

// Reset makes ready for the next answer; head tells that it is one to HEAD,
// which has no body.
func (p *ResponseParser) Reset(head bool) {
	*p = ResponseParser{Body: p.Body, Field: p.Field, bodiless: head, line: p.line[:0], length: -1}
}

// ResetCGI is Reset for an answer as from CGI (RFC 3875, 6): it may begin with
// its header, of which a field Status tells the status. Without one that is 302
// where there is a Location, otherwise 200.
func (p *ResponseParser) ResetCGI(head bool) {
	p.Reset(head)
	p.cgi = true
}

// Status is the answer's status, 0 before it is known.
func (p *ResponseParser) Status() int { return p.status }

// HasHead tells whether the head is complete, that of an interim answer aside.
func (p *ResponseParser) HasHead() bool { return p.step > respField }

// HasStatusLine tells whether the answer began with one, once its head is
// complete; only CGI's may do without.
func (p *ResponseParser) HasStatusLine() bool { return !p.cgi }

// BodyBytes is how much of the body has come, without framing.
func (p *ResponseParser) BodyBytes() int64 { return p.size }

// HeadBytes is the length of the head, and of interim answers before it.
func (p *ResponseParser) HeadBytes() int { return p.head }

// Length is the declared Content-Length, or −1.
func (p *ResponseParser) Length() int64 { return p.length }

// Started tells whether anything of the answer has come.
func (p *ResponseParser) Started() bool { return p.head > 0 || len(p.line) > 0 }

// KeepAlive tells, once the answer is done, whether the connection can carry
// another request.
func (p *ResponseParser) KeepAlive() bool {
	return p.step == respDone && p.delimited && !p.closes && (p.minor > 0 || p.keeps)
}

// Parse takes b and tells how much of it belongs to this answer, all of it
// unless the answer is done. After an error the connection is of no use.
func (p *ResponseParser) Parse(b []byte) (n int, done bool, err error) {
	for p.step != respDone {
		rest := b[n:]
		if len(rest) == 0 {
			return n, false, nil
		}
		switch p.step {
		case respFixed, respChunkData:
			k := int(min(int64(len(rest)), p.left))
			p.take(rest[:k])
			n += k
			if p.left -= int64(k); p.left == 0 {
				if p.step == respFixed {
					p.step = respDone
				} else {
					p.step = respChunkEnd
				}
			}
		case respUntilClose:
			p.take(rest)
			n = len(b)
		default:
			line, k, whole, err := p.cut(rest)
			n += k
			if err == nil && whole {
				err = p.takeLine(line)
				p.line = p.line[:0]
			}
			if err != nil {
				return n, false, err
			}
		}
	}
	return n, true, nil
}

// EOF says that the server has closed the connection. That is the end of an
// answer without length; otherwise the error is io.EOF if nothing of an answer
// has come and io.ErrUnexpectedEOF if it is cut.
func (p *ResponseParser) EOF() error {
	switch {
	case p.step == respUntilClose:
		p.step = respDone
		return nil
	case p.step == respDone:
		return nil
	case !p.Started():
		return io.EOF
	}
	return io.ErrUnexpectedEOF
}

func (p *ResponseParser) take(b []byte) {
	p.size += int64(len(b))
	if p.Body != nil && len(b) > 0 {
		p.Body(b)
	}
}

// cut finds the end of the line that b goes on with, keeping what is not
// whole. The line is without its end.
func (p *ResponseParser) cut(b []byte) (line []byte, n int, whole bool, err error) {
	i := bytes.IndexByte(b, '\n')
	n = i + 1
	if i < 0 {
		n = len(b)
	}
	if len(p.line)+n > MaxResponseLine+2 {
		return nil, 0, false, malformed("line of more than %d bytes", MaxResponseLine)
	}
	if p.section+len(p.line)+n > MaxResponseHead {
		return nil, 0, false, malformed("head of more than %d bytes", MaxResponseHead)
	}
	line = b[:n]
	if i < 0 || len(p.line) > 0 {
		p.line = append(p.line, line...)
		line = p.line
	}
	if i < 0 {
		return nil, n, false, nil
	}
	if p.step != respChunkSize && p.step != respChunkEnd {
		p.section += len(line)
	}
	if p.step <= respField {
		p.head += len(line)
	}
	line = line[:len(line)-1]
	if k := len(line) - 1; k >= 0 && line[k] == '\r' {
		line = line[:k]
	} else if p.step > respField {
		return nil, n, false, malformed("a line of the body's framing does not end in CRLF")
	}
	return line, n, true, nil
}

// takeLine takes one line of the head, of the framing of chunks, or of the trailer.
func (p *ResponseParser) takeLine(line []byte) error {
	if p.step == statusLine && p.cgi && !bytes.HasPrefix(line, []byte("HTTP/")) {
		if len(line) == 0 {
			return malformed("no header")
		}
		p.step = respField
	}
	switch p.step {
	case statusLine:
		return p.statusLine(line)
	case respField:
		if len(line) == 0 {
			return p.headComplete()
		}
		return p.field(line)
	case respChunkSize:
		return p.chunk(line)
	case respChunkEnd:
		if len(line) > 0 {
			return malformed("bytes between a chunk and its end")
		}
		p.step = respChunkSize
	case respTrailer:
		if len(line) == 0 {
			p.step = respDone
			return nil
		}
		if _, err := checkField(line); err != nil {
			return malformed("trailer %.40q", line)
		}
	}
	return nil
}

// statusLine = HTTP-version SP status-code [ SP [ reason ] ]
func (p *ResponseParser) statusLine(line []byte) error {
	if len(line) < 12 || string(line[:7]) != "HTTP/1." || !isDigit(line[7]) || line[8] != ' ' ||
		!isDigit(line[9]) || !isDigit(line[10]) || !isDigit(line[11]) ||
		len(line) > 12 && line[12] != ' ' {
		return malformed("status line %.40q", line)
	}
	p.minor, p.cgi = line[7]-'0', false
	p.status = int(line[9]-'0')*100 + int(line[10]-'0')*10 + int(line[11]-'0')
	if p.status < 100 || p.status == 101 {
		return malformed("status %d", p.status)
	}
	p.step = respField
	return nil
}

func (p *ResponseParser) field(line []byte) error {
	n, err := checkField(line)
	if err != nil {
		return malformed("header field %.40q", line)
	}
	name, value := line[:n], valueOf(line, n).of(line)
	if p.Field != nil {
		p.Field(name, value)
	}
	switch len(name) {
	case len("status"):
		if p.cgi && equalFold(name, "status") {
			return p.statusField(value)
		}
	case len("location"):
		p.redirects = p.redirects || equalFold(name, "location")
	case len("connection"):
		if equalFold(name, "connection") {
			closes, keeps, _ := connectionOptions(value)
			p.closes = p.closes || closes
			p.keeps = p.keeps || keeps
		}
	case len("content-length"):
		if equalFold(name, "content-length") {
			n, ok, tooLong := parseLength(value)
			if !ok || tooLong || p.length >= 0 && p.length != n {
				return malformed("Content-Length %.40q", value)
			}
			p.length = n
		}
	case len("transfer-encoding"):
		if equalFold(name, "transfer-encoding") {
			p.codings++
			p.chunked = p.codings == 1 && equalFold(value, "chunked")
		}
	}
	return nil
}

// statusField takes the value of a field Status: status-code [ SP reason ].
func (p *ResponseParser) statusField(value []byte) error {
	if p.status != 0 || len(value) < 3 || value[0] < '2' || !isDigit(value[0]) || !isDigit(value[1]) || !isDigit(value[2]) ||
		len(value) > 3 && !isBlank(value[3]) {
		return malformed("Status %.40q", value)
	}
	p.status = int(value[0]-'0')*100 + int(value[1]-'0')*10 + int(value[2]-'0')
	return nil
}

// headComplete decides what follows (RFC 9112, 6.3).
func (p *ResponseParser) headComplete() error {
	p.delimited = true
	if p.cgi && p.status == 0 {
		p.status = 200
		if p.redirects {
			p.status = 302
		}
	}
	switch {
	case p.status < 200: // interim: the answer is still to come
		p.step = statusLine
		p.status, p.length, p.codings, p.chunked = 0, -1, 0, false
		p.closes, p.keeps = false, false
	case p.bodiless || p.status == 204 || p.status == 304:
		p.step = respDone
	case p.codings > 0 && !p.chunked:
		return malformed("transfer coding other than chunked")
	case p.chunked && p.minor == 0:
		return malformed("Transfer-Encoding in an HTTP/1.0 response")
	case p.chunked && p.length >= 0:
		return malformed("both Content-Length and Transfer-Encoding")
	case p.chunked:
		p.step = respChunkSize
	case p.length == 0:
		p.step = respDone
	case p.length > 0:
		p.left = p.length
		p.step = respFixed
	default:
		p.delimited = false
		p.step = respUntilClose
	}
	return nil
}

// chunk takes the line before a chunk.
func (p *ResponseParser) chunk(line []byte) error {
	n, i := parseHex(line)
	ext := line[i:]
	for len(ext) > 0 && isBlank(ext[0]) {
		ext = ext[1:]
	}
	if i == 0 || n < 0 || len(line) > maxChunkLine || len(ext) > 0 && (ext[0] != ';' || !validValue(ext)) {
		return malformed("chunk size %.40q", line)
	}
	p.left = n
	p.step = respChunkData
	if n == 0 {
		p.step = respTrailer
		p.section = 0
	}
	return nil
}
