package plan

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/dynobench/dyno/protocol/client"
	"github.com/dynobench/dyno/protocol/http1"
	"github.com/dynobench/dyno/scenarios/workload"
)

func users(t testing.TB) *workload.Data {
	t.Helper()
	d, err := workload.ParseData("users.csv", []byte("id,name,path\n7,Anna,/a\n8,\"B \"\"b\"\"\",/b?x=1\n9,\"c\nd\",/c d\n"))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// wired are requests of every form that a head and a body can have.
func wired() []Request {
	var all []Request
	for _, body := range []string{"", "hi", "${seq}", "${pick:|x} and ${json.name}", strings.Repeat("${hex:100}", 20)} {
		headers := [][][2]string{nil, {{"A", "1"}, {"hOST", "h:${seq}"}}, {{"X-Id", "${data.id}"}}}
		if body == "" || body == "hi" {
			headers = append(headers, [][2]string{{"X-Id", "${data.id}"}, {"content-length", strconv.Itoa(len(body))}})
		}
		for _, header := range headers {
			for _, method := range []string{"GET", "POST", "PUT", "PATCH", "DELETE"} {
				for _, path := range []string{"/", "/u/${data.id}?r=${rand:1-10000}", "${data.path}"} {
					all = append(all, Request{Method: method, Path: path, Header: header, Body: []byte(body), Length: -1})
				}
			}
		}
	}
	for _, path := range []string{"/", "${data.path}"} {
		all = append(all, Request{Method: "POST", Path: path, Header: [][2]string{{"Transfer-Encoding", "chunked"}}, Body: []byte("2\r\nhi\r\n0\r\n\r\n"), Length: -1})
	}
	return all
}

// What goes onto the wire is what http1.AppendRequest makes of the texts
// rendered one by one.
func TestWire(t *testing.T) {
	c := &Config{URL: "http://h", Seed: 1, Data: users(t), Requests: wired()}
	for i := range c.Requests {
		r := &c.Requests[i]
		if err := r.complete("r"); err != nil {
			t.Fatal(err)
		}
		w, err := NewWire(c, r, Endpoint{Protocol: client.HTTP, Host: "host:80"})
		if err != nil {
			t.Fatalf("%+v: %v", r, err)
		}
		texts, err := r.Parse("r", c.Data)
		if err != nil {
			t.Fatal(err)
		}
		placeholders := strings.Contains(fmt.Sprint(r.Path, r.Header, string(r.Body)), "${")
		if placeholders != (w.Fixed() == nil) {
			t.Errorf("%+v: fixed is %q", r, w.Fixed())
		}
		draws := NewDraws(c, 0, 1)
		for range 5 {
			d := draws.Next(i)
			m := texts.Render(r, d)
			want := http1.AppendRequest([]byte("> "), m.Method, m.Path, "host:80", m.Header, m.Body)
			if got := w.Append([]byte("> "), d); !bytes.Equal(got, want) {
				t.Errorf("%s %s %q %q:\n%s\nwant\n%s", r.Method, r.Path, r.Header, r.Body, got, want)
			}
		}
	}
}

// net/http reads what is written, each body as long as its head says.
func TestWireIsHTTP(t *testing.T) {
	c := &Config{Seed: 1, Data: users(t), Requests: []Request{{Method: "POST", Path: "/${query.name}", Body: []byte("${pick:|x|xx|" + strings.Repeat("y", 200) + "}${seq}")}}}
	w, err := NewWire(c, &c.Requests[0], Endpoint{Protocol: client.HTTP, Host: "h"})
	if err != nil {
		t.Fatal(err)
	}
	var stream []byte
	draws, lengths := NewDraws(c, 0, 1), map[int]bool{}
	for range 100 {
		stream = w.Append(stream, draws.Next(0))
	}
	in := bufio.NewReader(bytes.NewReader(stream))
	for i := range 100 {
		r, err := http.ReadRequest(in)
		if err != nil {
			t.Fatalf("request %d: %v", i, err)
		}
		body, err := io.ReadAll(r.Body)
		if err != nil || !strings.HasSuffix(string(body), fmt.Sprint(i+1)) || r.URL.Path[1:] != c.Data.Value(i%3, 1) {
			t.Errorf("request %d: %s %q, %v", i, r.URL, body, err)
		}
		lengths[len(body)] = true
	}
	if _, err := in.ReadByte(); err != io.EOF || len(lengths) < 4 {
		t.Errorf("%v; bodies of %d lengths", err, len(lengths))
	}
}

func TestWireAllocatesNothing(t *testing.T) {
	c := &Config{Seed: 1, Data: users(t), DataOrder: workload.Random, Requests: []Request{
		{Method: "GET", Path: "/"},
		{Method: "PUT", Path: "/u/${data.id}?r=${rand:1-10000}", Header: [][2]string{{"X-Id", "${uuid}"}}, Body: []byte(`{"n": ${seq}, "name": "${json.name}"}`)},
	}}
	draws, buf := NewDraws(c, 0, 1), make([]byte, 0, 4096)
	for i := range c.Requests {
		w, err := NewWire(c, &c.Requests[i], Endpoint{Protocol: client.HTTP, Host: "h"})
		if err != nil {
			t.Fatal(err)
		}
		if n := testing.AllocsPerRun(1000, func() { buf = w.Append(buf[:0], draws.Next(i)) }); n != 0 {
			t.Errorf("%v allocations per request of class %d", n, i)
		}
	}
}

func BenchmarkWire(b *testing.B) {
	c := &Config{Seed: 1, Data: users(b), Requests: []Request{
		{Method: "PUT", Path: "/u/${data.id}?r=${rand:1-10000}", Body: []byte(`{"n": ${seq}, "name": "${json.name}"}`)},
	}}
	w, err := NewWire(c, &c.Requests[0], Endpoint{Protocol: client.HTTP, Host: "127.0.0.1:8000"})
	if err != nil {
		b.Fatal(err)
	}
	draws, buf := NewDraws(c, 0, 1), []byte(nil)
	for b.Loop() {
		buf = w.Append(buf[:0], draws.Next(0))
	}
}

func TestTemplateErrors(t *testing.T) {
	for _, test := range []struct {
		request Request
		order   workload.Order
		noData  bool
		field   string
		want    string
	}{
		{request: Request{Path: "/${sqe}"}, field: "Requests[0].Path", want: `path of /${sqe}: ${sqe}: unknown placeholder "sqe": did you mean "seq"?`},
		{request: Request{Path: "/", Body: []byte("${data.x}")}, field: "Requests[0].Body", want: `users.csv: unknown field "x"; known: id, name, path`},
		{request: Request{Path: "/", Header: [][2]string{{"A", "${data.name}"}}}, field: "Requests[0].Header", want: "users.csv:4: the field name has a line break or a zero byte, and stands in a header (header field A of /)"},
		{request: Request{Path: "${data.name}"}, field: "Requests[0].Path", want: "users.csv:2: the field name does not start with /"},
		{request: Request{Path: "x"}, field: "Requests[0].Path", want: "expected one that starts with /"},
		{request: Request{Path: "x", Verbatim: true}, field: "Requests[0].Path", want: "expected one that starts with /"},
		{request: Request{Path: "/${data.id}"}, noData: true, field: "Requests[0].Path", want: `no data file to take the field "id" from`},
		{request: Request{Path: "/${seq}"}, field: "Data", want: "no request takes a field from users.csv; write ${data.FIELD} where one goes (it has id, name, path)"},
		{request: Request{Path: "/${data.id}", Verbatim: true}, field: "Data", want: "no request takes a field from users.csv"},
		{request: Request{Path: "/${data.id}"}, order: "backwards", field: "DataOrder", want: `unknown order "backwards" (known: sequence, random)`},
	} {
		c := Config{URL: "http://h", Data: users(t), DataOrder: test.order, Requests: []Request{test.request}}
		if test.noData {
			c.Data = nil
		}
		_, err := c.WithDefaults()
		var fault *ConfigError
		if !errors.As(err, &fault) || fault.Field != test.field || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%+v: %#v\nwant %s: %s", test.request, err, test.field, test.want)
		}
	}
	c, err := (Config{URL: "http://h", Data: users(t), Requests: []Request{{Path: "/${data.id}"}, {Path: "/${x", Verbatim: true}}}).WithDefaults()
	if err != nil || c.DataOrder != workload.Sequence {
		t.Errorf("order %q, %v", c.DataOrder, err)
	}
}

// Braces of a placeholder in a URL are not percent-encoded as others are.
func TestTemplateInURL(t *testing.T) {
	for url, want := range map[string]string{
		"http://h/u/${seq}":               "/u/${seq}",
		"http://h:80/u/${seq}?a=b#frag":   "/u/${seq}?a=b",
		"http://h?q=${rand:1-9}":          "/?q=${rand:1-9}",
		"http://h${data.path}":            "${data.path}",
		"http://h:80${data.path}?x=/":     "${data.path}?x=/",
		"http://h/${data.a.b}/$${x}":      "/${data.a.b}/$${x}",
		"http://h/{a}":                    "/%7Ba%7D",
		"unix:/run/s:/u/${seq}":           "/u/${seq}",
		"http://${data.host}/":            "",
		"http://[::1]:80/${pick:a|b}/%41": "/${pick:a|b}/%41",
		"x":                               "",
	} {
		got, err := PathOf(url)
		if got != want || (err != nil) != (want == "") {
			t.Errorf("%s: %q, %v; expected %q", url, got, err, want)
		}
	}
}
