package http1_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/dynobench/dyno/protocol/http1"
	"github.com/dynobench/dyno/protocol/protocoltest"
)

const interim = "HTTP/1.1 100 Continue\r\n\r\n"

func corpus(t testing.TB) []protocoltest.Case {
	var all []protocoltest.Case
	for _, kind := range []string{"valid", "invalid"} {
		cases, err := protocoltest.Load("testdata/requests/" + kind)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range cases {
			if (c.Status != 0) != (kind == "invalid") {
				t.Fatalf("%s/%s ends with status %d", kind, c.Name, c.Status)
			}
			c.Name = kind + "/" + c.Name
			all = append(all, c)
		}
	}
	return all
}

func TestCorpus(t *testing.T) {
	for _, c := range corpus(t) {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			protocoltest.Check(t, http1.Codec{}, c, interim)
		})
	}
}

func TestConformance(t *testing.T) {
	protocoltest.Run(t, http1.Codec{}, client)
}

// TestNetHTTPUnderstands is the same with net/http as the client.
func TestNetHTTPUnderstands(t *testing.T) {
	other := client
	other.Decode = func(method string, b []byte, closed bool) (protocoltest.Response, []byte, error) {
		r := bytes.NewReader(b)
		buffered := bufio.NewReader(r)
		got, err := http.ReadResponse(buffered, &http.Request{Method: method})
		if err != nil {
			return protocoltest.Response{}, nil, err
		}
		body, err := io.ReadAll(got.Body)
		rest := b[len(b)-r.Len()-buffered.Buffered():]
		return protocoltest.Response{Status: got.StatusCode, Body: string(body)}, rest, err
	}
	other.Encode = func(r protocoltest.Request) []byte {
		q, err := http.NewRequest(r.Method, "http://"+r.Host+r.Target, strings.NewReader(r.Body))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range r.Header {
			q.Header.Add(f.Name, f.Value)
		}
		var b bytes.Buffer
		if err := q.Write(&b); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	protocoltest.Run(t, http1.Codec{}, other)
}

var client = protocoltest.Client{
	Reuse: true,
	Encode: func(r protocoltest.Request) []byte {
		var header [][2]string
		for _, f := range r.Header {
			header = append(header, [2]string{f.Name, f.Value})
		}
		return http1.AppendRequest(nil, r.Method, r.Target, r.Host, header, []byte(r.Body))
	},
	Decode: func(method string, b []byte, closed bool) (protocoltest.Response, []byte, error) {
		var body bytes.Buffer
		p := http1.ResponseParser{Body: func(b []byte) { body.Write(b) }}
		p.Reset(method == "HEAD")
		n, done, err := p.Parse(b)
		if err == nil && !done {
			err = io.ErrUnexpectedEOF
			if closed {
				err = p.EOF()
			}
		}
		return protocoltest.Response{Status: p.Status(), Body: body.String()}, b[n:], err
	},
}

// TestAgreesWithNetHTTP holds the corpus against http.ReadRequest. Where a
// case names a difference there must be one.
func TestAgreesWithNetHTTP(t *testing.T) {
	for _, c := range corpus(t) {
		t.Run(c.Name, func(t *testing.T) {
			ours, err := protocoltest.Parse(http1.Codec{}, &c.Limits, c.Stream)
			if err != nil {
				t.Fatal(err)
			}
			theirs := readRequests(c.Stream)
			diff := difference(ours, theirs)
			switch {
			case diff == "" && c.Differs != "":
				t.Errorf("net/http agrees, though the case says: %s", c.Differs)
			case diff != "" && c.Differs == "":
				t.Errorf("net/http sees it otherwise: %s", diff)
			}
		})
	}
}

// read is what http.ReadRequest makes of a stream.
type read struct {
	requests []*http.Request
	bodies   []string
	err      error // nil at the clean end
}

func readRequests(stream []byte) (r read) {
	b := bufio.NewReader(bytes.NewReader(stream))
	for {
		q, err := http.ReadRequest(b)
		if err == io.EOF {
			return r
		}
		var body []byte
		if err == nil {
			body, err = io.ReadAll(q.Body)
		}
		if err != nil {
			r.err = err
			return r
		}
		r.requests = append(r.requests, q)
		r.bodies = append(r.bodies, string(body))
	}
}

// difference returns "" if both have found the same and ended in the same way.
func difference(ours protocoltest.Found, theirs read) string {
	n := min(len(ours.Requests), len(theirs.requests))
	for i := range n {
		if d := differ(ours.Requests[i], theirs.requests[i], theirs.bodies[i]); d != "" {
			return fmt.Sprintf("request %d: %s", i+1, d)
		}
	}
	if len(ours.Requests) != len(theirs.requests) {
		return fmt.Sprintf("%d requests, not %d (%v)", len(theirs.requests), len(ours.Requests), theirs.err)
	}
	partial := errors.Is(theirs.err, io.ErrUnexpectedEOF)
	if partial != ours.Partial || (theirs.err != nil && !partial) != (ours.Refused != nil) {
		return fmt.Sprintf("ends with %v, ours partial %v, refused %v", theirs.err, ours.Partial, ours.Refused)
	}
	return ""
}

// differ compares a request that both have accepted.
func differ(ours protocoltest.Request, theirs *http.Request, body string) string {
	switch {
	case ours.Method != theirs.Method:
		return fmt.Sprintf("method %q, ours %q", theirs.Method, ours.Method)
	case ours.Target != theirs.RequestURI:
		return fmt.Sprintf("target %q, ours %q", theirs.RequestURI, ours.Target)
	case strings.HasPrefix(ours.Target, "/") && (ours.Path != theirs.URL.Path || ours.Query != theirs.URL.RawQuery):
		return fmt.Sprintf("path %q?%q, ours %q?%q", theirs.URL.Path, theirs.URL.RawQuery, ours.Path, ours.Query)
	case ours.Host != theirs.Host:
		return fmt.Sprintf("host %q, ours %q", theirs.Host, ours.Host)
	case ours.Proto != theirs.Proto:
		return fmt.Sprintf("protocol %q, ours %q", theirs.Proto, ours.Proto)
	case ours.Body != body:
		return fmt.Sprintf("body %q, ours %q", body, ours.Body)
	}
	for _, f := range ours.Header {
		name := http.CanonicalHeaderKey(f.Name)
		switch name {
		case "Host", "Content-Length", "Transfer-Encoding", "Trailer", // are moved elsewhere
			"Cache-Control": // may come from Pragma
			continue
		}
		if want, got := ours.Field(f.Name), theirs.Header[name]; strings.Join(want, "\n") != strings.Join(got, "\n") {
			return fmt.Sprintf("%s: %q, ours %q", name, got, want)
		}
	}
	return ""
}
