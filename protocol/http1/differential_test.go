package http1_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"

	"github.com/dynobench/dyno/protocol"
	"github.com/dynobench/dyno/protocol/http1"
	"github.com/dynobench/dyno/protocol/protocoltest"
)

// TestDifferential compares what we and http.ReadRequest make of streams that
// are nearly right. What both take must be the same request; every other
// difference must be one of those reviewed, and each of these must occur.
func TestDifferential(t *testing.T) {
	n := 30_000
	if testing.Short() {
		n = 3_000
	}
	r := rand.New(rand.NewPCG(1, 2))
	met := map[string]int{}
	for range n {
		stream := mutated(r)
		ours, err := protocoltest.Parse(http1.Codec{}, new(protocol.Limits), stream)
		if err != nil {
			t.Fatal(err)
		}
		theirs := readRequests(stream)
		diff := difference(ours, theirs)
		if diff == "" {
			continue
		}
		key := kind(ours, theirs, diff)
		met[key]++
		if met[key] == 1 && differences[key] == "" {
			t.Errorf("unexplained: %s\n%s\nin %q", key, diff, stream)
		}
	}
	for key := range differences {
		if met[key] == 0 && !testing.Short() {
			t.Errorf("does not occur: %s", key)
		}
	}
	t.Logf("%d streams, by kind of difference: %v", n, met)
}

// kind says who refuses and why, or what of a request both see otherwise.
func kind(ours protocoltest.Found, theirs read, diff string) string {
	for i := range min(len(ours.Requests), len(theirs.requests)) {
		if d := differ(ours.Requests[i], theirs.requests[i], theirs.bodies[i]); d != "" {
			what, _, _ := strings.Cut(d, " ")
			return "both take it: " + what
		}
	}
	switch {
	case ours.Partial && theirs.err != nil:
		return "we wait for the rest of a line"
	case ours.Refused != nil && len(ours.Requests) <= len(theirs.requests):
		return "we refuse: " + ours.Refused.Reason
	case theirs.err != nil && !errors.Is(theirs.err, io.ErrUnexpectedEOF):
		return "net/http refuses: " + quoted.ReplaceAllString(theirs.err.Error(), "…")
	}
	return "other: " + quoted.ReplaceAllString(diff, "…")
}

var quoted = regexp.MustCompile(`"(\\.|[^"\\])*"|\d+`)

