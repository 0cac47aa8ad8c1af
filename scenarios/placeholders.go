package scenarios

import (
	"maps"
	"slices"

	"github.com/dynobench/dyno/internal/suggest"
	"github.com/dynobench/dyno/scenarios/workload"
)

// Templates are the texts of a request, parsed.
type Templates struct {
	Path    workload.Template
	Headers map[string]workload.Template
	Body    workload.Template
}

// TakesData tells whether a text has a field of the data.
func (t *Templates) TakesData() bool {
	texts := append(slices.Collect(maps.Values(t.Headers)), t.Path, t.Body)
	return slices.ContainsFunc(texts, workload.Template.TakesData)
}

// Templates parses the request's texts, which are valid, with the rows of the
// scenario's data.
func (r *Request) Templates(data *Data) (*Templates, error) {
	var first error
	t := r.templates(data, func(_ string, err error) {
		if first == nil {
			first = err
		}
	})
	return t, first
}

// templates parses the texts in an order of its own, so that what is drawn for
// each is the same every time. bad gets the fault of a text and the text's key.
func (r *Request) templates(data *Data, bad func(key string, err error)) *Templates {
	t := &Templates{Headers: map[string]workload.Template{}}
	p := workload.Parser{Data: data.Rows, AnyField: data.File != ""}
	parse := func(key, text string, as func(string) (workload.Template, error)) workload.Template {
		if r.Verbatim {
			as = func(text string) (workload.Template, error) { return workload.Literal(text), nil }
			if key == "path" {
				as = verbatimPath
			}
		}
		u, err := as(text)
		if err != nil {
			bad(key, err)
		}
		return u
	}
	t.Path = parse("path", r.Path, p.Path)
	for _, name := range slices.Sorted(maps.Keys(r.Headers)) {
		t.Headers[name] = parse("headers."+name, r.Headers[name], p.Header)
	}
	t.Body = parse("body", r.Body, p.Text)
	return t
}

func verbatimPath(text string) (workload.Template, error) {
	target, err := workload.Target(text)
	return workload.Literal(target), err
}

func (r *Request) placeholdersProblems(data *Data, add func(key, format string, args ...any)) {
	faulty := false
	t := r.templates(data, func(key string, err error) {
		faulty = true
		if key == "path" && !pathPattern.MatchString(r.Path) {
			return // that has been said
		}
		add(key, "%v", err)
	})
	if faulty {
		return
	}
	framed := ""
	for _, name := range slices.Sorted(maps.Keys(r.Headers)) {
		if err := workload.Framing(framed, name, t.Headers[name], t.Body); err != nil {
			add("headers."+name, "%v", err)
		}
		if workload.Framed(name) {
			framed = name
		}
	}
}

func (d *Data) problems(requests []Request) []problem {
	var list []problem
	if d.File == "" {
		return []problem{{"data.file", "no file; write its path, or leave data out"}}
	}
	if !slices.ContainsFunc(requests, func(r Request) bool { return r.takesData(d) }) {
		list = append(list, problem{"data.file", "no request takes a field from it; write ${data.NAME} where one goes, or leave data out"})
	}
	if !slices.Contains(workload.Orders(), d.Order) {
		list = append(list, problem{"data.order", suggest.Unknown("order", d.Order, workload.Orders()).Error()})
	}
	return list
}

// takesData tells whether a text of the request has a field of the data. One
// with a fault, which is told elsewhere, may.
func (r *Request) takesData(data *Data) bool {
	faulty := false
	t := r.templates(data, func(string, error) { faulty = true })
	return faulty || t.TakesData()
}
