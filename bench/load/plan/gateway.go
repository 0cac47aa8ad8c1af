package plan

import (
	"fmt"
	"sync"
	"unsafe"

	"github.com/dynobench/dyno/protocol/client"
	"github.com/dynobench/dyno/scenarios/workload"
)

// checkGateway checks what only matters where requests are told in CGI
// variables, over p.
func (c *Config) checkGateway(p *client.Protocol) error {
	if !p.Gateway {
		if len(c.Params) > 0 {
			return Errorf("Params", "%s: CGI variables are for uwsgi, scgi and fastcgi; http has header fields", c.URL)
		}
		return nil
	}
	switch {
	case c.Pipeline > 1:
		return Errorf("Pipeline", "%s has one request at a time per connection: it cannot be pipelined", p.Name)
	case len(c.Groups) > 0:
		return Errorf("Groups", "the connections of a group speak http, not %s", p.Name)
	}
	for _, v := range c.Params {
		if v[0] == "" || v[0] == "CONTENT_LENGTH" {
			return Errorf("Params", "variable %q: expected a name other than CONTENT_LENGTH, which is always sent", v[0])
		}
	}
	for i := range c.Requests {
		r := &c.Requests[i]
		for _, h := range r.Header {
			if IsField(h[0], "Transfer-Encoding") {
				return Errorf(fmt.Sprintf("Requests[%d].Header", i), "%s of %s: a body in %s has no transfer coding", h[0], r.Class, p.Name)
			}
		}
	}
	return nil
}

// A told is a class of requests over a gateway protocol whose texts are
// rendered when it is due. A variable's length stands before it, so that no
// template of the whole can be made.
type told struct {
	protocol *client.Protocol
	request  *Request
	texts    *Texts
	fixed    client.Request // what does not change
}

// newTold returns r over to's protocol and, where it is always the same, its
// bytes.
func newTold(c *Config, r *Request, t *Texts, to Endpoint) (*told, []byte, error) {
	w := &told{protocol: to.Protocol, request: r, texts: t, fixed: client.Request{
		Method: r.Method, Host: to.Host, Params: c.Params, Keep: to.Protocol.Reuses && !c.Fresh,
	}}
	m, ok := t.Fixed(r)
	if !ok {
		return w, nil, nil
	}
	q := w.fixed
	q.Target, q.Header, q.Body = m.Path, m.Header, m.Body
	b, err := to.Protocol.Append(nil, &q)
	if err != nil {
		err = Errorf("Requests", "%s: %v", r.Class, err)
	}
	return nil, b, err
}

// rendering is memory for a request that is being rendered.
type rendering struct {
	client.Request
	text []byte
	ends []int // of the texts in text
}

var renderings = sync.Pool{New: func() any { return new(rendering) }}

// append appends the request of a draw. What does not fit into a packet after
// all goes out as an empty one, which servers refuse.
func (w *told) append(dst []byte, d workload.Draw) []byte {
	r := renderings.Get().(*rendering)
	defer renderings.Put(r)
	r.text, r.ends = w.texts.path.Append(r.text[:0], d), r.ends[:0]
	for _, v := range w.texts.values {
		r.ends = append(r.ends, len(r.text))
		r.text = v.Append(r.text, d)
	}
	r.ends = append(r.ends, len(r.text))
	r.text = w.texts.body.Append(r.text, d)

	q := &r.Request
	q.Method, q.Host, q.Params, q.Keep = w.fixed.Method, w.fixed.Host, w.fixed.Params, w.fixed.Keep
	q.Target, q.Header, q.Body = alias(r.text[:r.ends[0]]), q.Header[:0], r.text[r.ends[len(r.ends)-1]:]
	for i, h := range w.request.Header {
		q.Header = append(q.Header, [2]string{h[0], alias(r.text[r.ends[i]:r.ends[i+1]])})
	}
	dst, err := w.protocol.Append(dst, q)
	if err != nil {
		dst = append(dst, 0, 0, 0, 0)
	}
	return dst
}

// alias is b as a string, for as long as b does not change.
func alias(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
