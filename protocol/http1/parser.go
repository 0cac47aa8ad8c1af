package http1

import (
	"bytes"

	"github.com/dynobench/dyno/protocol"
)

// The refusals of a request. They carry no detail, so that they cost nothing.
var (
	errGarbage      = protocol.Refusal(400, "not an HTTP request")
	errLineEnd      = protocol.Refusal(400, "a line does not end in CRLF")
	errRequestLine  = protocol.Refusal(400, "malformed request line")
	errTarget       = protocol.Refusal(400, "malformed request target")
	errFolded       = protocol.Refusal(400, "folded header field")
	errName         = protocol.Refusal(400, "malformed header field name")
	errValue        = protocol.Refusal(400, "forbidden character in a header field")
	errHost         = protocol.Refusal(400, "missing, repeated or malformed Host")
	errLength       = protocol.Refusal(400, "malformed or repeated Content-Length")
	errBothLengths  = protocol.Refusal(400, "both Content-Length and Transfer-Encoding")
	errCodingOld    = protocol.Refusal(400, "Transfer-Encoding in an HTTP/1.0 request")
	errChunk        = protocol.Refusal(400, "malformed chunk")
	errExtensions   = protocol.Refusal(400, "too many chunk extensions")
	errBodyTooLong  = protocol.Refusal(413, "request body too large")
	errLineTooLong  = protocol.Refusal(414, "request line too long")
	errExpectation  = protocol.Refusal(417, "unknown expectation")
	errHeaderTooBig = protocol.Refusal(431, "request header too large")
	errFieldCount   = protocol.Refusal(431, "too many header fields")
	errCoding       = protocol.Refusal(501, "transfer coding not implemented")
	errConnect      = protocol.Refusal(501, "CONNECT is not implemented")
	errUpgrade      = protocol.Refusal(501, "upgrading to another protocol is not implemented")
	errVersion      = protocol.Refusal(505, "HTTP version not supported")
)

var goOn = []byte("HTTP/1.1 100 Continue\r\n\r\n")

// Parse implements protocol.Parser.
func (c *conn) Parse(data []byte) (protocol.Outcome, error) {
	if c.step <= headerField {
		if len(data) > 0 && c.scan == 0 && c.step == requestLine && !c.begins(data[0]) {
			return protocol.Outcome{}, errGarbage
		}
		if err := c.head(data); err != nil {
			return protocol.Outcome{}, err
		}
		if c.step <= headerField {
			if c.blank && c.line == len(data) && c.step == requestLine {
				// The empty line does not begin a request.
				c.line, c.scan = 0, 0
				return protocol.Outcome{}, nil
			}
			return protocol.Outcome{Size: len(data)}, nil
		}
	}
	size, err := c.receive(data)
	if err != nil {
		return protocol.Outcome{}, err
	}
	if c.step == complete {
		return protocol.Outcome{State: protocol.Done, Size: size}, nil
	}
	o := protocol.Outcome{State: protocol.InBody, Size: size}
	if c.step == fixedBody {
		o.Need = c.body.from + int(c.length)
	}
	if c.expects && !c.asked {
		c.asked = true
		if c.body.from == size { // else it has begun without being told
			o.Reply = goOn
		}
	}
	return o, nil
}

// begins tells whether b may be the first byte: what is not HTTP at all, as
// TLS, is refused at once.
func (c *conn) begins(b byte) bool { return tokens[b] || b == '\r' && !c.blank }

