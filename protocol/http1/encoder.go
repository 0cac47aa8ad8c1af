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
		dst = appendField(dst, f.Name, f.Value)
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
		if c.isHead {
			dst = appendTrailerLine(dst, h.Trailer)
		}
	case old:
		keep = false
	default:
		c.chunked = true
		dst = append(dst, "Transfer-Encoding: chunked\r\n"...)
		dst = appendTrailerLine(dst, h.Trailer)
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
func (c *conn) End(dst []byte) []byte { return c.EndWith(dst, nil) }

// EndWith implements protocol.Extender.
func (c *conn) EndWith(dst []byte, trailer []gateway.Field) []byte {
	if !c.chunked || c.noBody {
		return dst
	}
	dst = append(dst, "0\r\n"...)
	for i := range trailer {
		dst = appendField(dst, trailer[i].Name, trailer[i].Value)
	}
	return append(dst, "\r\n"...)
}

// Extended implements protocol.Extender: an HTTP/1.0 client knows neither
// chunks nor interim answers (RFC 9110, section 15.2).
func (c *conn) Extended() bool { return c.minor > 0 }

// Interim implements protocol.Extender.
func (c *conn) Interim(dst []byte, status int, header []gateway.Field) []byte {
	if status == http.StatusContinue {
		if c.asked {
			return dst
		}
		c.asked = true
	}
	dst = appendStatus(dst, status)
	for i := range header {
		dst = appendField(dst, header[i].Name, header[i].Value)
	}
	return append(dst, "\r\n"...)
}

// appendTrailerLine appends the field that announces trailers, if there are to be any.
func appendTrailerLine(dst []byte, names string) []byte {
	if names == "" {
		return dst
	}
	return appendField(dst, "Trailer", names)
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
