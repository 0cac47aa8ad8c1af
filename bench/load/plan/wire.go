package plan

import (
	"slices"
	"strconv"

	"github.com/dynobench/dyno/protocol/http1"
	"github.com/dynobench/dyno/scenarios/workload"
)

// A Wire is one class of requests as it goes onto the wire: bytes formatted
// once where all its requests are the same, templates where they are not.
type Wire struct {
	bytes []byte            // of the fixed ones
	head  workload.Template // up to the body, or
	body  workload.Template // of a length that changes: up to the value of Content-Length
	sized bool              // the length of body is written between the two
	told  *told             // not http
}

// NewWire formats r, which complete has checked, for the server at to.
func NewWire(c *Config, r *Request, to Endpoint) (Wire, error) {
	t, err := r.Parse("Requests", c.Data)
	if err != nil {
		return Wire{}, err
	}
	if to.Protocol.Gateway {
		told, b, err := newTold(c, r, t, to)
		return Wire{bytes: b, told: told}, err
	}
	host := to.Host
	if m, ok := t.Fixed(r); ok {
		return Wire{bytes: http1.AppendRequest(nil, m.Method, m.Path, host, m.Header, m.Body)}, nil
	}
	return t.wire(r, host), nil
}

// wire is http1.AppendRequest with templates for texts.
func (t *Texts) wire(r *Request, host string) Wire {
	hasHost, framed := false, false
	for _, h := range r.Header {
		hasHost = hasHost || IsField(h[0], "Host")
		framed = framed || workload.Framed(h[0])
	}
	head := []workload.Template{workload.Literal(r.Method + " "), t.path, workload.Literal(" HTTP/1.1\r\n")}
	if !hasHost {
		head = append(head, workload.Literal("Host: "+host+"\r\n"))
	}
	for i, h := range r.Header {
		head = append(head, workload.Literal(h[0]+": "), t.values[i], workload.Literal("\r\n"))
	}
	body, fixed := t.body.Fixed()
	switch {
	case framed:
	case !fixed:
		head = append(head, workload.Literal("Content-Length: "))
		return Wire{head: workload.Concat(head...), body: t.body, sized: true}
	case body != "" || slices.Contains([]string{"POST", "PUT", "PATCH"}, r.Method):
		head = append(head, workload.Literal("Content-Length: "+strconv.Itoa(len(body))+"\r\n"))
	}
	head = append(head, workload.Literal("\r\n"), t.body)
	return Wire{head: workload.Concat(head...)}
}

// Fixed returns the request if it is always the same, otherwise nil. It must
// not be changed.
func (w *Wire) Fixed() []byte { return w.bytes }

// Append appends the request of a draw to dst; it allocates nothing where dst
// has room. Of a fixed class the draw makes no difference.
func (w *Wire) Append(dst []byte, d workload.Draw) []byte {
	if w.bytes != nil {
		return append(dst, w.bytes...)
	}
	if w.told != nil {
		return w.told.append(dst, d)
	}
	dst = w.head.Append(dst, d)
	if !w.sized {
		return dst
	}
	// The body's length is known when the body is there, and stands before it:
	// the body makes room for its digits.
	at := len(dst)
	dst = append(dst, "\r\n\r\n"...)
	dst = w.body.Append(dst, d)
	var digits [20]byte
	size := strconv.AppendInt(digits[:0], int64(len(dst)-at-len("\r\n\r\n")), 10)
	dst = append(dst, size...)
	copy(dst[at+len(size):], dst[at:len(dst)-len(size)])
	copy(dst[at:], size)
	return dst
}

// NewDraws returns what thread i of n draws its templates from.
func NewDraws(c *Config, i, n int) workload.Source {
	return workload.NewSource(c.Seed, c.Data, c.DataOrder, len(c.Requests), i, n)
}