// head receives lines until the header is complete or data at an end.
func (c *conn) head(data []byte) error {
	for c.step <= headerField {
		end, name := c.lineEnd(data)
		if end < 0 {
			c.scan = len(data)
			return c.checkSize(len(data))
		}
		if err := c.checkSize(end); err != nil {
			return err
		}
		if end == c.line || data[end-1] != '\r' {
			return errLineEnd
		}
		line := span{c.line, end - 1}
		c.line, c.scan = end+1, end+1
		var err error
		switch {
		case c.step == headerField && line.from == line.to:
			err = c.headComplete()
		case c.step == headerField:
			err = c.headerField(data, line, name)
		case line.from == line.to && !c.blank:
			c.blank = true
			if len(data) > c.line && !c.begins(data[c.line]) {
				return errGarbage
			}
		default:
			if err = c.requestLine(data, line); err == nil {
				c.step, c.fieldsAt = headerField, c.line
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// lineEnd finds the LF of the line that is being received, −1 if it has not come.
// If a field's line is whole and as it should be, name is the length of its name;
// 0 tells that checkField must see.
func (c *conn) lineEnd(data []byte) (end, name int) {
	i := c.scan
	if c.step == headerField && i == c.line {
		name = tokenLength(data[i:])
		i += name
		if name > 0 && i < len(data) && data[i] == ':' {
			i += textLength(data[i:])
			if i+1 < len(data) && data[i] == '\r' && data[i+1] == '\n' {
				return i + 1, name
			}
		}
	}
	n := bytes.IndexByte(data[i:], '\n')
	if n < 0 {
		return -1, 0
	}
	return i + n, 0
}

// checkSize holds the line that reaches up to end, complete or not, against
// the limits. It comes before all other checks of a line, so that an outcome
// does not depend on the pieces in which a line comes.
func (c *conn) checkSize(end int) error {
	if c.step == requestLine {
		if end-c.line > c.limits.MaxLine()+1 { // CR
			return errLineTooLong
		}
		return nil
	}
	if end-c.fieldsAt >= c.limits.MaxHeaderBytes() {
		return errHeaderTooBig
	}
	return nil
}

// requestLine = method SP request-target SP HTTP-version
func (c *conn) requestLine(data []byte, at span) error {
	line := at.of(data)
	i := tokenLength(line)
	if i == 0 || i == len(line) || line[i] != ' ' {
		return errRequestLine
	}
	n := bytes.IndexByte(line[i+1:], ' ')
	if n <= 0 {
		return errRequestLine
	}
	version := line[i+1+n+1:]
	if len(version) != 8 || string(version[:5]) != "HTTP/" || version[6] != '.' ||
		!isDigit(version[5]) || !isDigit(version[7]) {
		return errRequestLine
	}
	if version[5] != '1' {
		return errVersion
	}
	c.minor = version[7] - '0'
	c.method = span{at.from, at.from + i}
	c.target = span{c.method.to + 1, c.method.to + 1 + n}
	c.proto = span{c.target.to + 1, at.to}
	c.isHead = string(line[:i]) == "HEAD"
	return c.parseTarget(data, string(line[:i]) == "CONNECT", string(line[:i]) == "OPTIONS")
}

// parseTarget takes the target apart: origin form, absolute form, or asterisk.
func (c *conn) parseTarget(data []byte, connect, options bool) error {
	t := c.target.of(data)
	if !validTarget(t) {
		return errTarget
	}
	rest := c.target
	switch {
	case connect:
		return errConnect
	case t[0] == '/':
	case t[0] == '*' && len(t) == 1 && options:
		c.asterisk = true
		return nil
	default:
		n := schemeLength(t)
		if n == 0 {
			return errTarget
		}
		end := bytes.IndexAny(t[n:], "/?")
		if end < 0 {
			end = len(t) - n
		}
		if end == 0 || !validHost(t[n:n+end]) {
			return errTarget
		}
		c.authority = span{rest.from + n, rest.from + n + end}
		rest.from = c.authority.to
		c.asterisk = options && rest.from == rest.to // RFC 9112, 3.2.4
	}
	c.path = rest
	if q := bytes.IndexByte(rest.of(data), '?'); q >= 0 {
		c.path.to = rest.from + q
		c.query = span{c.path.to + 1, rest.to}
	}
	ok := true
	c.escaped, ok = checkEscapes(c.path.of(data))
	if !ok {
		return errTarget
	}
	return nil
}

// headerField takes one field; n is the length of its name if lineEnd has found it.
func (c *conn) headerField(data []byte, at span, n int) error {
	line := at.of(data)
	if n == 0 {
		var err error
		if n, err = checkField(line); err != nil {
			return err
		}
	}
	if len(c.fields) >= c.limits.MaxHeaderCount() {
		return errFieldCount
	}
	v := valueOf(line, n)
	f := field{span{at.from, at.from + n}, span{at.from + v.from, at.from + v.to}}
	c.fields = append(c.fields, f)
	name, value := line[:n], v.of(line)
	switch len(name) {
	case len("host"):
		if equalFold(name, "host") {
			c.hosts++
			c.host = f.value
			if c.hosts > 1 || !validHost(value) {
				return errHost
			}
		}
	case len("upgrade"):
		if equalFold(name, "upgrade") {
			c.upgradesElse = c.upgradesElse || otherProtocol(value)
		}
	case len("expect"):
		if equalFold(name, "expect") {
			if equalFold(value, "100-continue") {
				c.expects = true
			} else {
				c.expectsElse = true
			}
		}
	case len("connection"):
		if equalFold(name, "connection") {
			closes, keeps, upgrades := connectionOptions(value)
			c.wantsClose = c.wantsClose || closes
			c.wantsKeep = c.wantsKeep || keeps
			c.wantsUpgrade = c.wantsUpgrade || upgrades
		}
	case len("content-type"):
		if equalFold(name, "content-type") {
			c.mediaType = f.value
		}
	case len("content-length"):
		if equalFold(name, "content-length") {
			c.lengths++
			var ok bool
			c.length, ok, c.tooLong = parseLength(value)
			if c.lengths > 1 || !ok {
				return errLength
			}
		}
	case len("transfer-encoding"):
		if equalFold(name, "transfer-encoding") {
			c.codings++
			c.chunkedOnly = c.codings == 1 && equalFold(value, "chunked")
		}
	}
	return nil
}

// headComplete decides what body follows (RFC 9112, 6.3) and whether the
// request can be served at all.
func (c *conn) headComplete() error {
	old := c.minor == 0
	switch {
	case c.hosts == 0 && !old:
		return errHost
	case c.codings > 0 && c.lengths > 0:
		return errBothLengths
	case c.codings > 0 && old:
		return errCodingOld
	case c.codings > 0 && !c.chunkedOnly:
		return errCoding
	case c.expectsElse && !old:
		return errExpectation
	case c.upgradesElse && c.wantsUpgrade && !old:
		return errUpgrade
	case c.tooLong || c.length > c.limits.MaxBody():
		return errBodyTooLong
	}
	if old {
		c.expects = false // RFC 9110, 10.1.1
	}
	c.body = span{c.line, c.line}
	c.step = fixedBody
	if c.codings > 0 {
		c.step = chunkSize
	}
	return nil
}

// checkField checks a line and returns the length of the name.
//
//	field-line = field-name ":" OWS field-value OWS
func checkField(line []byte) (name int, err error) {
	if line[0] == ' ' || line[0] == '\t' {
		return 0, errFolded
	}
	name = tokenLength(line)
	if name == 0 || name == len(line) || line[name] != ':' {
		return 0, errName
	}
	if textLength(line[name:]) < len(line)-name {
		return 0, errValue
	}
	return name, nil
}

// valueOf is where the value is in a line whose name has that length.
func valueOf(line []byte, name int) span {
	from, to := name+1, len(line)
	for from < to && isBlank(line[from]) {
		from++
	}
	for from < to && isBlank(line[to-1]) {
		to--
	}
	return span{from, to}
}
