package conformance

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// gatewayHTTPRules are what an app sees of HTTP.
var gatewayHTTPRules = []Rule{
	{ID: "http.underscore", Text: "a field whose name has an underscore is not taken for the one with a dash", Ref: "RFC 3875, 9.2", Needs: App | HTTP, check: func(p *probe) error {
		return p.key("GET", "/environ", "", "HTTP_X_REAL", "true", "X_real", "forged", "X-Real", "true")
	}},
	{ID: "http.chunked-input", Text: "a body that comes in chunks is the input, and CONTENT_LENGTH its true length", Ref: refInput, Needs: App | HTTP, check: func(p *probe) error {
		raw := p.request("POST", "/echo", "", "Transfer-Encoding: chunked", "Connection: close") +
			"5;name=value\r\nhello\r\n0007\r\n, world\r\n0\r\nX-Trailer: yes\r\n\r\n"
		t, err := p.say(raw, "POST")
		if err == nil && (len(t.answers) != 1 || t.answers[0].body != "hello, world") {
			err = fmt.Errorf("got %v", &t)
		}
		return err
	}},
	{ID: "http.continue", Text: "with Expect: 100-continue an app that reads its input gets it", Ref: "PEP 3333, HTTP 1.1 Expect/Continue", Needs: App | HTTP, check: func(p *probe) error {
		t, err := p.expect("POST", "/echo")
		if err == nil && (len(t.interim) == 0 || len(t.answers) != 1 || t.answers[0].body != "hello") {
			err = fmt.Errorf("there must be a 100 and then the answer; got %v", &t)
		}
		return err
	}},
	{ID: "http.pipelined", Text: "pipelined requests are answered each with its own answer", Ref: "RFC 9112, 9.3.2", Needs: App | HTTP, check: func(p *probe) error {
		var raw strings.Builder
		var methods []string
		for i := range 20 {
			raw.WriteString(p.request("GET", fmt.Sprintf("/where?%d", i), ""))
			methods = append(methods, "GET")
		}
		raw.WriteString(p.last())
		t, err := p.same(raw.String(), append(methods, "GET")...)
		for i := 0; i < 20 && err == nil; i++ {
			err = differ("an answer", t.answers[i].body, fmt.Sprintf("GET /where?%d", i))
		}
		return err
	}},
	{ID: "http.raw-target", Text: "REQUEST_URI is the target as sent", Ref: "package gateway, Environ", Needs: App | HTTP, check: func(p *probe) error {
		return p.key("GET", "/environ?%41//..", "", "REQUEST_URI", "/environ?%41//..")
	}},
}

