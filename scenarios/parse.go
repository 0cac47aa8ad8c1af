package scenarios

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"

	"github.com/dynobench/dyno/internal/profile"
	"github.com/dynobench/dyno/internal/suggest"
	"github.com/dynobench/dyno/internal/template"
)

// SyntaxError is a fault in a scenario file: what is wrong, where, and what to do.
type SyntaxError struct {
	File         string
	Line, Column int // from 1; 0 where a fault has no place
	Msg          string
}

func (e *SyntaxError) Error() string {
	if e.Line == 0 {
		return e.File + ": " + e.Msg
	}
	return fmt.Sprintf("%s:%d:%d: %s", e.File, e.Line, e.Column, e.Msg)
}

// Parse decodes a scenario strictly and fills in the defaults. The error, name
// being the file in its messages, is a *SyntaxError or several of them joined:
// all the faults that can be seen at once. It reads no other file: which fields
// the data has is for Load to check.
//
// The document is walked by hand rather than unmarshalled: the YAML library
// takes 1.5 for an integer and 5 for a string, has no place for a bad duration,
// and forgets where a value stood, which the rules of Validate need as well.
func Parse(name string, data []byte) (*Scenario, error) { return parseFile(name, data, nil) }

// opener reads the data file that a scenario names.
type opener func(file string) (*template.Data, error)

func parseFile(name string, data []byte, open opener) (*Scenario, error) {
	file, err := parser.ParseBytes(data, 0)
	if err != nil {
		var at yaml.Error
		if errors.As(err, &at) {
			return nil, syntaxError(name, at.GetToken(), at.GetMessage()+"; not valid YAML")
		}
		return nil, &SyntaxError{File: name, Msg: err.Error()}
	}
	d := decoder{file: name, places: map[string]*token.Token{}, anchors: map[string]ast.Node{}}
	var docs []*ast.DocumentNode
	for _, doc := range file.Docs {
		if doc.Body != nil && doc.Body.Type() != ast.CommentType {
			docs = append(docs, doc)
		}
	}
	switch {
	case len(docs) == 0:
		return nil, &SyntaxError{File: name, Line: 1, Column: 1, Msg: "the file is empty; a scenario needs name, summary, requests and load"}
	case len(docs) > 1:
		return nil, syntaxError(name, start(docs[1].Body), "a second document; put each scenario into a file of its own")
	}
	s := &Scenario{App: "bench", Duration: 2 * time.Second, Warmup: time.Second}
	d.scenario(docs[0].Body, s)
	if len(d.faults) == 0 && s.Data.File != "" && open != nil {
		if s.Data.Rows, err = open(s.Data.File); err != nil {
			d.faults = append(d.faults, syntaxError(name, d.place("data.file"), err.Error()))
		}
	}
	if len(d.faults) == 0 { // rules about values make sense once the values are there
		s.fillDefaults()
		given := func(path string) bool { return d.places[path] != nil }
		for _, p := range s.problems(given) {
			d.faults = append(d.faults, syntaxError(name, d.place(p.path), p.msg))
		}
	}
	if len(d.faults) > 0 {
		slices.SortStableFunc(d.faults, func(a, b *SyntaxError) int { return a.Line - b.Line })
		all := make([]error, len(d.faults))
		for i, fault := range d.faults {
			all[i] = fault
		}
		if len(all) == 1 {
			return nil, all[0]
		}
		return nil, errors.Join(all...)
	}
	return s, nil
}

func syntaxError(file string, at *token.Token, msg string) *SyntaxError {
	e := &SyntaxError{File: file, Msg: msg}
	if at != nil && at.Position != nil {
		e.Line, e.Column = at.Position.Line, at.Position.Column
	}
	return e
}

// start is where a value begins. The token of a mapping in block style is its
// first colon, which nobody would look for.
func start(n ast.Node) *token.Token {
	if m, ok := n.(*ast.MappingNode); ok && !m.IsFlowStyle && len(m.Values) > 0 {
		return m.Values[0].Key.GetToken()
	}
	return n.GetToken()
}

type decoder struct {
	file    string
	faults  []*SyntaxError
	places  map[string]*token.Token // of each value, by its path, as requests[0].weight
	anchors map[string]ast.Node
}

func (d *decoder) fault(n ast.Node, format string, args ...any) {
	d.faults = append(d.faults, syntaxError(d.file, start(n), fmt.Sprintf(format, args...)))
}

