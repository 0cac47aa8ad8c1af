package load

import (
	"net/http"

	vegeta "github.com/tsenart/vegeta/v12/lib"

	"github.com/dynobench/dyno/internal/template"
)

// An aim makes the targets of one class of requests.
type aim struct {
	request *Request
	texts   *texts
	base    string        // scheme and host
	target  vegeta.Target // of a fixed class
	fixed   bool
}

func newAims(c *Config, to endpoint) ([]aim, error) {
	base := to.base()
	aims := make([]aim, len(c.Requests))
	for i := range aims {
		r := &c.Requests[i]
		t, err := r.parse("Requests", c.Data)
		if err != nil {
			return nil, err
		}
		a := aim{request: r, texts: t, base: base}
		if m, ok := t.fixed(r); ok {
			a.target, a.fixed = a.at(m), true
		}
		aims[i] = a
	}
	return aims, nil
}

// draw returns the target of a draw; its URL ends with the mark of a fragment.
func (a *aim) draw(d template.Draw) vegeta.Target {
	if a.fixed {
		return a.target
	}
	return a.at(a.texts.render(a.request, d))
}

func (a *aim) at(m message) vegeta.Target {
	t := vegeta.Target{Method: m.method, URL: a.base + m.path + "#", Body: m.body, Header: http.Header{}}
	for _, h := range m.header {
		t.Header.Add(h[0], h[1])
	}
	if t.Header.Get("User-Agent") == "" {
		t.Header["User-Agent"] = []string{""} // none, as the native generator
	}
	return t
}
