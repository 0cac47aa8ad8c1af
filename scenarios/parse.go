package scenarios

import (
	"time"

	"github.com/dynobench/dyno/internal/yamlfile"
	"github.com/dynobench/dyno/scenarios/workload"
)

// SyntaxError is a fault in a scenario file: what is wrong, where, and what to do.
type SyntaxError = yamlfile.Error

// Parse decodes a scenario strictly and fills in the defaults. The error, name
// being the file in its messages, is a *SyntaxError or several of them joined:
// all the faults that can be seen at once. It reads no other file: which fields
// the data has is for Load to check.
func Parse(name string, data []byte) (*Scenario, error) { return parseFile(name, data, nil) }

// opener reads the data file that a scenario names.
type opener func(file string) (*workload.Data, error)

func parseFile(name string, data []byte, open opener) (*Scenario, error) {
	root, err := yamlfile.Parse(name, data)
	if err != nil {
		return nil, err
	}
	if root.Kind == yamlfile.Null {
		return nil, &SyntaxError{File: name, Line: 1, Column: 1, Msg: "the file is empty; a scenario needs name, summary, requests and load"}
	}
	d := decoder{yamlfile.NewDecoder(name)}
	s := &Scenario{App: "bench", Duration: 2 * time.Second, Warmup: time.Second, Definition: string(data)}
	d.scenario(root, s)
	if !d.Faulty() && s.Data.File != "" && open != nil {
		if s.Data.Rows, err = open(s.Data.File); err != nil {
			d.FaultAt("data.file", "%v", err)
		}
	}
	if !d.Faulty() { // rules about values make sense once the values are there
		s.fillDefaults()
		for _, p := range s.problems(d.Given) {
			d.FaultAt(p.path, "%s", p.msg)
		}
	}
	if err := d.Err(); err != nil {
		return nil, err
	}
	return s, nil
}

type decoder struct{ *yamlfile.Decoder }

func (d decoder) scenario(n *yamlfile.Node, s *Scenario) {
	d.Object("", n, "a scenario", map[string]yamlfile.Set{
		"name":     d.Text(&s.Name),
		"summary":  d.Text(&s.Summary),
		"shows":    d.Text(&s.Shows),
		"app":      d.Text(&s.App),
		"duration": d.Duration(&s.Duration),
		"warmup":   d.Duration(&s.Warmup),
		"requests": d.Each("requests", func(path string, n *yamlfile.Node) {
			r := Request{Method: "GET", Weight: 1, Expect: Expect{Status: 200}}
			d.request(path, n, &r)
			s.Requests = append(s.Requests, r)
		}),
		"data": func(path string, n *yamlfile.Node) {
			d.Object(path, n, "data", map[string]yamlfile.Set{
				"file":  d.Text(&s.Data.File),
				"order": d.Text(&s.Data.Order),
			}, "file")
		},
		"load": func(path string, n *yamlfile.Node) {
			s.Load = Offer{Connections: 64, Timeout: 10 * time.Second}
			d.Object(path, n, "load", map[string]yamlfile.Set{
				"model":       d.Text(&s.Load.Model),
				"rate":        d.rate(&s.Load),
				"arrivals":    d.Text(&s.Load.Arrivals),
				"connections": d.Integer(&s.Load.Connections),
				"timeout":     d.Duration(&s.Load.Timeout),
				"groups":      d.groups(&s.Load.Groups),
			}, "model")
		},
	}, "name", "summary", "requests", "load")
}

func (d decoder) request(path string, n *yamlfile.Node, r *Request) {
	d.Object(path, n, "a request", map[string]yamlfile.Set{
		"method":   d.Text(&r.Method),
		"path":     d.Text(&r.Path),
		"headers":  d.Named(&r.Headers, d.Any),
		"body":     d.Any(&r.Body),
		"weight":   d.Integer(&r.Weight),
		"class":    d.Text(&r.Class),
		"verbatim": d.Bool(&r.Verbatim),
		"expect": func(path string, n *yamlfile.Node) {
			d.Object(path, n, "expect", map[string]yamlfile.Set{
				"status":  d.Integer(&r.Expect.Status),
				"headers": d.Named(&r.Expect.Headers, d.Any),
				"body": func(path string, n *yamlfile.Node) {
					r.Expect.Body = new(string)
					d.Any(r.Expect.Body)(path, n)
				},
				"bytes": func(path string, n *yamlfile.Node) {
					r.Expect.Bytes = new(int64)
					d.Whole(r.Expect.Bytes)(path, n)
				},
				"sha256": d.Text(&r.Expect.SHA256),
			})
		},
	}, "path")
}

// rate decodes a number, or the text of a profile.
func (d decoder) rate(into *Offer) yamlfile.Set {
	return func(path string, n *yamlfile.Node) {
		if n.Kind != yamlfile.Text {
			d.Decimal(&into.Rate)(path, n)
			return
		}
		p, err := workload.ParseSchedule(n.Text)
		if err != nil {
			d.Fault(n, "%v", err)
		} else if rate, constant := p.Constant(); constant {
			into.Rate = rate
		} else {
			into.Schedule = p.String()
		}
	}
}
