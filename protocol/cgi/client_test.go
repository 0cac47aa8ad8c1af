package cgi_test

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dynobench/dyno/protocol/cgi"
	"github.com/dynobench/dyno/protocol/protocoltest"
)

// answers as CGI programs and uWSGI give them: tests, and seeds of the fuzzer.
var answers = []struct {
	stream string
	want   parsed
}{
	{"Status: 200 OK\r\nContent-Length: 5\r\n\r\nhello", parsed{Status: 200, Body: "hello"}},
	{"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno", parsed{Status: 404, Body: "no"}},
	{"HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nuntil the end", parsed{Status: 200, Body: "until the end"}},
	{"Content-type: text/html\r\n\r\nuntil the end", parsed{Status: 200, Body: "until the end"}},
	{"Content-type: text/plain\n\nof a script", parsed{Status: 200, Body: "of a script"}},
	{"Location: http://elsewhere.example/\r\n\r\n", parsed{Status: 302}},
	{"X: y\r\nstatus: 503\r\n\r\n", parsed{Status: 503}},
	{"Location: /a\r\nStatus: 201 Created\r\n\r\n", parsed{Status: 201}},
	{"Status: 204 No Content\r\n\r\n", parsed{Status: 204}},
	{"Status: 304\r\nContent-Length: 9\r\n\r\n", parsed{Status: 304}},
	{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n", parsed{Status: 200, Body: "hi"}},
	{"HTTP/1.1 200 OK\r\nStatus: 500\r\nContent-Length: 1\r\n\r\n1", parsed{Status: 200, Body: "1"}}, // an app's own field
	{"\r\n", parsed{Err: true}},
	{"Status: 99\r\n\r\n", parsed{Err: true}},
	{"Status: 100 Continue\r\n\r\n", parsed{Err: true}},
	{"Status: 2000\r\n\r\n", parsed{Err: true}},
	{"Status: 200\r\nStatus: 200\r\n\r\n", parsed{Err: true}},
	{"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", parsed{Err: true}}, // CGI has none
	{"no field\r\n\r\n", parsed{Err: true}},
	{"HTTP/2 200\r\n\r\n", parsed{Err: true}},
	{"Status: 200\r\nContent-Length: 9\r\n\r\nshort", parsed{Err: true}},
	{"Status: 200", parsed{Err: true}},
}

// parsed is what a ResponseParser has made of a stream that ends.
type parsed struct {
	Status int
	Body   string
	Err    bool
}

func parse(head bool, pieces ...[]byte) parsed {
	var body strings.Builder
	var p cgi.ResponseParser
	p.Body = func(b []byte) { body.Write(b) }
	p.Reset(head)
	var err error
	done := false
	for _, b := range pieces {
		if _, done, err = p.Parse(bytes.Clone(b)); done || err != nil {
			break
		}
	}
	if err == nil && !done {
		err = p.EOF()
	}
	if err != nil {
		return parsed{Err: true}
	}
	return parsed{Status: p.Status(), Body: body.String()}
}

func TestResponses(t *testing.T) {
	for _, a := range answers {
		protocoltest.Splits([]byte(a.stream), func(name string, pieces ...[]byte) {
			if got := parse(false, pieces...); got != a.want {
				t.Errorf("%s of %q: %+v, want %+v", name, a.stream, got, a.want)
			}
		})
	}
	if got := parse(true, []byte("Status: 200\r\nContent-Length: 9\r\n\r\n")); got != (parsed{Status: 200}) {
		t.Errorf("to HEAD: %+v", got)
	}
	var p cgi.ResponseParser
	p.Reset(false)
	if err := p.EOF(); err != io.EOF {
		t.Errorf("before an answer: %v, want io.EOF", err)
	}
}

func FuzzResponseParser(f *testing.F) {
	for _, a := range answers {
		f.Add([]byte(a.stream), uint64(1), false)
	}
	f.Fuzz(func(t *testing.T, stream []byte, seed uint64, head bool) {
		if diff := cmp.Diff(parse(head, stream), parse(head, protocoltest.Pieces(stream, seed)...)); diff != "" {
			t.Fatalf("the outcome depends on the pieces (-whole +split):\n%s", diff)
		}
	})
}
