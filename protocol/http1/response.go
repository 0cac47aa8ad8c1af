package http1

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

// MaxResponseHead bounds the bytes of a head that a ResponseParser takes from a
// server, all interim ones included, and those of a trailer.
const MaxResponseHead = 256 << 10

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
// Servers are taken as they are, where RFC 9112 lets a client do so: unlike the
// server's half it takes lines of the head that end in a bare LF (section 2.2),
// empty lines before the status line (9.2), folded fields, whose folds become
// blanks (5.2), and blanks before a field's colon (5.1). Interim answers (1xx)
// are read over. Of the transfer codings only chunked is undone; the body is
// what the others made of it. By ResetCGI it reads an answer as a CGI program
// gives it, which is what the gateway protocols carry.
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
	codings   int   // transfer codings, identity aside
	chunked   bool  // is the last coding
	held      bool  // line is a whole field, unless what comes next is a fold
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

// Started tells whether anything of the answer has come, empty lines before it
// aside.
func (p *ResponseParser) Started() bool {
	return p.head > len("\r\n") || len(p.line) > 0 && p.line[0] != '\r'
}

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
			k, err := p.takeLines(rest)
			n += k
			if err != nil {
				return n, false, err
			}
		}
	}
	return n, true, nil
}

// takeLines takes one line from b, or as much as there is of it. A field ends
// where the line behind it does not begin with a blank (obs-fold, RFC 9112
// section 5.2), so the last line of b may have to be held.
func (p *ResponseParser) takeLines(b []byte) (n int, err error) {
	if p.held {
		p.held = false
		if !isBlank(b[0]) {
			err = p.takeLine(p.line)
			p.line = p.line[:0]
			return 0, err
		}
		p.line = append(bytes.TrimRight(p.line, " \t"), ' ')
	}
	line, n, whole, err := p.cut(b)
	if err != nil || !whole {
		return n, err
	}
	if p.foldable(line) && (n == len(b) || isBlank(b[n])) {
		if len(p.line) > 0 { // line is a part of it
			p.line = p.line[:len(line)]
		} else {
			p.line = append(p.line, line...)
		}
		p.held = true
		return n, nil
	}
	err = p.takeLine(line)
	p.line = p.line[:0]
	return n, err
}

// foldable tells whether line is a field, which may go on in the next one.
func (p *ResponseParser) foldable(line []byte) bool {
	return len(line) > 0 && (p.step == respField || p.step == respTrailer || p.bareField(line))
}

// bareField tells whether line begins an answer of CGI's without a status line.
func (p *ResponseParser) bareField(line []byte) bool {
	return p.step == statusLine && p.cgi && !bytes.HasPrefix(line, []byte("HTTP/"))
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
	if p.step == respChunkSize || p.step == respChunkEnd {
		if len(p.line)+n > maxChunkLine+2 {
			return nil, 0, false, malformed("chunk size in a line of more than %d bytes", maxChunkLine)
		}
	} else if p.section += n; p.section > MaxResponseHead {
		return nil, 0, false, malformed("%s of more than %d bytes", p.part(), MaxResponseHead)
	}
	if p.step <= respField {
		p.head += n
	}
	line = b[:n]
	if i < 0 || len(p.line) > 0 {
		p.line = append(p.line, line...)
		line = p.line
	}
	if i < 0 {
		return nil, n, false, nil
	}
	line = line[:len(line)-1]
	if k := len(line) - 1; k >= 0 && line[k] == '\r' {
		line = line[:k]
	} else if p.step > respField {
		return nil, n, false, malformed("the line %.40q of the body's framing does not end in CRLF", line)
	}
	return line, n, true, nil
}

func (p *ResponseParser) part() string {
	if p.step <= respField {
		return "head"
	}
	return "trailer"
}

// takeLine takes one line of the head, of the framing of chunks, or of the trailer.
func (p *ResponseParser) takeLine(line []byte) error {
	if p.bareField(line) {
		if len(line) == 0 {
			return malformed("no header")
		}
		p.step = respField
	}
	switch p.step {
	case statusLine:
		if len(line) == 0 {
			if p.head <= len("\r\n") { // of no answer; behind an interim one it is the head's
				p.head = 0
			}
			return nil
		}
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
			return malformed("%.40q between a chunk and its end", line)
		}
		p.step = respChunkSize
	case respTrailer:
		if len(line) == 0 {
			p.step = respDone
			return nil
		}
		if _, _, ok := splitField(line); !ok {
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

// splitField is checkField for what servers send: there may be blanks before
// the colon.
func splitField(line []byte) (name, value []byte, ok bool) {
	n := tokenLength(line)
	colon := n
	for colon < len(line) && isBlank(line[colon]) {
		colon++
	}
	if n == 0 || colon == len(line) || line[colon] != ':' || !validValue(line[colon:]) {
		return nil, nil, false
	}
	return line[:n], valueOf(line, colon).of(line), true
}

func (p *ResponseParser) field(line []byte) error {
	name, value, ok := splitField(line)
	if !ok {
		return malformed("header field %.40q", line)
	}
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
			return p.contentLength(value)
		}
	case len("transfer-encoding"):
		if equalFold(name, "transfer-encoding") {
			return p.transferEncoding(value)
		}
	}
	return nil
}

// contentLength takes a length, or the same one several times (RFC 9112, 6.3).
func (p *ResponseParser) contentLength(value []byte) error {
	for rest, more := value, true; more; more = len(rest) > 0 {
		var one []byte
		one, rest = element(rest)
		n, ok, tooLong := parseLength(one)
		if !ok || tooLong || p.length >= 0 && p.length != n {
			return malformed("Content-Length %.40q", value)
		}
		p.length = n
	}
	return nil
}

// transferEncoding takes a list of codings (RFC 9112, 6.1). identity, which
// HTTP/1.1 had at first, is none.
func (p *ResponseParser) transferEncoding(value []byte) error {
	for rest := value; len(rest) > 0; {
		var coding []byte
		coding, rest = element(rest)
		switch {
		case len(coding) == 0, equalFold(coding, "identity"):
			continue
		case equalFold(coding, "chunked"):
			if p.chunked {
				return malformed("Transfer-Encoding %.40q: chunked twice", value)
			}
			p.chunked = true
		default:
			p.chunked = false
		}
		p.codings++
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
	case p.codings > 0 && p.minor == 0:
		return malformed("Transfer-Encoding in an HTTP/1.0 response")
	case p.codings > 0 && p.length >= 0:
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