// place returns where the value of path stands, or what it would stand in if it is absent.
func (d *decoder) place(path string) *token.Token {
	for {
		if at, ok := d.places[path]; ok {
			return at
		}
		cut := strings.LastIndexAny(path, ".[")
		if cut < 0 {
			return d.places[""]
		}
		path = path[:cut]
	}
}

// set decodes one value, whose path is given.
type set func(path string, n ast.Node)

func (d *decoder) scenario(n ast.Node, s *Scenario) {
	d.object("", n, "a scenario", map[string]set{
		"name":     d.text(&s.Name),
		"summary":  d.text(&s.Summary),
		"shows":    d.text(&s.Shows),
		"app":      d.text(&s.App),
		"duration": d.duration(&s.Duration),
		"warmup":   d.duration(&s.Warmup),
		"requests": func(path string, n ast.Node) {
			list, ok := d.value(n).(*ast.SequenceNode)
			if !ok {
				d.fault(n, "%s: %s; write a list of requests", path, describe(n))
				return
			}
			for i, item := range list.Values {
				r := Request{Method: "GET", Weight: 1, Expect: Expect{Status: 200}}
				d.request(fmt.Sprintf("%s[%d]", path, i), item, &r)
				s.Requests = append(s.Requests, r)
			}
		},
		"data": func(path string, n ast.Node) {
			d.object(path, n, "data", map[string]set{
				"file":  d.text(&s.Data.File),
				"order": d.text(&s.Data.Order),
			}, "file")
		},
		"load": func(path string, n ast.Node) {
			s.Load = Offer{Connections: 64, Timeout: 10 * time.Second}
			d.object(path, n, "load", map[string]set{
				"model":       d.text(&s.Load.Model),
				"rate":        d.rate(&s.Load),
				"arrivals":    d.text(&s.Load.Arrivals),
				"connections": d.integer(&s.Load.Connections),
				"timeout":     d.duration(&s.Load.Timeout),
				"groups":      d.groups(&s.Load.Groups),
			}, "model")
		},
	}, "name", "summary", "requests", "load")
}

func (d *decoder) request(path string, n ast.Node, r *Request) {
	d.object(path, n, "a request", map[string]set{
		"method":  d.text(&r.Method),
		"path":    d.text(&r.Path),
		"headers": d.headers(&r.Headers),
		"body":    d.text(&r.Body),
		"weight":  d.integer(&r.Weight),
		"class":   d.text(&r.Class),
		"verbatim": func(path string, n ast.Node) {
			v, ok := d.value(n).(*ast.BoolNode)
			if !ok {
				d.fault(n, "%s: %s; write true or false", path, describe(n))
				return
			}
			r.Verbatim = v.Value
		},
		"expect": func(path string, n ast.Node) {
			d.object(path, n, "expect", map[string]set{
				"status":  d.integer(&r.Expect.Status),
				"headers": d.headers(&r.Expect.Headers),
				"body": func(path string, n ast.Node) {
					r.Expect.Body = new(string)
					d.text(r.Expect.Body)(path, n)
				},
				"bytes": func(path string, n ast.Node) {
					r.Expect.Bytes = new(int64)
					if v, ok := d.whole(path, n); ok {
						*r.Expect.Bytes = v
					}
				},
				"sha256": d.text(&r.Expect.SHA256),
			})
		},
	}, "path")
}

// object decodes a mapping with the keys of sets, the required ones among them.
func (d *decoder) object(path string, n ast.Node, what string, sets map[string]set, required ...string) {
	d.places[path] = start(n)
	m, ok := d.value(n).(ast.MapNode)
	if !ok {
		d.fault(n, "%s: %s; write key: value pairs (%s)", what, describe(n), strings.Join(slices.Sorted(maps.Keys(sets)), ", "))
		return
	}
	seen := map[string]bool{}
	for it := m.MapRange(); it.Next(); {
		key := it.Key().GetToken().Value
		do, known := sets[key]
		if !known {
			d.fault(it.Key(), "%v", suggest.Unknown("key", key, slices.Collect(maps.Keys(sets))))
			continue
		}
		seen[key] = true
		at := key
		if path != "" {
			at = path + "." + key
		}
		d.places[at] = start(it.Value())
		do(at, it.Value())
	}
	for _, key := range required {
		if !seen[key] {
			d.fault(n, "%s: %s is missing; add it", what, key)
		}
	}
}

