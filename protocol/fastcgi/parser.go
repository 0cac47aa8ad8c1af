package fastcgi

import (
	"encoding/binary"

	"github.com/dynobench/dyno/protocol"
	"github.com/dynobench/dyno/protocol/cgi"
)

// The refusals of a connection. The client sees them if a request is active;
// otherwise there is nothing that an answer could be about, and it sees the end.
var (
	errVersion = protocol.Refusal(400, "not a FastCGI record of version 1")
	errBegin   = protocol.Refusal(400, "malformed FCGI_BEGIN_REQUEST")
	errAgain   = protocol.Refusal(400, "FCGI_BEGIN_REQUEST for a request that is active")
	errPair    = protocol.Refusal(400, "malformed FastCGI name-value pair")
	errOrder   = protocol.Refusal(400, "FastCGI streams out of order: FCGI_PARAMS, then FCGI_STDIN")
	errLength  = protocol.Refusal(400, "FCGI_STDIN is not as long as CONTENT_LENGTH")
)

// Parse implements protocol.Parser.
func (c *conn) Parse(data []byte) (protocol.Outcome, error) {
	c.reply = c.reply[:0]
	for more := true; more; {
		var err error
		if more, err = c.receive(data); err != nil {
			return protocol.Outcome{Reply: c.reply}, err
		}
	}
	o := protocol.Outcome{Reply: c.reply}
	switch {
	case c.ends:
		o.Ends = true
	case c.stage == complete:
		o.State, o.Size = protocol.Done, c.at
	default:
		o.Size = c.drawTogether(data)
		if c.stage == inBody {
			o.State = protocol.InBody
			if n, given := c.req.Length(); given {
				o.Need = c.bodyFrom + int(n) + 8*headSize // and some records' heads
			}
		}
	}
	return o, nil
}

// drawTogether closes the gap between what counts and what has not been looked
// at, so that records take no memory.
func (c *conn) drawTogether(data []byte) int {
	n := c.kept
	if c.at > c.kept {
		n += copy(data[c.kept:], data[c.at:])
	} else {
		n = len(data)
	}
	c.at = c.kept
	return n
}

// receive takes the next piece of a record, or the next record, and tells
// whether there may be another one in data.
func (c *conn) receive(data []byte) (again bool, err error) {
	if c.left > 0 {
		n := min(c.left, len(data)-c.at)
		if c.at != c.kept {
			copy(data[c.kept:], data[c.at:c.at+n])
		}
		c.kept += n
		c.at += n
		if c.left -= n; c.left > 0 {
			return false, nil
		}
	}
	if c.skip > 0 {
		n := min(c.skip, len(data)-c.at)
		c.at += n
		if c.skip -= n; c.skip > 0 {
			return false, nil
		}
	}
	if c.last {
		c.stage = complete
		return false, nil
	}
	head := data[c.at:]
	switch {
	case len(head) == 0:
		return false, nil
	case head[0] != version:
		return false, errVersion
	case len(head) < headSize:
		return false, nil
	}
	return c.record(data, kind(head[1]), binary.BigEndian.Uint16(head[2:]),
		int(binary.BigEndian.Uint16(head[4:])), int(head[6]))
}