// mutated makes one to three requests and, mostly, damages them.
func mutated(r *rand.Rand) []byte {
	var b bytes.Buffer
	for range 1 + r.IntN(3) {
		method := pick(r, "GET", "GET", "POST", "POST", "HEAD", "OPTIONS", "PUT", "X-Y", "CONNECT")
		target := pick(r, "/", "/a/b?c=d", "/%41%20", "*", "http://b/c?d", "http://b", "//x", "a:80", "/é", "/a;b=c")
		fmt.Fprintf(&b, "%s %s %s\r\n", method, target, pick(r, "HTTP/1.1", "HTTP/1.1", "HTTP/1.1", "HTTP/1.0", "HTTP/1.2"))
		fields := []string{"Host: " + pick(r, "a", "a:80", "[::1]:8", "")}
		body := pick(r, "", "hello", "0\r\n\r\n", "GET / HTTP/1.1\r\nHost: s\r\n\r\n")
		switch r.IntN(6) {
		case 0, 1:
			fields = append(fields, fmt.Sprintf("Content-Length: %d", len(body)))
		case 2, 3:
			fields = append(fields, "Transfer-Encoding: "+pick(r, "chunked", "chunked", "Chunked", "gzip, chunked", "identity"))
			body = fmt.Sprintf("%x%s\r\n%s\r\n0\r\n%s\r\n", len(body), pick(r, "", ";x=y", " ;x"), body, pick(r, "", "A: b\r\n"))
			if strings.HasPrefix(body, "0") {
				body = "0\r\n\r\n"
			}
		case 4:
			fields = append(fields, pick(r, "Content-Length: 5, 5", "Content-Length: +5", "Content-Length: 5\r\nContent-Length: 5",
				"Content-Length: 5\r\nTransfer-Encoding: chunked", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"))
		}
		for range r.IntN(4) {
			fields = append(fields, pick(r, "A: b", "Connection: close", "Connection: keep-alive, upgrade", "Upgrade: websocket", "X-Empty:",
				"Expect: 100-continue", "Expect: more", "Cookie: a=b; c=d", "X:  spaced\t ", "Pragma: no-cache", "Trailer: A", "Host: c", "A_B: c"))
		}
		r.Shuffle(len(fields), func(i, j int) { fields[i], fields[j] = fields[j], fields[i] })
		b.WriteString(strings.Join(fields, "\r\n") + "\r\n\r\n" + body)
	}
	s := b.Bytes()
	for range r.IntN(3) {
		at := r.IntN(len(s))
		switch r.IntN(5) {
		case 0:
			s = append(s[:at:at], s[at+1:]...)
		case 1:
			s[at] = suspects[r.IntN(len(suspects))]
		case 2:
			s = append(s[:at:at], append([]byte{suspects[r.IntN(len(suspects))]}, s[at:]...)...)
		case 3: // a line twice
			lines := bytes.SplitAfter(s, []byte("\n"))
			i := r.IntN(len(lines))
			lines = append(lines[:i:i], append([][]byte{lines[i]}, lines[i:]...)...)
			s = bytes.Join(lines, nil)
		case 4:
			s = s[:at+1]
		}
	}
	return s
}

const suspects = "\r\n\r\n\r\n\t \x00\x0b\x7f:,;/?%#\"(+-0159aXe\x80\xff"

func pick(r *rand.Rand, of ...string) string { return of[r.IntN(len(of))] }

// differences are the kinds that have been looked at, and why each is right.
var differences = map[string]string{
	"we wait for the rest of a line": "ReadRequest has been told that there is no more, and judges what there is of the line; a Session drops the request then",

	"we refuse: a line does not end in CRLF":                      "net/http takes a bare LF for the end of a line (RFC 9112, 2.2 allows it): one that sees CRLF only sees another message",
	"we refuse: malformed request target":                         "net/http parses a URL of any kind: other schemes, a host without one, fragments, escapes that it leaves to the handler",
	"we refuse: folded header field":                              "net/http joins the lines (obs-fold), which RFC 9112, 5.2 lets a server refuse",
	"we refuse: malformed header field name":                      "net/http lets spaces within a name pass, and drops what it cannot read elsewhere",
	"we refuse: missing, repeated or malformed Host":              "ReadRequest leaves Host to the server, which refuses too",
	"we refuse: malformed or repeated Content-Length":             "net/http takes equal ones for one; RFC 9110, 8.6 lets a recipient refuse",
	"we refuse: both Content-Length and Transfer-Encoding":        "net/http drops the length, as RFC 9112, 6.3 allows if the connection closes; whoever is in front may have done the reverse",
	"we refuse: Transfer-Encoding in an HTTP/1.0 request":         "net/http ignores it; RFC 9112, 6.1 calls the framing faulty",
	"we refuse: malformed chunk":                                  "net/http reads over what is behind the size, control characters included",
	"we refuse: unknown expectation":                              "ReadRequest leaves it to the server, which answers 417 too",
	"we refuse: CONNECT is not implemented":                       "net/http has handlers that tunnel",
	"we refuse: upgrading to another protocol is not implemented": "net/http has handlers that hijack the connection",
	"we refuse: HTTP version not supported":                       "ReadRequest takes any; its server answers 505 too",
	"net/http refuses: malformed HTTP request …":                  "an empty line before a request, which RFC 9112, 2.2 has servers ignore",
	"net/http refuses: invalid byte in chunk length":              "a blank before a chunk extension, which RFC 9112, 7.1.1 has recipients read over",
}