// wireRules are what HTTP/1.1 demands of every server.
var wireRules = []Rule{
	{ID: "wire.answer", Text: "an ordinary GET is answered in HTTP/1.1, framed by exactly one of length, chunks and end", Ref: "RFC 9112, 6.3", Needs: HTTP, check: func(p *probe) error {
		a, err := p.normal()
		switch {
		case err != nil:
			return err
		case a.proto != "HTTP/1.1":
			return fmt.Errorf("the version of the answer is %s", a.proto)
		case a.chunks && a.header.Get("Content-Length") != "":
			return fmt.Errorf("both Transfer-Encoding and %s", value(a.header, "Content-Length"))
		}
		return nil
	}},
	{ID: "wire.date", Text: "answers have a Date", Ref: "RFC 9110, 6.6.1", Needs: HTTP, check: func(p *probe) error {
		a, err := p.normal()
		if err == nil && a.status >= 200 && a.status < 500 {
			if _, err = http.ParseTime(a.header.Get("Date")); err != nil {
				err = fmt.Errorf("got %s", value(a.header, "Date"))
			}
		}
		return err
	}},
	{ID: "wire.close", Text: "Connection: close is heeded: the server closes after the answer", Ref: "RFC 9112, 9.6", Needs: HTTP, check: func(p *probe) error {
		t, err := p.same(p.last()+p.last(), "GET")
		if err == nil && !t.closed() {
			err = fmt.Errorf("got %v", &t)
		}
		return err
	}},
	{ID: "wire.close-told", Text: "a server that closes after an answer says so in it", Ref: "RFC 9112, 9.6", Should: true, Needs: HTTP, check: func(p *probe) error {
		a, err := p.normal()
		if err == nil && !a.close {
			err = fmt.Errorf("got %s", value(a.header, "Connection"))
		}
		return err
	}},
	{ID: "wire.keep-alive", Text: "a connection is kept, or the answer says close", Ref: "RFC 9112, 9.6", Needs: HTTP, check: func(p *probe) error {
		raw := p.request("GET", p.Path, "")
		t, err := p.same(raw+p.last(), "GET", "GET")
		if u := (unjudged{}); errors.As(err, &u) { // it closes, and has said so
			return nil
		}
		if err != nil && len(t.answers) == 1 {
			err = fmt.Errorf("the server closes after an answer without saying so: %v", &t)
		}
		return err
	}},
	{ID: "wire.http10", Text: "an HTTP/1.0 client gets no chunks, and the end of the connection", Ref: "RFC 9112, 6.1 and 9.3", Needs: HTTP, check: func(p *probe) error {
		t, err := p.same(fmt.Sprintf("GET %s HTTP/1.0\r\nHost: %s\r\n\r\n", p.Path, p.Host), "GET")
		switch {
		case err != nil:
		case t.answers[0].chunks || len(t.interim) > 0:
			err = fmt.Errorf("got %v, in chunks %v", &t, t.answers[0].chunks)
		case !t.closed():
			err = fmt.Errorf("the connection is kept though the client has not asked for that: %v", &t)
		}
		return err
	}},
	{ID: "wire.head", Text: "the answer to HEAD has no body, and the Content-Length of GET or none", Ref: "RFC 9110, 9.3.2", Needs: HTTP, check: func(p *probe) error {
		normal, err := p.normal()
		if err != nil {
			return err
		}
		// What came behind the head would be taken for the second answer.
		t, err := p.say(p.request("HEAD", p.Path, "")+p.last(), "HEAD", "GET")
		if err != nil {
			return err
		}
		if len(t.answers) == 1 && t.answers[0].close && t.err == nil {
			t, err = p.say(p.request("HEAD", p.Path, "", "Connection: close"), "HEAD")
		} else if len(t.answers) != 2 || t.answers[1].err != nil {
			return fmt.Errorf("got %v", &t)
		}
		if err != nil || len(t.answers) == 0 || t.err != nil && !t.closed() {
			return fmt.Errorf("got %v", &t)
		}
		head := t.answers[0]
		if head.status == http.StatusMethodNotAllowed || head.status == http.StatusNotImplemented {
			return cannotTell("the server answers HEAD %d", head.status)
		}
		if head.status == normal.status && head.length >= 0 && normal.length >= 0 && head.length != normal.length {
			return fmt.Errorf("Content-Length is %d, that of GET %d", head.length, normal.length)
		}
		return nil
	}},
	{ID: "wire.pipelining", Text: "pipelined requests are all answered, in their order", Ref: "RFC 9112, 9.3.2", Needs: HTTP, check: func(p *probe) error {
		get, head := p.request("GET", p.Path, ""), p.request("HEAD", p.Path, "")
		_, err := p.same(get+head+get+head+p.last(), "GET", "HEAD", "GET", "HEAD", "GET")
		return err
	}},
	{ID: "wire.pieces", Text: "in what pieces a request comes does not matter", Ref: "RFC 9112, 2.2", Needs: HTTP, check: func(p *probe) error {
		normal, err := p.normal()
		if err != nil {
			return err
		}
		p.close()
		conn, err := p.dial()
		if err != nil {
			return err
		}
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(p.Patience)) //nolint:errcheck // a connection of the net package takes it
		for _, c := range []byte(p.last()) {
			if _, err := conn.Write([]byte{c}); err != nil {
				return err
			}
		}
		var t talk
		if t.hear(bufio.NewReader(conn), []string{"GET"}); len(t.answers) != 1 || t.answers[0].status != normal.status {
			err = fmt.Errorf("got %v", &t)
		}
		return err
	}},
	{ID: "wire.empty-line", Text: "an empty line before a request is overlooked", Ref: "RFC 9112, 2.2", Should: true, Needs: HTTP, check: func(p *probe) error {
		_, err := p.same("\r\n"+p.last(), "GET")
		return err
	}},
	{ID: "wire.case", Text: "field names may come in any case, values with blanks around them", Ref: "RFC 9112, 5", Needs: HTTP, check: func(p *probe) error {
		t, err := p.same(fmt.Sprintf("GET %s HTTP/1.1\r\nhOST:%s\r\nCONNECTION: \t close \t\r\n\r\n", p.Path, p.Host), "GET")
		if err == nil && !t.closed() {
			err = fmt.Errorf("got %v", &t)
		}
		return err
	}},
	{ID: "wire.absolute", Text: "a target in absolute form is accepted", Ref: "RFC 9112, 3.2.2", Needs: HTTP, check: func(p *probe) error {
		_, err := p.same(p.request("GET", p.Scheme+"://"+p.Host+p.Path, "", "Connection: close"), "GET")
		return err
	}},
	{ID: "wire.body-consumed", Text: "a request's body is not taken for the next request", Ref: "RFC 9112, 9.3", Needs: HTTP, check: func(p *probe) error {
		return p.consumed(p.request("POST", p.Path, p.last()+p.last()))
	}},
	{ID: "wire.chunks-consumed", Text: "a request's chunks, their extensions and trailers are not taken for the next request", Ref: "RFC 9112, 7.1", Needs: HTTP, check: func(p *probe) error {
		inner := p.last() + p.last()
		return p.consumed(p.request("POST", p.Path, "", "Transfer-Encoding: chunked") +
			fmt.Sprintf("%x;a=b\r\n%s\r\n0\r\nX-Trailer: %s\r\n\r\n", len(inner), inner, "GET / HTTP/1.1"))
	}},
	{ID: "wire.continue", Text: "Expect: 100-continue gets a 100, or a final answer without the body", Ref: "RFC 9110, 10.1.1", Needs: HTTP, check: func(p *probe) error {
		t, err := p.expect("POST", p.Path)
		if err == nil && len(t.interim) == 0 && len(t.answers) == 0 {
			err = fmt.Errorf("got %v", &t)
		}
		return err
	}},
	{ID: "wire.continue-10", Text: "an HTTP/1.0 client gets no 100, whatever it expects", Ref: "RFC 9110, 10.1.1", Needs: HTTP, check: func(p *probe) error {
		t, err := p.say(fmt.Sprintf("POST %s HTTP/1.0\r\nHost: %s\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhello", p.Path, p.Host), "POST")
		if err == nil && (len(t.interim) > 0 || len(t.answers) == 0) {
			err = fmt.Errorf("got %v", &t)
		}
		return err
	}},
	{ID: "wire.method", Text: "an unknown method gets an answer like any other", Ref: "RFC 9110, 9.1", Needs: HTTP, check: func(p *probe) error {
		t, err := p.say(p.request("BREW", p.Path, "", "Connection: close"), "BREW")
		if err == nil && (len(t.answers) != 1 || t.answers[0].err != nil) {
			err = fmt.Errorf("got %v", &t)
		}
		return err
	}},
	{ID: "wire.upgrade", Text: "the protocol is not switched to one that the server does not speak", Ref: "RFC 9110, 7.8", Needs: HTTP, check: func(p *probe) error {
		t, err := p.say(p.request("GET", p.Path, "", "Connection: upgrade, close", "Upgrade: no-such/1"), "GET")
		if err == nil && (len(t.answers) == 0 || t.answers[0].status == http.StatusSwitchingProtocols) {
			err = fmt.Errorf("got %v", &t)
		}
		return err
	}},
}

