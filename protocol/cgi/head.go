package cgi

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/dynobench/dyno/protocol/gateway"
)

// AppendHead appends an answer's head: statusLine (as "HTTP/1.1 " or "Status: ")
// with the status, the app's fields, extra, and an empty line. It tells whether
// a body may follow.
//
// Date, Server and what frames the answer to the client are the web server's.
// A field Status is dropped: it would be a second one.
func (r *Request) AppendHead(dst []byte, statusLine, extra string, h *gateway.Head) (out []byte, body bool) {
	noLength := h.Status < 200 || h.Status == http.StatusNoContent // RFC 9110, 8.6
	dst = append(dst, statusLine...)
	dst = strconv.AppendInt(dst, int64(h.Status), 10)
	dst = append(dst, ' ')
	dst = append(dst, http.StatusText(h.Status)...)
	dst = append(dst, "\r\n"...)
	for i := range h.Header {
		f := &h.Header[i]
		if noLength && strings.EqualFold(f.Name, "content-length") || strings.EqualFold(f.Name, "status") {
			continue
		}
		dst = append(dst, f.Name...)
		dst = append(dst, ": "...)
		dst = append(dst, f.Value...)
		dst = append(dst, "\r\n"...)
	}
	if !h.Declared && !noLength && h.Length >= 0 {
		dst = append(dst, "Content-Length: "...)
		dst = strconv.AppendInt(dst, h.Length, 10)
		dst = append(dst, "\r\n"...)
	}
	dst = append(dst, extra...)
	dst = append(dst, "\r\n"...)
	return dst, !(h.NoBody || r.head || noLength || h.Status == http.StatusNotModified)
}

// Unframed is the encoder's part behind the head where nothing frames an answer
// but its length and the end of the connection. A codec's connection embeds it.
type Unframed struct{ Body bool } // whether the answer has a body, as AppendHead tells

// Open implements protocol.Encoder.
func (u *Unframed) Open(dst []byte, n int) ([]byte, int) {
	if !u.Body {
		return dst, 0
	}
	return dst, n
}

// Close implements protocol.Encoder.
func (*Unframed) Close(dst []byte) []byte { return dst }

// End implements protocol.Encoder.
func (*Unframed) End(dst []byte) []byte { return dst }