// record takes the record whose head is at c.at.
func (c *conn) record(data []byte, k kind, id uint16, length, padding int) (again bool, err error) {
	from := c.at + headSize
	content := data[from:min(from+length, len(data))]
	switch {
	case id == 0 && k == getValues:
		if len(content) < length {
			return false, nil
		}
		if err := c.values(content); err != nil {
			return false, err
		}
		return c.drop(headSize+length, padding)
	case id == 0:
		c.reply = appendRecord(c.reply, unknownType, 0, 8)
		c.reply = append(c.reply, byte(k), 0, 0, 0, 0, 0, 0, 0)
	case k == beginRequest:
		return c.begin(data, id, length, padding)
	case id != c.id:
		// Of a request that is not active: refused, aborted or answered.
	case k == abortRequest:
		c.reply = appendEnd(c.reply, id, requestComplete)
		if !c.keep {
			c.ends = true
			return false, nil
		}
		c.req.Reset(c.limits)
		c.id, c.stage, c.kept = 0, nothing, 0
	case k == params:
		if c.stage != inParams {
			return false, errOrder
		}
		if length == 0 {
			if err := c.variables(data); err != nil {
				return false, err
			}
			return c.drop(headSize, padding)
		}
		if c.kept-headSize+length > c.limits.MaxHeaderBytes() {
			return false, cgi.ErrHeader
		}
		c.left = length
		return c.drop(headSize, padding)
	case k == stdin:
		if c.stage != inBody {
			return false, errOrder
		}
		if err := c.body(length); err != nil {
			return false, err
		}
		c.left, c.last = length, length == 0
		return c.drop(headSize, padding)
	}
	return c.drop(headSize, length+padding)
}

// drop goes on behind n bytes that have been seen, and skip that may not have come.
func (c *conn) drop(n, skip int) (bool, error) {
	c.at += n
	c.skip = skip
	return true, nil
}

// begin takes FCGI_BEGIN_REQUEST.
func (c *conn) begin(data []byte, id uint16, length, padding int) (bool, error) {
	if length != beginSize {
		return false, errBegin
	}
	if len(data)-c.at < headSize+beginSize {
		return false, nil
	}
	content := data[c.at+headSize:]
	keep := content[2]&keepConn != 0
	switch {
	case id == c.id:
		return false, errAgain
	case c.id != 0:
		c.reply = appendEnd(c.reply, id, cantMpxConn)
	case binary.BigEndian.Uint16(content) != responder:
		c.reply = appendEnd(c.reply, id, unknownRole)
		if !keep {
			c.ends = true
			return false, nil
		}
	default:
		// The record's head stays, so that the request is seen to have begun.
		c.id, c.keep, c.stage = id, keep, inParams
		c.kept = copy(data, data[c.at:c.at+headSize])
	}
	return c.drop(headSize+beginSize, padding)
}

// variables takes the stream FCGI_PARAMS apart, which is complete.
func (c *conn) variables(data []byte) error {
	block := data[:c.kept]
	for at := headSize; at < len(block); {
		name, value, ok := pair(block, at)
		if !ok {
			return errPair
		}
		if err := c.req.Add(block, name, value); err != nil {
			return err
		}
		at = value.To
	}
	if err := c.req.Complete(block); err != nil {
		return err
	}
	c.stage, c.bodyFrom = inBody, c.kept
	return nil
}

// body checks the length of the body with n bytes more; none end it. A web
// server that breaks off its upload ends FCGI_STDIN early: what has come must
// not be taken for the whole.
func (c *conn) body(n int) error {
	have := int64(c.kept-c.bodyFrom) + int64(n)
	if have > c.limits.MaxBody() {
		return cgi.ErrBody
	}
	if want, given := c.req.Length(); given && (have > want || n == 0 && have != want) {
		return errLength
	}
	return nil
}

const mpxsConns = "FCGI_MPXS_CONNS"

// values answers FCGI_GET_VALUES. How many connections there may be is the
// engine's affair, and left out as what is not known.
func (c *conn) values(content []byte) error {
	asked := false
	for at := 0; at < len(content); {
		name, value, ok := pair(content, at)
		if !ok {
			return errPair
		}
		asked = asked || string(content[name.From:name.To]) == mpxsConns
		at = value.To
	}
	if !asked {
		c.reply = appendRecord(c.reply, getValuesResult, 0, 0)
		return nil
	}
	c.reply = appendRecord(c.reply, getValuesResult, 0, 2+len(mpxsConns)+1)
	c.reply = append(c.reply, byte(len(mpxsConns)), 1)
	c.reply = append(c.reply, mpxsConns+"0"...)
	return nil
}
