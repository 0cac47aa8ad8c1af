package http1_test

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/dynobench/dyno/protocol/http1"
	"github.com/dynobench/dyno/protocol/protocoltest"
)

func TestResponses(t *testing.T) {
	want := []parsed{
		{Status: 200, Body: "hello", KeepAlive: true},
		{Status: 200, KeepAlive: true},
		{Status: 404, Body: "no", KeepAlive: true},
		{Status: 200, Body: "until the end"},
		{Status: 200, Body: "1", KeepAlive: true},
		{Status: 200, Body: "1"},
		{Status: 204, KeepAlive: true},
		{Status: 304, KeepAlive: true},
		{Status: 200, Body: "hi", KeepAlive: true},
		{Status: 200, Body: "hello!", KeepAlive: true},
		{Status: 200, KeepAlive: true},
		{Status: 200, Body: "ok", KeepAlive: true},
		{Status: 200, Body: "ok", KeepAlive: true},
		{Status: 200, Body: "ok", KeepAlive: true},
		{Status: 200, Body: "until the end"},
		{Status: 200, Body: "until the end"},
		{Status: 200, Body: "until the end"},
		{Status: 200, Body: "ok", KeepAlive: true},
		{Status: 200, Body: "ok", KeepAlive: true},
	}
	for i, a := range answers {
		for _, before := range []string{"", interim, interim + "HTTP/1.1 103 Early Hints\r\nContent-Length: 7\r\nConnection: close\r\n\r\n"} {
			stream := before + a
			want := want[i]
			want.Used = len(stream)
			want.Head = len(before) + strings.Index(a, "\r\n\r\n") + 4
			if strings.Contains(a, "\n\n") {
				want.Head = len(before) + strings.Index(a, "\n\n") + 2
			}
			protocoltest.Splits([]byte(stream), func(name string, pieces ...[]byte) {
				if got := parseResponse(false, pieces...); got != want {
					t.Errorf("%s of %q:\n got %+v\nwant %+v", name, stream, got, want)
				}
			})
			if !want.KeepAlive {
				continue
			}
			// The next answer is left alone.
			if got := parseResponse(false, []byte(stream+answers[0])); got != want {
				t.Errorf("%q with another one behind it:\n got %+v\nwant %+v", stream, got, want)
			}
		}
	}
}

