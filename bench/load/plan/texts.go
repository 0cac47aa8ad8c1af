package plan

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	"github.com/dynobench/dyno/scenarios/workload"
)

// Texts are those parts of a request that may hold placeholders.
type Texts struct {
	path   workload.Template
	values []workload.Template // of Request.Header
	body   workload.Template
}

// Parse parses the texts of r. field is what r is called in an error.
func (r *Request) Parse(field string, data *workload.Data) (*Texts, error) {
	if r.Verbatim {
		return r.verbatim(field)
	}
	p := workload.Parser{Data: data}
	t := &Texts{}
	var err error
	if t.path, err = p.Path(r.Path); err != nil {
		return nil, r.bad(field+".Path", "path", err)
	}
	for _, h := range r.Header {
		value, err := p.Header(h[1])
		if err != nil {
			return nil, r.bad(field+".Header", "header field "+h[0], err)
		}
		t.values = append(t.values, value)
	}
	if t.body, err = p.Text(string(r.Body)); err != nil {
		return nil, r.bad(field+".Body", "body", err)
	}
	return t, t.framing(field, r)
}

// framing holds the fields that frame the body against it.
func (t *Texts) framing(field string, r *Request) error {
	framed := ""
	for i, h := range r.Header {
		if err := workload.Framing(framed, h[0], t.values[i], t.body); err != nil {
			return r.bad(field+".Header", "header field "+h[0], err)
		}
		if workload.Framed(h[0]) {
			framed = h[0]
		}
	}
	return nil
}

func (r *Request) verbatim(field string) (*Texts, error) {
	path, err := workload.Target(r.Path)
	if err != nil {
		return nil, r.bad(field+".Path", "path", err)
	}
	t := &Texts{path: workload.Literal(path), body: workload.Literal(string(r.Body))}
	for _, h := range r.Header {
		t.values = append(t.values, workload.Literal(h[1]))
	}
	return t, t.framing(field, r)
}

func (r *Request) bad(field, what string, err error) error {
	var fault *workload.DataError
	if errors.As(err, &fault) { // says itself where it is
		return Errorf(field, "%v (%s of %s)", err, what, r.Class)
	}
	return Errorf(field, "%s of %s: %v", what, r.Class, err)
}

// Message is a request with its texts rendered.
type Message struct {
	Method, Path string
	Header       [][2]string
	Body         []byte
}

// Fixed returns the message if it is the same for every draw.
func (t *Texts) Fixed(r *Request) (Message, bool) {
	_, fixed := t.path.Fixed()
	for _, v := range t.values {
		_, ok := v.Fixed()
		fixed = fixed && ok
	}
	if _, ok := t.body.Fixed(); !ok || !fixed {
		return Message{}, false
	}
	return t.Render(r, workload.Draw{}), true
}

// Render makes the request of the draw d.
func (t *Texts) Render(r *Request, d workload.Draw) Message {
	m := Message{Method: r.Method, Path: string(t.path.Append(nil, d)), Body: t.body.Append(nil, d)}
	for i, v := range t.values {
		m.Header = append(m.Header, [2]string{r.Header[i][0], string(v.Append(nil, d))})
	}
	return m
}

func (t *Texts) takesData() bool {
	for _, v := range t.values {
		if v.TakesData() {
			return true
		}
	}
	return t.path.TakesData() || t.body.TakesData()
}

// checkTemplates parses what all requests hold, to find what is wrong with it
// before anything is sent.
func (c *Config) checkTemplates() error {
	used := c.Data == nil
	for i := range c.Requests {
		t, err := c.Requests[i].Parse(fmt.Sprintf("Requests[%d]", i), c.Data)
		if err != nil {
			return err
		}
		used = used || t.takesData()
	}
	c.DataOrder = cmp.Or(c.DataOrder, workload.Sequence)
	switch {
	case !used:
		return Errorf("Data", "no request takes a field from %s; write ${data.FIELD} where one goes (it has %s)",
			c.Data.Name(), strings.Join(c.Data.Fields(), ", "))
	case c.DataOrder != workload.Sequence && c.DataOrder != workload.Random:
		return Errorf("DataOrder", "unknown order %q (known: %s)", c.DataOrder, strings.Join(workload.Orders(), ", "))
	}
	return nil
}

// IsField tells whether two header fields have the same name.
func IsField(name, of string) bool { return strings.EqualFold(name, of) }

// cutTemplate cuts the path off a URL that holds placeholders, of which
// url.Parse would escape the braces. What is left of the URL ends with its
// host; one without placeholders, or of a Unix socket, is left whole.
func cutTemplate(raw string) (base, path string) {
	scheme, rest, _ := strings.Cut(raw, "://")
	if strings.HasPrefix(rest, "unix:") {
		return raw, ""
	}
	end := strings.IndexAny(rest+"/", "/?#")
	if at := strings.Index(rest, "${"); at >= 0 {
		end = min(end, at) // a field may hold the whole path
	}
	if end += len(scheme) + len("://"); end >= len(raw) {
		return raw, ""
	}
	if !strings.Contains(raw[end:], "${") {
		return raw, ""
	}
	path, _, _ = strings.Cut(raw[end:], "#")
	if strings.HasPrefix(path, "?") {
		path = "/" + path
	}
	return raw[:end], path
}
