package conformance

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"
)

// gatewayHTTPRules are what an app sees of HTTP.
var gatewayHTTPRules = []Rule{
	{ID: "http.underscore", Text: "a field whose name has an underscore is not taken for the one with a dash", Ref: "RFC 3875, 4.1.18", Should: true, Needs: App | HTTP, check: func(p *probe) error {
		return p.key("GET", "/environ", "", "HTTP_X_REAL", "true", "X_real", "forged", "X-Real", "true")
	}},
	{ID: "http.chunked-input", Text: "a body that comes in chunks is the input, and CONTENT_LENGTH its true length", Ref: refInput, Needs: App | HTTP, check: func(p *probe) error {
		raw := p.request("POST", "/echo", "", "Transfer-Encoding: chunked", "Connection: close") +
			"5;name=value\r\nhello\r\n0007\r\n, world\r\n0\r\nX-Trailer: yes\r\n\r\n"
		t, err := p.say(raw, "POST")
		if err == nil && len(t.answers) > 0 && t.answers[0].status == http.StatusLengthRequired {
			return cannotTell("the server wants a Content-Length (411), as it may")
		}
		if err == nil && (len(t.answers) != 1 || t.answers[0].body != "hello, world") {
			err = fmt.Errorf("got %v", &t)
		}
		return err
	}},
	{ID: "http.continue", Text: "with Expect: 100-continue an app that reads its input gets it", Ref: "PEP 3333, HTTP 1.1 Expect/Continue", Needs: App | HTTP, check: func(p *probe) error {
		t, err := p.expect("POST", "/echo")
		if err == nil && len(t.interim) == 0 && len(t.answers) == 1 && t.answers[0].status >= 400 {
			return cannotTell("the request is refused without the body, as it may be: %v", &t)
		}
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

// wireRules are what HTTP/1.1 demands of every server. Their texts tell what
// the sentence does that they stand for, with what it leaves to the server.
var wireRules = []Rule{
	{ID: "wire.answer", Text: "an ordinary GET is answered, and an answer in chunks has no Content-Length", Ref: "RFC 9112, 6.2", Needs: HTTP, check: func(p *probe) error {
		a, err := p.normal()
		if u := (unjudged{}); errors.As(err, &u) {
			return errors.New(u.why) // somewhere it must count that nothing is answered
		}
		if err == nil && a.status >= 500 {
			return cannotTell("an ordinary GET %s is answered %d: how the server answers one that it serves is not known; give a path that works", p.Path, a.status)
		}
		if err == nil && a.chunks && strings.Contains(strings.ToLower(a.head), "\ncontent-length:") { // net/http takes it away
			err = fmt.Errorf("both Transfer-Encoding and Content-Length: %.300q", a.head)
		}
		return err
	}},
	{ID: "wire.form", Text: "an answer's head has the form of the grammar: a status line, fields with a token as their name, lines that end in CR LF", Ref: "RFC 9112, 2.1, 4 and 5; RFC 9110, 5.3 and 5.5", Needs: HTTP, check: func(p *probe) error {
		a, err := p.normal()
		if err == nil {
			err = wellFormed(a.head)
		}
		return err
	}},
	{ID: "wire.version", Text: "a server that speaks HTTP/1.1 answers in it", Ref: "RFC 9110, 6.2", Should: true, Needs: HTTP, check: func(p *probe) error {
		a, err := p.normal()
		if err == nil {
			err = differ("the version of the answer", a.proto, "HTTP/1.1")
		}
		return err
	}},
	{ID: "wire.date", Text: "2xx, 3xx and 4xx have a Date in the one form that is to be sent, unless the server has no clock", Ref: "RFC 9110, 6.6.1 and 5.6.7", Needs: HTTP, check: func(p *probe) error {
		a, err := p.normal()
		if err == nil && a.status >= 200 && a.status < 500 {
			at, bad := time.Parse(http.TimeFormat, a.header.Get("Date"))
			if bad != nil || at.Format(http.TimeFormat) != a.header.Get("Date") { // Parse does not look at the day of the week
				err = fmt.Errorf("got %s", value(a.header, "Date"))
			}
		}
		return err
	}},
	{ID: "wire.clock", Text: "the Date is the time at which the answer was made, within a day", Ref: "RFC 9110, 6.6.1", Should: true, Needs: HTTP, check: func(p *probe) error {
		a, err := p.normal()
		if err != nil {
			return err
		}
		at, err := http.ParseTime(a.header.Get("Date"))
		if err != nil {
			return cannotTell("there is no Date to read: %s", value(a.header, "Date"))
		}
		if off := time.Since(at); off.Abs() > 24*time.Hour {
			return fmt.Errorf("got %s, which is %.0f days from the time here", value(a.header, "Date"), off.Abs().Hours()/24)
		}
		return nil
	}},
	{ID: "wire.close", Text: "after the answer to a request with Connection: close no other is answered, and the connection ends", Ref: "RFC 9112, 9.6", Needs: HTTP, check: func(p *probe) error {
		t, err := p.same(p.last(), "GET")
		if err == nil && !t.closed() {
			err = fmt.Errorf("not within %v: %v", p.Patience, &t)
		}
		if err != nil {
			return err
		}
		// A client must not send another, so that any answer to both is right.
		if t, err = p.say(p.last()+p.last(), "GET"); err == nil && (len(t.answers) > 1 || !t.closed()) {
			err = fmt.Errorf("with another request behind it: %v", &t)
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
	{ID: "wire.keep-alive", Text: "a server that keeps no connection says close in every answer", Ref: "RFC 9112, 9.3", Needs: HTTP, check: func(p *probe) error {
		var t talk
		for range 3 { // any server may close now and then (9.5)
			var err error
			t, err = p.inTurn([]string{"GET", "GET"}, p.request("GET", p.Path, ""), p.last())
			switch {
			case err != nil:
				return err
			case len(t.answers) == 0 || t.answers[0].err != nil:
				return fmt.Errorf("got %v", &t)
			case len(t.answers) > 1 || t.answers[0].close:
				return nil
			case t.waits():
				return fmt.Errorf("a second request on the connection is not answered within %v: %v", p.Patience, &t)
			}
		}
		return fmt.Errorf("the server closes after each answer without saying so: %v", &t)
	}},
	{ID: "wire.http10", Text: "an HTTP/1.0 client gets no chunks, no interim answer, and the end of the connection unless it asks to keep it", Ref: "RFC 9112, 6.1 and 9.3; RFC 9110, 15.2", Needs: HTTP, check: func(p *probe) error {
		t, err := p.say(fmt.Sprintf("GET %s HTTP/1.0\r\nHost: %s\r\n\r\n", p.Path, p.Host), "GET")
		switch {
		case err != nil:
		case len(t.answers) != 1:
			err = fmt.Errorf("there must be an answer; got %v", &t)
		case t.answers[0].chunks || len(t.interim) > 0:
			err = fmt.Errorf("got %v, in chunks %v", &t, t.answers[0].chunks)
		case !t.closed():
			err = fmt.Errorf("the connection is kept though the client has not asked for that: %v", &t)
		}
		return err
	}},
	{ID: "wire.head", Text: "the answer to HEAD has no body, and the Content-Length of GET or none", Ref: "RFC 9110, 9.3.2 and 8.6", Needs: HTTP, check: func(p *probe) error {
		normal, err := p.normal()
		if err != nil {
			return err
		}
		// What came behind the head would be taken for another answer.
		t, err := p.inTurn([]string{"HEAD", "GET"}, p.request("HEAD", p.Path, ""), p.last())
		if err == nil && (len(t.answers) == 0 || len(t.answers) > 2 || t.err != nil && !t.closed()) {
			err = fmt.Errorf("got %v", &t)
		}
		if err != nil {
			return err
		}
		head := t.answers[0]
		if head.status == http.StatusMethodNotAllowed || head.status == http.StatusNotImplemented {
			return cannotTell("the server answers HEAD %d", head.status)
		}
		if head.status != normal.status || head.length < 0 || normal.length < 0 || head.length == normal.length {
			return nil
		}
		if again, err := p.normal(); err != nil || again.length != normal.length {
			return cannotTell("the length of GET's answer changes from one to the next")
		}
		return fmt.Errorf("Content-Length is %d, that of GET %d", head.length, normal.length)
	}},
	{ID: "wire.pipelining", Text: "pipelined requests that are answered are answered in their order", Ref: "RFC 9112, 9.3.2", Needs: HTTP, check: func(p *probe) error {
		methods := []string{"GET", "HEAD", "GET", "HEAD", "GET"}
		status := map[string]int{}
		var raw strings.Builder
		for i, method := range methods {
			var fields []string
			if i == len(methods)-1 {
				fields = []string{"Connection: close"}
			}
			raw.WriteString(p.request(method, p.Path, "", fields...))
			if status[method] != 0 {
				continue
			}
			t, err := p.say(p.request(method, p.Path, "", "Connection: close"), method)
			if err != nil || len(t.answers) != 1 {
				return fmt.Errorf("%s alone must be answered; got %v, %v", method, &t, err)
			}
			status[method] = t.answers[0].status
		}
		t, err := p.say(raw.String(), methods...)
		if err != nil {
			return err
		}
		for i, a := range t.answers {
			if i >= len(methods) || a.err != nil || a.status != status[methods[i]] {
				return fmt.Errorf("answer %d is none to the request of that place; got %v", i+1, &t)
			}
		}
		switch {
		case len(t.answers) == len(methods):
			return nil
		case len(t.answers) > 0 && t.closed():
			return cannotTell("the server closes before it has answered all, as it may")
		}
		return fmt.Errorf("%d requests were answered of %d, and the connection kept: %v", len(t.answers), len(methods), &t)
	}},
	{ID: "wire.pieces", Text: "a request is a sequence of octets: in what pieces it comes does not matter", Ref: "RFC 9112, 2.2", Needs: HTTP, check: func(p *probe) error {
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
		if t.hear(p.listen(conn), []string{"GET"}); len(t.answers) != 1 || t.answers[0].status != normal.status {
			err = fmt.Errorf("got %v", &t)
		}
		return err
	}},
	{ID: "wire.empty-line", Text: "an empty line before a request is overlooked", Ref: "RFC 9112, 2.2", Should: true, Needs: HTTP, check: func(p *probe) error {
		_, err := p.same("\r\n"+p.last(), "GET")
		return err
	}},
	{ID: "wire.case", Text: "field names may come in any case, values with blanks around them or none", Ref: "RFC 9110, 5.1; RFC 9112, 5.1", Needs: HTTP, check: func(p *probe) error {
		t, err := p.same(fmt.Sprintf("GET %s HTTP/1.1\r\nhOST:%s\r\nCONNECTION: \t close \t\r\n\r\n", p.Path, p.Host), "GET")
		if err == nil && !t.closed() {
			err = fmt.Errorf("%q is not heeded: %v", "CONNECTION: \t close \t", &t)
		}
		return err
	}},
	{ID: "wire.absolute", Text: "a target in absolute form is accepted", Ref: "RFC 9112, 3.2.2", Needs: HTTP, check: func(p *probe) error {
		normal, err := p.normal()
		if err != nil {
			return err
		}
		t, err := p.say(p.request("GET", p.Scheme+"://"+p.Host+p.Path, "", "Connection: close"), "GET")
		if err == nil && (len(t.answers) != 1 || t.answers[0].status >= 400 && t.answers[0].status != normal.status) {
			err = fmt.Errorf("got %v, without it %d", &t, normal.status)
		}
		return err
	}},
	{ID: "wire.body-consumed", Text: "a request's body is read whole, or the connection ends: it is not the next request", Ref: "RFC 9112, 9.3", Needs: HTTP, check: func(p *probe) error {
		return p.consumed(p.request("POST", p.Path, p.hidden()))
	}},
	{ID: "wire.chunks-consumed", Text: "so is a body in chunks, with extensions that nobody knows and trailers", Ref: "RFC 9112, 7.1", Needs: HTTP, check: func(p *probe) error {
		inner, begin := p.hidden(), p.request("POST", p.Path, "", "Transfer-Encoding: chunked")
		if err := p.consumed(begin + fmt.Sprintf("%x;a=b\r\n%s\r\n0\r\nX-Trailer: a\r\nX-Second: %s\r\n\r\n", len(inner), inner, "GET / HTTP/1.1")); err != nil {
			return err
		}
		// An extension must be ignored: it may not be what a request is refused for.
		method, _, err := p.takesBody()
		if err != nil {
			return err
		}
		begin = p.request(method, p.Path, "", "Transfer-Encoding: chunked", "Connection: close")
		plain, err := p.say(begin+"5\r\nhello\r\n0\r\n\r\n", method)
		if err != nil || len(plain.answers) == 0 || plain.answers[0].status >= 400 {
			return err
		}
		t, err := p.say(begin+"5;a=b\r\nhello\r\n0\r\n\r\n", method)
		if err == nil && len(t.answers) > 0 && t.answers[0].status >= 400 && p.turnedAway == 0 {
			err = fmt.Errorf("a chunk with the extension a=b is refused: %v, without it %v", &t, &plain)
		}
		return err
	}},
	{ID: "wire.continue", Text: "Expect: 100-continue gets a 100, or a final answer without the body", Ref: "RFC 9110, 10.1.1", Needs: HTTP, check: func(p *probe) error {
		t, err := p.expect("POST", p.Path)
		if err == nil && len(t.interim) == 0 && len(t.answers) == 0 {
			err = fmt.Errorf("got %v", &t)
		}
		return err
	}},
	{ID: "wire.continue-10", Text: "an expectation of an HTTP/1.0 client is ignored: it gets the answer and no 100", Ref: "RFC 9110, 10.1.1", Needs: HTTP, check: func(p *probe) error {
		t, err := p.say(fmt.Sprintf("POST %s HTTP/1.0\r\nHost: %s\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhello", p.Path, p.Host), "POST")
		if err == nil && (len(t.interim) > 0 || len(t.answers) == 0) {
			err = fmt.Errorf("got %v", &t)
		}
		return err
	}},
	{ID: "wire.method", Text: "a method that the server does not know is answered, by 501 or as the app sees fit", Ref: "RFC 9110, 9.1", Should: true, Needs: HTTP, check: func(p *probe) error {
		t, err := p.say(p.request("BREW", p.Path, "", "Connection: close"), "BREW")
		if err == nil && (len(t.answers) != 1 || t.answers[0].err != nil) {
			err = fmt.Errorf("got %v", &t)
		}
		return err
	}},
	{ID: "wire.upgrade", Text: "the protocol is not switched to one that the server does not speak", Ref: "RFC 9110, 7.8", Needs: HTTP, check: func(p *probe) error {
		t, err := p.say(p.request("GET", p.Path, "", "Connection: upgrade, close", "Upgrade: no-such/1"), "GET")
		switch {
		case err != nil:
			return err
		case len(t.answers) == 0:
			return cannotTell("there is no answer to a request that offers an upgrade: %v", &t)
		case t.answers[0].status == http.StatusSwitchingProtocols:
			return fmt.Errorf("got %v", &t)
		}
		return nil
	}},
}

var (
	statusLine = regexp.MustCompile(`^HTTP/1\.[0-9] [1-9][0-9]{2} [\t\x20-\x7e\x80-\xff]*$`)
	fieldLine  = regexp.MustCompile("^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[\\t\\x20-\\x7e\\x80-\\xff]*$")
)

// wellFormed judges a head as it came. Clients forgive much of this, each something
// else: what one overlooks is another response to the next.
func wellFormed(head string) error {
	lines := strings.Split(head, "\n")
	times := map[string]int{}
	for i, line := range lines[:len(lines)-1] {
		text, whole := strings.CutSuffix(line, "\r")
		field := fieldLine.FindStringSubmatch(text)
		switch {
		case !whole:
			return fmt.Errorf("line %d ends in a bare LF: %.100q", i+1, line)
		case i == 0 && !statusLine.MatchString(text):
			return fmt.Errorf("no status line: %.100q", text)
		case i == 0 || text == "" && i == len(lines)-2:
			continue
		case field == nil:
			return fmt.Errorf("line %d is no field: %.100q", i+1, text)
		}
		name := http.CanonicalHeaderKey(field[1])
		if times[name]++; times[name] > 1 && slices.Contains([]string{"Content-Length", "Content-Type", "Date", "Etag", "Last-Modified", "Location"}, name) {
			return fmt.Errorf("%s, which has one value, comes twice: %.300q", name, head)
		}
	}
	return nil
}

// hidden are requests to be put into a body. They do not ask for the end of the
// connection, so that a server which takes them for requests gives too many answers.
func (p *probe) hidden() string {
	return p.request("GET", p.Path, "") + p.request("GET", p.Path, "")
}

// consumed says a request with hidden ones in its body, and an ordinary one
// behind it: there must be two answers at most, the second of them the normal
// one. A server that closes instead of reading the body is right too.
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
	l := p.listen(conn)
	line, err := l.Peek(len("HTTP/1.1 100"))
	if err == nil && strings.HasSuffix(string(line), " 100") {
		if _, err := io.WriteString(conn, "hello"); err != nil {
			return t, err
		}
	}
	t.hear(l, []string{method})
	return t, nil
}