// consumed says a request with a body, in which requests are hidden, and an
// ordinary one behind it: there must be two answers at most, the second of them
// the normal one. A server that closes instead of reading the body is right too.
func (p *probe) consumed(first string) error {
	normal, err := p.normal()
	if err != nil {
		return err
	}
	t, err := p.say(first+p.last(), "POST", "GET")
	if err != nil {
		return err
	}
	bad := len(t.answers) > 2 || len(t.answers) == 0 || !t.closed()
	if len(t.answers) == 2 {
		bad = bad || t.answers[0].close || t.answers[1].status != normal.status
	}
	if bad {
		return fmt.Errorf("got %v", &t)
	}
	return nil
}

// expect asks to send a body, and does when it is told to.
func (p *probe) expect(method, target string) (t talk, err error) {
	p.close()
	conn, err := p.dial()
	if err != nil {
		return t, err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(p.Patience)) //nolint:errcheck // a connection of the net package takes it
	if _, err := io.WriteString(conn, p.request(method, target, "", "Content-Length: 5", "Expect: 100-continue", "Connection: close")); err != nil {
		return t, err
	}
	r := bufio.NewReader(conn)
	line, err := r.Peek(len("HTTP/1.1 100"))
	if err == nil && strings.HasSuffix(string(line), " 100") {
		if _, err := io.WriteString(conn, "hello"); err != nil {
			return t, err
		}
	}
	t.hear(r, []string{method})
	return t, nil
}
