package fastcgi

import (
	"bytes"
	"encoding/binary"
	"time"

	"github.com/dynobench/dyno/protocol/gateway"
)

// Head implements protocol.Encoder. Where no request is active nothing can be
// answered, and the connection just ends.
func (c *conn) Head(dst []byte, h *gateway.Head, keep bool, _ time.Time) ([]byte, bool) {
	if c.id == 0 {
		c.noBody = true
		return dst, false
	}
	from := len(dst)
	dst = appendRecord(dst, stdout, c.id, 0)
	dst, body := c.req.AppendHead(dst, "Status: ", "", h)
	c.noBody = !body
	return split(dst, from), keep && c.keep
}

// split fills in the length of the record that begins at from and ends dst, and
// makes several of it where it is too long.
func split(dst []byte, from int) []byte {
	n := len(dst) - from - headSize
	if n <= maxContent {
		dst[from+4], dst[from+5] = byte(n>>8), byte(n)
		return dst
	}
	k, id := kind(dst[from+1]), binary.BigEndian.Uint16(dst[from+2:])
	content := bytes.Clone(dst[from+headSize:])
	dst = dst[:from]
	for len(content) > 0 {
		n := min(len(content), maxContent)
		dst = append(appendRecord(dst, k, id, n), content[:n]...)
		content = content[n:]
	}
	return dst
}

// Open implements protocol.Encoder.
func (c *conn) Open(dst []byte, n int) ([]byte, int) {
	if c.noBody {
		return dst, 0
	}
	n = min(n, maxContent)
	return appendRecord(dst, stdout, c.id, n), n
}

// Close implements protocol.Encoder.
func (c *conn) Close(dst []byte) []byte { return dst }

// End implements protocol.Encoder: the end of the stream, and of the request.
func (c *conn) End(dst []byte) []byte {
	if c.id == 0 {
		return dst
	}
	return appendEnd(appendRecord(dst, stdout, c.id, 0), c.id, requestComplete)
}