// TestFieldsOfResponses holds each field to its value, however the server has
// written it and however it comes.
func TestFieldsOfResponses(t *testing.T) {
	const stream = "\r\n\r\nHTTP/1.1 200 OK\r\nA: one \r\n\t two\r\nB :x\r\nC:\r\n\r\n"
	want := []string{"A=one two", "B=x", "C="}
	protocoltest.Splits([]byte(stream), func(name string, pieces ...[]byte) {
		var got []string
		p := http1.ResponseParser{Field: func(name, value []byte) {
			words := strings.Fields(string(value)) // a fold is one blank or more
			got = append(got, string(name)+"="+strings.Join(words, " "))
		}}
		p.Reset(true)
		for _, b := range pieces {
			if _, _, err := p.Parse(bytes.Clone(b)); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
		if !slices.Equal(got, want) || p.HeadBytes() != len(stream)-4 {
			t.Errorf("%s: fields %q in %d bytes, want %q in %d", name, got, p.HeadBytes(), want, len(stream)-4)
		}
	})
}

// TestLongFields: what fits into the head fits into one field of it, whole or
// in pieces.
func TestLongFields(t *testing.T) {
	before, after := "HTTP/1.1 200 OK\r\nLocation: ", "\r\nContent-Length: 0\r\n\r\n"
	for _, n := range []int{17_000, 60_000, http1.MaxResponseHead - len(before) - len(after)} {
		stream := []byte(before + strings.Repeat("x", n) + after)
		for _, size := range []int{len(stream), 1000} {
			if got := parseResponse(false, slices.Collect(slices.Chunk(stream, size))...); !got.KeepAlive {
				t.Errorf("a field of %d bytes in pieces of %d: %+v", n, size, got)
			}
		}
	}
}

func TestStartedByEmptyLines(t *testing.T) {
	var p http1.ResponseParser
	p.Reset(false)
	for _, b := range []string{"\r", "\n", "\r\n"} {
		if p.Parse([]byte(b)); p.Started() || p.EOF() != io.EOF {
			t.Errorf("an answer has begun with an empty line")
		}
	}
}

func TestResponseToHead(t *testing.T) {
	for _, stream := range []string{
		"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
		"HTTP/1.1 200 OK\r\n\r\n",
	} {
		want := parsed{Status: 200, Used: len(stream), Head: len(stream), KeepAlive: true}
		if got := parseResponse(true, []byte(stream+answers[0])); got != want {
			t.Errorf("%q:\n got %+v\nwant %+v", stream, got, want)
		}
	}
}

func TestMalformedResponses(t *testing.T) {
	const ok = "HTTP/1.1 200 OK\r\n"
	const chunked = ok + "Transfer-Encoding: chunked\r\n\r\n"
	for _, stream := range []string{
		"garbage\r\n",
		"HTTP/2.0 200 OK\r\n\r\n",
		"HTTP/1.1 20 OK\r\n\r\n",
		"HTTP/1.1 2000 OK\r\n\r\n",
		"HTTP/1.1 099 OK\r\n\r\n",
		"HTTP/1.1  200 OK\r\n\r\n",
		"HTTP/1.1 101 Switching Protocols\r\n\r\n",
		ok + "no colon\r\n\r\n",
		ok + " folded: x\r\n\r\n",
		ok + "A: \x00\r\n\r\n",
		ok + "Content-Length: x\r\n\r\n",
		ok + "Content-Length: -1\r\n\r\n",
		ok + "Content-Length: 99999999999999999999\r\n\r\n",
		ok + "Content-Length: 1\r\nContent-Length: 2\r\n\r\nab",
		ok + "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		ok + "Content-Length: 1, 2\r\n\r\nab",
		ok + "Content-Length: ,1\r\n\r\na",
		ok + "Content-Length: 1\r\nTransfer-Encoding: gzip\r\n\r\na",
		ok + "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
		ok + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		ok + "A B: x\r\n\r\n",
		ok + " : x\r\n\r\n",
		"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		chunked + "x\r\n",
		chunked + "\r\n",
		chunked + "1\nx\r\n",
		chunked + "1\r\nxx\r\n",
		chunked + "fffffffffffffffff\r\n",
		chunked + "0\r\nno colon\r\n\r\n",
		ok + "A: " + strings.Repeat("x", http1.MaxResponseHead) + "\r\n\r\n",
		ok + strings.Repeat("A: "+strings.Repeat("x", 1000)+"\r\n", http1.MaxResponseHead/1000) + "\r\n",
		ok + "A: x\r\n" + strings.Repeat(" "+strings.Repeat("x", 1000)+"\r\n", http1.MaxResponseHead/1000) + "\r\n",
		strings.Repeat("\r\n", http1.MaxResponseHead),
		chunked + strings.Repeat("0", 2000),
		strings.Repeat("HTTP/1.1 100 Continue\r\n\r\n", 20_000),
	} {
		protocoltest.Splits([]byte(stream), func(name string, pieces ...[]byte) {
			var p http1.ResponseParser
			p.Reset(false)
			for _, b := range pieces {
				if _, done, err := p.Parse(b); done {
					t.Fatalf("%s of %.80q: done", name, stream)
				} else if err != nil {
					if !errors.Is(err, http1.ErrResponse) {
						t.Fatalf("%s of %.80q: %v does not wrap ErrResponse", name, stream, err)
					}
					return
				}
			}
			t.Fatalf("%s of %.80q is accepted", name, stream)
		})
	}
}

func TestResponseEOF(t *testing.T) {
	var p http1.ResponseParser
	p.Reset(false)
	if err := p.EOF(); err != io.EOF {
		t.Errorf("before an answer: %v, want io.EOF", err)
	}
	const stream = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
	for i := 1; i < len(stream); i++ {
		p.Reset(false)
		p.Parse([]byte(stream[:i]))
		if err := p.EOF(); err != io.ErrUnexpectedEOF {
			t.Errorf("after %d bytes: %v, want io.ErrUnexpectedEOF", i, err)
		}
	}
}

func TestResponseParserAllocatesNothing(t *testing.T) {
	var p http1.ResponseParser
	a, b := []byte(answers[0]), []byte(answers[9])
	allocs := testing.AllocsPerRun(100, func() {
		for _, stream := range [][]byte{a, b} {
			p.Reset(false)
			p.Parse(stream[:20])
			if _, done, err := p.Parse(stream[20:]); !done || err != nil {
				t.Fatal(done, err)
			}
		}
	})
	if allocs != 0 {
		t.Errorf("%v allocations, want 0", allocs)
	}
}

func TestAppendRequest(t *testing.T) {
	for _, c := range []struct{ got, want []byte }{
		{http1.AppendRequest([]byte("x"), "GET", "/a?b", "h:1", nil, nil),
			[]byte("xGET /a?b HTTP/1.1\r\nHost: h:1\r\n\r\n")},
		{http1.AppendRequest(nil, "GET", "/", "h", [][2]string{{"hOST", "other"}, {"A", ""}}, nil),
			[]byte("GET / HTTP/1.1\r\nhOST: other\r\nA: \r\n\r\n")},
		{http1.AppendRequest(nil, "POST", "/", "h", nil, nil),
			[]byte("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n")},
		{http1.AppendRequest(nil, "DELETE", "/", "h", nil, []byte("body")),
			[]byte("DELETE / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nbody")},
		{http1.AppendRequest(nil, "PUT", "/", "h", [][2]string{{"Transfer-Encoding", "chunked"}}, []byte("0\r\n\r\n")),
			[]byte("PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")},
	} {
		if string(c.got) != string(c.want) {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
}

func BenchmarkResponseParser(b *testing.B) {
	answer := []byte("HTTP/1.1 200 OK\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\nContent-Type: text/plain\r\nContent-Length: 13\r\n\r\nHello, World!")
	var p http1.ResponseParser
	b.SetBytes(int64(len(answer)))
	b.ReportAllocs()
	for b.Loop() {
		p.Reset(false)
		if _, done, err := p.Parse(answer); !done || err != nil {
			b.Fatal(done, err)
		}
	}
}
