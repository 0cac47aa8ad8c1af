package cli

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/dynobench/dyno/bench/load/plan"
	"github.com/dynobench/dyno/internal/file"
	"github.com/dynobench/dyno/internal/suggest"
	"github.com/dynobench/dyno/scenarios"
	"github.com/dynobench/dyno/scenarios/workload"
)

// placeholdersHelp is a part of load's help.
const placeholdersHelp = `The path, header values and the body may hold placeholders, made anew for each
request: ${seq} or ${seq:1000} its number, from 1 or from 1000; ${rand:1-9} a
random number; ${hex:16} random digits; ${uuid}; ${pick:a|b|c} one of these; and
of the request's row of the --data file ${data.FIELD}, ${json.FIELD} escaped for
the inside of a JSON string, ${query.FIELD} escaped for a value of a query. A
literal ${ is written $${; --verbatim sends everything as it is given.

Random values and the choice among requests follow from --seed. Numbers, and
with them rows in sequence, count from the start of the warm-up; with several
threads no number comes twice, but some of the last may be missing.`

// requests makes the requests of the command line; without any flag for them
// they are what load.Config itself makes of the URL.
func (f loadFlags) requests(config *plan.Config, given func(string) bool, stdin io.Reader) error {
	if f.data != "" {
		data, err := workload.LoadData(f.data)
		if err != nil {
			return err
		}
		config.Data, config.DataOrder = data, workload.Order(f.dataOrder)
	} else if given("data-order") {
		return errors.New("--data-order needs --data")
	}
	if orders := workload.Orders(); !slices.Contains(orders, f.dataOrder) {
		return suggest.Unknown("--data-order", f.dataOrder, orders)
	}
	path, err := plan.PathOf(config.URL)
	if err != nil {
		return err
	}
	header, err := f.headers()
	if err != nil {
		return err
	}
	in := bodies{stdin: stdin}
	if len(f.request) == 0 {
		body, err := in.read("--body", f.body)
		if err != nil {
			return err
		}
		config.Requests = []plan.Request{{Method: f.method, Path: path, Header: header, Body: body, Length: -1, Verbatim: f.verbatim}}
		return nil
	}
	for _, name := range []string{"method", "body"} {
		if given(name) {
			return fmt.Errorf("--%s cannot be combined with --request: each --request has its own", name)
		}
	}
	if path != "/" {
		return fmt.Errorf("%s: the URL has a path, and so does each --request: leave the URL's out", config.URL)
	}
	for _, text := range f.request {
		r, err := in.request(text)
		if err != nil {
			return fmt.Errorf("--request %q: %w", text, err)
		}
		r.Header, r.Verbatim = header, f.verbatim
		config.Requests = append(config.Requests, r)
	}
	return nil
}

func (f loadFlags) headers() (all [][2]string, err error) {
	for _, h := range f.header {
		name, value, ok := strings.Cut(h, ":")
		if !ok {
			return nil, fmt.Errorf("--header %q: expected 'Name: value'", h)
		}
		all = append(all, [2]string{strings.TrimSpace(name), strings.TrimSpace(value)})
	}
	return all, nil
}

// request reads a value of --request:
//
//	[METHOD] PATH [weight=N] [class=NAME] [status=CODE] [body=TEXT]
//
// The body comes last and goes on to the end, so that it needs no quotes.
func (b *bodies) request(text string) (plan.Request, error) {
	r := plan.Request{Weight: 1, Length: -1}
	word, rest := cutWord(text)
	if !strings.HasPrefix(word, "/") && !strings.HasPrefix(word, "${") {
		r.Method = word
		word, rest = cutWord(rest)
	}
	if r.Path = word; word == "" {
		return r, errors.New("expected 'METHOD PATH', as 'GET /hello weight=3'")
	}
	for rest != "" {
		word, after := cutWord(rest)
		key, value, ok := strings.Cut(word, "=")
		var err error
		switch {
		case !ok:
			return r, fmt.Errorf("%q is no key=value (known: weight, class, status, body; the body comes last)", word)
		case key == "weight":
			if r.Weight, err = whole(value); err != nil || r.Weight < 1 {
				return r, fmt.Errorf("weight=%s: expected a whole number, at least 1", value)
			}
		case key == "class":
			r.Class = value
		case key == "status":
			if r.Status, err = whole(value); err != nil {
				return r, fmt.Errorf("status=%s: expected a number, 200 to 599", value)
			}
		case key == "body":
			_, all, _ := strings.Cut(rest, "=")
			r.Body, err = b.read("body", all)
			return r, err
		default:
			return r, suggest.Unknown("key", key, []string{"weight", "class", "status", "body"})
		}
		rest = after
	}
	return r, nil
}

// cutWord cuts the first word off, and the blanks around it.
func cutWord(text string) (word, rest string) {
	word, rest, _ = strings.Cut(strings.TrimLeft(text, " "), " ")
	return word, strings.TrimLeft(rest, " ")
}

// mostInput bounds what is read into memory: bodies and traces.
const mostInput = 1 << 30

// bodies reads what stands for a body: the text itself, or @FILE, or @- for
// standard input, which can be read once.
type bodies struct {
	stdin io.Reader
	taken bool
}

func (b *bodies) read(what, text string) ([]byte, error) {
	name, ok := strings.CutPrefix(text, "@")
	switch {
	case !ok:
		return []byte(text), nil
	case name == "":
		return nil, fmt.Errorf("%s @: the file name is missing; a body that begins with @ must come from a file", what)
	case name != "-":
		body, err := file.Read(name, mostInput)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", what, err)
		}
		return body, nil
	case b.taken:
		return nil, fmt.Errorf("%s @-: another request already reads standard input", what)
	}
	b.taken = true
	return file.ReadFrom("standard input", b.stdin, mostInput)
}

// applyRequests fills config with the requests of s and their data.
func applyRequests(config *plan.Config, s *scenarios.Scenario) {
	config.Data, config.DataOrder = s.Data.Rows, workload.Order(s.Data.Order)
	for _, r := range s.Requests {
		lr := plan.Request{
			Class: r.Class, Weight: r.Weight, Method: r.Method, Path: r.Path, Body: []byte(r.Body),
			Status: r.Expect.Status, Length: -1, SHA256: r.Expect.SHA256, Verbatim: r.Verbatim,
		}
		for _, name := range slices.Sorted(maps.Keys(r.Headers)) { // what is drawn for each hangs on the order
			lr.Header = append(lr.Header, [2]string{name, r.Headers[name]})
		}
		if r.Expect.Body != nil {
			lr.Want = []byte(*r.Expect.Body)
			lr.Length = int64(len(lr.Want))
		} else if r.Expect.Bytes != nil {
			lr.Length = *r.Expect.Bytes
		}
		config.Requests = append(config.Requests, lr)
	}
}
