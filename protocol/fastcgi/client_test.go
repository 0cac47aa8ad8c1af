package fastcgi_test

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dynobench/dyno/protocol/fastcgi"
	"github.com/dynobench/dyno/protocol/protocoltest"
)

// stream joins records.
func stream(records ...[]byte) string { return string(bytes.Join(records, nil)) }

// responses are tests, and seeds of the fuzzer.
var responses = []struct {
	name, stream string
	want         parsed
}{
	{"an answer", stream(rec(6, 1, "Status: 200 OK\r\nContent-Length: 2\r\n\r\nhi"), rec(6, 1, ""), rec(3, 1, complete)),
		parsed{Status: 200, Body: "hi"}},
	{"php-fpm's", stream(rec(6, 1, "Content-type: text/html\r\n\r\nhi"), rec(3, 1, complete)), parsed{Status: 200, Body: "hi"}},
	{"in pieces", stream(rec(6, 1, "Stat"), rec(6, 1, "us: 404\r\n\r"), rec(6, 1, "\nno"), rec(6, 1, "ne"), rec(6, 1, ""), rec(3, 1, complete)),
		parsed{Status: 404, Body: "none"}},
	{"with errors", stream(rec(7, 1, "Notice: x"), rec(6, 1, "A: b\r\n\r\n"), rec(7, 1, "; y"), rec(3, 1, complete)),
		parsed{Status: 200, Errors: "Notice: x; y"}},
	{"an exit status", stream(rec(6, 1, "A: b\r\n\r\n"), rec(3, 1, "\x00\x00\x01\x02\x00\x00\x00\x00")), parsed{Status: 200, App: 258}},
	{"management between", stream(rec(10, 0, "\x0f\x01FCGI_MPXS_CONNS0"), rec(6, 1, "A: b\r\n\r\n"), rec(3, 1, complete)), parsed{Status: 200}},
	{"too long", stream(rec(6, 1, "Content-Length: 2\r\n\r\nhi!"), rec(3, 1, complete)), parsed{Err: "goes on behind"}},
	{"too long, in another record", stream(rec(6, 1, "Content-Length: 2\r\n\r\nhi"), rec(6, 1, "!")), parsed{Err: "goes on behind"}},
	{"too short", stream(rec(6, 1, "Content-Length: 2\r\n\r\nh"), rec(3, 1, complete)), parsed{Err: "before the end"}},
	{"no answer", stream(rec(6, 1, ""), rec(3, 1, complete)), parsed{Err: "before the end"}},
	{"no head", stream(rec(6, 1, "???\r\n\r\n")), parsed{Err: "header field"}},
	{"cut", stream(rec(6, 1, "A: b\r\n\r\n")), parsed{Err: "unexpected EOF"}},
	{"cut in a record", stream(rec(6, 1, "A: b\r\n\r\n"), rec(3, 1, complete)[:12]), parsed{Err: "unexpected EOF"}},
	{"overloaded", stream(rec(3, 1, "\x00\x00\x00\x00\x02\x00\x00\x00")), parsed{Err: "FCGI_OVERLOADED"}},
	{"one at a time", stream(rec(3, 1, cantMpx)), parsed{Err: "FCGI_CANT_MPX_CONN"}},
	{"another role", stream(rec(3, 1, wrongRole)), parsed{Err: "FCGI_UNKNOWN_ROLE"}},
	{"a status of no meaning", stream(rec(3, 1, "\x00\x00\x00\x00\x09\x00\x00\x00")), parsed{Err: "protocolStatus 9"}},
	{"another request's", stream(rec(6, 2, "A: b\r\n\r\n")), parsed{Err: "request 2"}},
	{"a client's record", stream(rec(5, 1, "x")), parsed{Err: "type 5"}},
	{"an end too short", stream(rec(3, 1, "\x00")), parsed{Err: "of 1 bytes"}},
	{"HTTP", "HTTP/1.1 400 Bad Request\r\n\r\n", parsed{Err: "version 72"}},
	{"nothing", "", parsed{Err: "EOF"}},
}

// parsed is what a ResponseParser has made of a stream that ends.
type parsed struct {
	Status       int
	Body, Errors string
	App          uint32
	Err          string
}

func parse(head bool, pieces ...[]byte) (r parsed, used int) {
	var body, errors strings.Builder
	var p fastcgi.ResponseParser
	p.Body = func(b []byte) { body.Write(b) }
	p.Errors = func(b []byte) { errors.Write(b) }
	p.Reset(head)
	var err error
	done := false
	for _, b := range pieces {
		var n int
		n, done, err = p.Parse(bytes.Clone(b))
		used += n
		if done || err != nil {
			break
		}
	}
	if err == nil && !done {
		err = p.EOF()
	}
	if err != nil {
		return parsed{Err: err.Error()}, used
	}
	if !p.KeepAlive() || int64(body.Len()) != p.BodyBytes() {
		return parsed{Err: "the end is not seen"}, used
	}
	return parsed{Status: p.Status(), Body: body.String(), Errors: errors.String(), App: p.AppStatus()}, used
}

func TestResponses(t *testing.T) {
	for _, a := range responses {
		protocoltest.Splits([]byte(a.stream), func(name string, pieces ...[]byte) {
			got, used := parse(false, pieces...)
			if want := a.want.Err; want != "" && strings.Contains(got.Err, want) {
				return
			}
			if got != a.want || used != len(a.stream) {
				t.Errorf("%s, %s: %+v of %d bytes, want %+v", a.name, name, got, used, a.want)
			}
		})
	}
	// The next answer is left alone.
	first := responses[0]
	if got, used := parse(false, []byte(first.stream+first.stream)); got != first.want || used != len(first.stream) {
		t.Errorf("%+v of %d bytes, want %+v of %d", got, used, first.want, len(first.stream))
	}
	var p fastcgi.ResponseParser
	p.Reset(false)
	if err := p.EOF(); err != io.EOF || p.Started() {
		t.Errorf("before an answer: %v, want io.EOF", err)
	}
}

func FuzzResponseParser(f *testing.F) {
	for _, a := range responses {
		f.Add([]byte(a.stream), uint64(1), false)
	}
	f.Fuzz(func(t *testing.T, stream []byte, seed uint64, head bool) {
		whole, n := parse(head, stream)
		split, m := parse(head, protocoltest.Pieces(stream, seed)...)
		if diff := cmp.Diff(whole, split); diff != "" {
			t.Fatalf("the outcome depends on the pieces (-whole +split):\n%s", diff)
		}
		if whole.Err == "" && n != m {
			t.Fatalf("%d bytes used whole, %d split", n, m)
		}
	})
}
