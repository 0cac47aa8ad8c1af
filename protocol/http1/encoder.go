package http1

import (
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/dynobench/dyno/protocol/gateway"
)

// Head implements protocol.Encoder.
//
// The app's fields are written as they are; a Date is added unless it gave
// one, and what frames the body: Content-Length where the length is known,
// chunks otherwise, and for HTTP/1.0, which has none, the end of the
// connection.
func (c *conn) Head(dst []byte, h *gateway.Head, keep bool, now time.Time) ([]byte, bool) {
	// Framing follows the request; of a refused one nothing may be known.
	old := c.proto.to > 0 && c.minor == 0
	noLength := h.Status < 200 || h.Status == http.StatusNoContent // RFC 9110, 8.6
	c.noBody = h.NoBody || c.isHead || noLength || h.Status == http.StatusNotModified
	c.chunked = false

	dst = appendStatus(dst, h.Status)
	dated, framed := false, h.Declared
	for i := range h.Header {
		f := &h.Header[i]
		switch len(f.Name) {
		case len("date"):
			dated = dated || equalFold(f.Name, "date")
		case len("content-length"):
			if noLength && equalFold(f.Name, "content-length") {
				continue
			}
		}
		dst = append(dst, f.Name...)
		dst = append(dst, ": "...)
		dst = append(dst, f.Value...)
		dst = append(dst, "\r\n"...)
	}
	if !dated {
		dst = append(dst, dateLine(now)...)
	}
	switch {
	case framed || noLength:
	case h.Length >= 0:
		dst = append(dst, "Content-Length: "...)
		dst = strconv.AppendInt(dst, h.Length, 10)
		dst = append(dst, "\r\n"...)
	case c.noBody:
	case old:
		keep = false
	default:
		c.chunked = true
		dst = append(dst, "Transfer-Encoding: chunked\r\n"...)
	}
	keep = keep && !c.wantsClose && (!old || c.wantsKeep)
	switch {
	case !keep:
		dst = append(dst, "Connection: close\r\n"...)
	case old:
		dst = append(dst, "Connection: keep-alive\r\n"...)
	}
	return append(dst, "\r\n"...), keep
}

// Open implements protocol.Encoder.
func (c *conn) Open(dst []byte, n int) ([]byte, int) {
	if c.noBody {
		return dst, 0
	}
	if c.chunked {
		dst = strconv.AppendInt(dst, int64(n), 16)
		dst = append(dst, "\r\n"...)
	}
	return dst, n
}

// Close implements protocol.Encoder.
func (c *conn) Close(dst []byte) []byte {
	if c.chunked {
		dst = append(dst, "\r\n"...)
	}
	return dst
}

// End implements protocol.Encoder.
func (c *conn) End(dst []byte) []byte {
	if c.chunked && !c.noBody {
		dst = append(dst, "0\r\n\r\n"...)
	}
	return dst
}

func appendStatus(dst []byte, status int) []byte {
	if status == http.StatusOK {
		return append(dst, "HTTP/1.1 200 OK\r\n"...)
	}
	dst = append(dst, "HTTP/1.1 "...)
	dst = strconv.AppendInt(dst, int64(status), 10)
	dst = append(dst, ' ')
	dst = append(dst, http.StatusText(status)...)
	return append(dst, "\r\n"...)
}

// date is a Date field for one second.
type date struct {
	second int64
	line   []byte
}

// lastDate is shared by all connections: formatting costs more than the rest
// of a head, and nobody has to run a clock.
var lastDate atomic.Pointer[date]

func dateLine(now time.Time) []byte {
	second := now.Unix()
	if d := lastDate.Load(); d != nil && d.second == second {
		return d.line
	}
	d := &date{second: second, line: now.UTC().AppendFormat([]byte("Date: "), http.TimeFormat+"\r\n")}
	lastDate.Store(d)
	return d.line
}