// value looks through anchors and aliases.
func (d *decoder) value(n ast.Node) ast.Node {
	for range 100 { // an alias may name an alias, but nothing sane goes on like this
		switch v := n.(type) {
		case *ast.AnchorNode:
			d.anchors[v.Name.GetToken().Value] = v.Value
			n = v.Value
		case *ast.AliasNode:
			target, ok := d.anchors[v.Value.GetToken().Value]
			if !ok {
				return n
			}
			n = target
		default:
			return n
		}
	}
	return n
}

func (d *decoder) string(path string, n ast.Node) (string, bool) {
	switch v := d.value(n).(type) {
	case *ast.StringNode:
		return v.Value, true
	case *ast.LiteralNode:
		return v.Value.Value, true
	}
	d.fault(n, "%s: %s; write text, in quotes where YAML reads it as something else", path, describe(n))
	return "", false
}

func (d *decoder) text(into *string) set {
	return func(path string, n ast.Node) {
		if s, ok := d.string(path, n); ok {
			*into = s
		}
	}
}

func (d *decoder) whole(path string, n ast.Node) (int64, bool) {
	v, ok := integer(d.value(n))
	if !ok {
		d.fault(n, "%s: %s; write a whole number", path, describe(n))
	}
	return v, ok
}

// integer returns n's value, if it is one below 2^53, which JSON can hold as well.
func integer(n ast.Node) (int64, bool) {
	v, ok := n.(*ast.IntegerNode)
	if !ok {
		return 0, false
	}
	switch i := v.Value.(type) {
	case int64:
		return i, true
	case uint64:
		return int64(i), i <= 1<<53
	}
	return 0, false
}

func (d *decoder) integer(into *int) set {
	return func(path string, n ast.Node) {
		if v, ok := d.whole(path, n); ok {
			*into = int(v)
		}
	}
}

func (d *decoder) float(into *float64) set {
	return func(path string, n ast.Node) {
		if v, ok := d.value(n).(*ast.FloatNode); ok {
			*into = v.Value
		} else if v, ok := integer(d.value(n)); ok {
			*into = float64(v)
		} else {
			d.fault(n, "%s: %s; write a number without an exponent", path, describe(n))
		}
	}
}

// rate decodes a number, or the text of a profile.
func (d *decoder) rate(into *Offer) set {
	return func(path string, n ast.Node) {
		text, ok := d.value(n).(*ast.StringNode)
		if !ok {
			d.float(&into.Rate)(path, n)
			return
		}
		p, err := profile.Parse(text.Value)
		if err != nil {
			d.fault(n, "%v", err)
		} else if rate, constant := p.Constant(); constant {
			into.Rate = rate
		} else {
			into.Profile = p.String()
		}
	}
}

func (d *decoder) duration(into *time.Duration) set {
	return func(path string, n ast.Node) {
		v, ok := d.value(n).(*ast.StringNode)
		if ok && durationPattern.MatchString(v.Value) {
			*into, _ = time.ParseDuration(v.Value) // the pattern leaves nothing to fail
			return
		}
		d.fault(n, "%s: %s; write a duration with its unit and without a sign, as 2s or 500ms", path, describe(n))
	}
}

func (d *decoder) headers(into *map[string]string) set {
	return func(path string, n ast.Node) {
		d.places[path] = start(n)
		m, ok := d.value(n).(ast.MapNode)
		if !ok {
			d.fault(n, "%s: %s; write Name: value pairs", path, describe(n))
			return
		}
		*into = map[string]string{}
		for it := m.MapRange(); it.Next(); {
			name := it.Key().GetToken().Value
			at := path + "." + name
			d.places[at] = it.Key().GetToken()
			if s, ok := d.string(at, it.Value()); ok {
				(*into)[name] = s
			}
		}
	}
}

// describe names a value of a wrong type.
func describe(n ast.Node) string {
	switch v := n.(type) {
	case *ast.MappingNode, *ast.MappingValueNode:
		return "a mapping"
	case *ast.SequenceNode:
		return "a list"
	case *ast.NullNode:
		return "no value"
	case *ast.AliasNode:
		return "an alias that does not fit or whose anchor is unknown"
	case *ast.StringNode:
		return fmt.Sprintf("%q", v.Value)
	}
	return n.GetToken().Value
}
