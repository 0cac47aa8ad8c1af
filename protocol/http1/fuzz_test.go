package http1_test

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dynobench/dyno/protocol"
	"github.com/dynobench/dyno/protocol/http1"
	"github.com/dynobench/dyno/protocol/protocoltest"
)

// FuzzParser looks for streams whose outcome depends on the pieces in which
// they come, and for requests that both we and net/http accept but see
// otherwise.
func FuzzParser(f *testing.F) {
	for _, c := range corpus(f) {
		if len(c.Stream) < 4000 {
			f.Add(c.Stream, uint64(1))
		}
	}
	f.Add(typical, uint64(2))
	// Small, so that they are met.
	limits := protocol.Limits{Line: 500, HeaderCount: 20, HeaderBytes: 2000, Body: 3000}
	f.Fuzz(func(t *testing.T, stream []byte, seed uint64) {
		whole, err := protocoltest.Parse(http1.Codec{}, &limits, stream)
		if err != nil {
			t.Fatal(err)
		}
		split, err := protocoltest.Parse(http1.Codec{}, &limits, protocoltest.Pieces(stream, seed)...)
		if err != nil {
			t.Fatal(err)
		}
		whole.Replies, split.Replies = 0, 0
		if diff := cmp.Diff(whole, split); diff != "" {
			t.Fatalf("the outcome depends on the pieces (-whole +split):\n%s", diff)
		}
		theirs := readRequests(stream)
		for i := range min(len(whole.Requests), len(theirs.requests)) {
			if d := differ(whole.Requests[i], theirs.requests[i], theirs.bodies[i]); d != "" {
				t.Fatalf("request %d: net/http has %s", i+1, d)
			}
		}
	})
}

// FuzzSession looks for panics and for output that depends on the pieces.
func FuzzSession(f *testing.F) {
	for _, c := range corpus(f) {
		if len(c.Stream) < 4000 {
			f.Add(c.Stream, uint64(1))
		}
	}
	limits := protocol.Limits{Line: 500, HeaderCount: 20, HeaderBytes: 2000, Body: 3000}
	svc := protocoltest.Service(http1.Codec{}, limits, echo)
	f.Fuzz(func(t *testing.T, stream []byte, seed uint64) {
		whole := undated(protocoltest.Serve(svc, stream))
		split := undated(protocoltest.Serve(svc, protocoltest.Pieces(stream, seed)...))
		if diff := cmp.Diff(whole, split); diff != "" {
			t.Fatalf("the output depends on the pieces (-whole +split):\n%s", diff)
		}
	})
}

// undated removes what may differ.
func undated(v protocoltest.Served) protocoltest.Served {
	lines := bytes.SplitAfter(bytes.ReplaceAll(v.Output, []byte(interim), nil), []byte("\n"))
	v.Output = nil
	v.Linger = false // tells whether something more has been offered
	for _, line := range lines {
		if !bytes.HasPrefix(line, []byte("Date: ")) {
			v.Output = append(v.Output, line...)
		}
	}
	return v
}

// answers as seeds for FuzzResponseParser and cases for its tests.
var answers = []string{
	"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
	"HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n",
	"HTTP/1.1 404\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nno",
	"HTTP/1.0 200 OK\r\n\r\nuntil the end",
	"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\n1",
	"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\n1",
	"HTTP/1.1 204 No Content\r\n\r\n",
	"HTTP/1.1 304 Not Modified\r\nContent-Length: 100\r\n\r\n",
	"HTTP/1.1 200 OK\nServer: lax\nContent-Length: 2\n\nhi",
	"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n1;x=y\r\n!\r\n0\r\n\r\n",
	"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX-Sum: 1\r\n\r\n",
	// What RFC 9112 asks a client to bear.
	"HTTP/1.1 200 OK\r\nX-A: one\r\n two\r\n\tthree\r\nContent-Length:\r\n 2\r\n\r\nok",
	"HTTP/1.1 200 OK\r\nContent-Length : 2, 2\r\nX-A:\r\n \r\n\r\nok",
	"HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\nContent-Length: 2\r\n\r\nok",
	"HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\nuntil the end",
	"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nuntil the end",
	"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, gzip\r\n\r\nuntil the end",
	"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, Chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
	"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\nTransfer-Encoding: chunked , \r\n\r\n2\r\nok\r\n0\r\nX-Sum: 1\r\n 2\r\n\r\n",
}

func FuzzResponseParser(f *testing.F) {
	for _, a := range answers {
		f.Add([]byte(a), uint64(1), false)
		f.Add([]byte(interim+a), uint64(2), true)
	}
	f.Fuzz(func(t *testing.T, stream []byte, seed uint64, head bool) {
		whole := parseResponse(head, stream)
		split := parseResponse(head, protocoltest.Pieces(stream, seed)...)
		if diff := cmp.Diff(whole, split); diff != "" {
			t.Fatalf("the outcome depends on the pieces (-whole +split):\n%s", diff)
		}
		if whole.Err != "" {
			return
		}
		theirs, body, err := readResponse(stream, head)
		if err != nil {
			return
		}
		for name := range theirs.Header {
			if strings.ContainsAny(name, " \t") {
				return // with a blank before its colon, which is another field to net/http
			}
		}
		if theirs.StatusCode != whole.Status || body != whole.Body {
			t.Fatalf("net/http has %d %q, ours %d %q", theirs.StatusCode, body, whole.Status, whole.Body)
		}
		if theirs.Close == whole.KeepAlive && whole.Status >= 200 {
			t.Fatalf("net/http closes: %v, ours keeps alive: %v", theirs.Close, whole.KeepAlive)
		}
	})
}

// parsed is what a ResponseParser has made of a stream.
type parsed struct {
	Status    int
	Body      string
	Used      int
	Head      int
	KeepAlive bool
	Err       string
}

func parseResponse(head bool, pieces ...[]byte) (r parsed) {
	var body strings.Builder
	p := http1.ResponseParser{Body: func(b []byte) { body.Write(b) }}
	p.Reset(head)
	var err error
	done := false
	for _, b := range pieces {
		var n int
		n, done, err = p.Parse(bytes.Clone(b))
		r.Used += n
		if done || err != nil {
			break
		}
	}
	if err == nil && !done {
		err = p.EOF()
	}
	if err != nil {
		return parsed{Err: err.Error()}
	}
	r.Status, r.Body, r.Head, r.KeepAlive = p.Status(), body.String(), p.HeadBytes(), p.KeepAlive()
	if int64(len(r.Body)) != p.BodyBytes() {
		r.Err = "BodyBytes is wrong"
	}
	return r
}

// readResponse is http.ReadResponse that reads over interim answers.
func readResponse(stream []byte, head bool) (*http.Response, string, error) {
	req := &http.Request{Method: "GET"}
	if head {
		req.Method = "HEAD"
	}
	b := bufio.NewReader(bytes.NewReader(stream))
	for {
		r, err := http.ReadResponse(b, req)
		if err != nil {
			return nil, "", err
		}
		if r.StatusCode < 100 {
			return nil, "", errors.New("status")
		}
		if r.StatusCode < 200 {
			continue
		}
		body, err := io.ReadAll(r.Body)
		return r, string(body), err
	}
}
