package conformance

import (
	"fmt"
	"strings"
)

// refusalRules are about requests that must not be served. Each hides a second
// request behind the first: to answer it is to be out of step with whatever is
// in front of the server (request smuggling).
var refusalRules = []Rule{
	refusesAll("refuse.no-host", "a request without Host is refused", "RFC 9112, 3.2", "GET {path} HTTP/1.1\r\n\r\n"),
	refusesAll("refuse.two-hosts", "a request with more than one Host is refused", "RFC 9112, 3.2", "GET {path} HTTP/1.1\r\nHost: {host}\r\nHost: other.test\r\n\r\n"),
	refusesAll("refuse.bad-host", "a Host that cannot be one is refused", "RFC 9112, 3.2", "GET {path} HTTP/1.1\r\nHost: a b\r\n\r\n"),
	refusesAll("refuse.blank-before-colon", "a blank before the colon of a field is refused", "RFC 9112, 5.1", "GET {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length : 5\r\n\r\n"),
	mayReplace("refuse.folded", "a folded field is refused, or unfolded", "RFC 9112, 5.2", "GET {path} HTTP/1.1\r\nHost: {host}\r\nX-A: a\r\n b\r\n\r\n"),
	mayReplace("refuse.bare-cr", "a CR without LF is refused, or made a blank", "RFC 9112, 2.2", "GET {path} HTTP/1.1\r\nHost: {host}\r\nX-A: a\rb\r\n\r\n"),
	mayReplace("refuse.nul", "a NUL in a field is refused, or made a blank", "RFC 9110, 5.5", "GET {path} HTTP/1.1\r\nHost: {host}\r\nX-A: a\x00b\r\n\r\n"),
	should(refusesAll("refuse.request-line", "a malformed request line is refused", "RFC 9112, 3",
		"GET {path} HTTP/1.1 x\r\nHost: {host}\r\n\r\n", "GET {path}a b HTTP/1.1\r\nHost: {host}\r\n\r\n", "G(T {path} HTTP/1.1\r\nHost: {host}\r\n\r\n",
		"GET {path} HTTP/1.x\r\nHost: {host}\r\n\r\n", "{path}\r\nHost: {host}\r\n\r\n")),
	should(refusesAll("refuse.version", "a major version that the server does not speak is refused", "RFC 9110, 15.6.6", "GET {path} HTTP/3.0\r\nHost: {host}\r\n\r\n")),
	refusesAll("refuse.length", "a Content-Length that is no number is refused", "RFC 9112, 6.3",
		"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: x\r\n\r\n", "POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: +5\r\n\r\nhello",
		"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: -5\r\n\r\nhello", "POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0x5\r\n\r\nhello",
		"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 99999999999999999999\r\n\r\nhello"),
	refusesAll("refuse.lengths", "two lengths that differ are refused", "RFC 9112, 6.3",
		"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 5\r\nContent-Length: 0\r\n\r\nhello", "POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 5, 0\r\n\r\nhello"),
	{ID: "refuse.length-and-chunks", Text: "with both Content-Length and Transfer-Encoding the request is refused, or the chunks count and the connection ends", Ref: "RFC 9112, 6.1", Needs: HTTP, check: func(p *probe) error {
		return p.ends(p.fill("POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"))
	}},
	should(refusesAll("refuse.coding", "a transfer coding that the server does not know is refused", "RFC 9112, 6.1",
		"POST {path} HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n")),
	refusesAll("refuse.coding-last", "chunks that are not the last coding are refused", "RFC 9112, 6.3",
		"POST {path} HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n"),
	{ID: "refuse.coding-10", Text: "a transfer coding from an HTTP/1.0 client ends the connection", Ref: "RFC 9112, 6.1", Needs: HTTP, check: func(p *probe) error {
		return p.ends(p.fill("POST {path} HTTP/1.0\r\nHost: {host}\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"))
	}},
	refusesBody("refuse.chunk-size", "a chunk size that is no number, or beyond all measure, is refused", "RFC 9112, 7.1",
		"POST {path} HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\nx\r\nhello\r\n0\r\n\r\n",
		"POST {path} HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\nhello\r\n0\r\n\r\n",
		"POST {path} HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\n0x5\r\nhello\r\n0\r\n\r\n",
		"POST {path} HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000005\r\nhello\r\n0\r\n\r\n"),
	refusesBody("refuse.chunk-end", "a chunk longer than its size is refused", "RFC 9112, 7.1",
		"POST {path} HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello!\r\n0\r\n\r\n"),
	{ID: "refuse.endless-header", Text: "a header without end is refused before it has filled the memory", Ref: "RFC 9112, 3 and RFC 6585, 5", Needs: HTTP, check: func(p *probe) error {
		t, err := p.say(p.fill("GET {path} HTTP/1.1\r\nHost: {host}\r\nX-Endless: ") + strings.Repeat("x", endless))
		if err == nil && (!t.closed() || len(t.answers) > 0 && t.answers[0].status < 400) {
			err = fmt.Errorf("after %d MiB: %v", endless>>20, &t)
		}
		return err
	}},
	{ID: "refuse.endless-target", Text: "a target without end is refused before it has filled the memory", Ref: "RFC 9112, 3", Needs: HTTP, check: func(p *probe) error {
		t, err := p.say("GET /" + strings.Repeat("x", endless))
		if err == nil && (!t.closed() || len(t.answers) > 0 && t.answers[0].status < 400) {
			err = fmt.Errorf("after %d MiB: %v", endless>>20, &t)
		}
		return err
	}},
}

// endless is more than servers let a header have: net/http, which is patient,
// takes 1 MiB.
const endless = 4 << 20

// fill puts the path and the host into a text.
func (p *probe) fill(text string) string {
	return strings.NewReplacer("{path}", p.Path, "{host}", p.Host).Replace(text)
}

func should(r Rule) Rule {
	r.Should = true
	return r
}

// refusesAll is a rule by which each of the texts is refused.
func refusesAll(id, text, ref string, texts ...string) Rule {
	return Rule{ID: id, Text: text, Ref: ref, Needs: HTTP, check: func(p *probe) error {
		normal, err := p.normal()
		if err != nil {
			return err
		}
		for _, raw := range texts {
			raw = p.fill(raw)
			t, err := p.say(raw+p.last(), "GET")
			switch {
			case err != nil:
				return err
			case len(t.answers) > 0 && t.answers[0].status < 400:
				return fmt.Errorf("%.100q was served: %v", raw, &t)
			case len(t.answers) > 0 && t.answers[0].status == normal.status:
				return cannotTell("GET %s is answered %d, refused or not", p.Path, normal.status)
			case len(t.answers) > 1:
				return fmt.Errorf("behind %.100q the connection was used on: %v", raw, &t)
			case !t.closed():
				return fmt.Errorf("after %.100q the connection was not closed: %v", raw, &t)
			}
		}
		return nil
	}}
}

// refusesBody is refusesAll for a fault in the body, which a server does not
// see if it leaves the body to an app that does not read it.
func refusesBody(id, text, ref string, texts ...string) Rule {
	r := refusesAll(id, text, ref, texts...)
	strict := r.check
	r.check = func(p *probe) error {
		t, err := p.say(p.fill(texts[0])+p.last(), "POST")
		if err == nil && !p.App && len(t.answers) == 1 && t.answers[0].status < 400 && t.closed() {
			return cannotTell("the server answers and closes without having read the body")
		}
		if err != nil {
			return err
		}
		return strict(p)
	}
	return r
}

// mayReplace is a rule by which the text is refused, or repaired in a way that
// only an app behind the server sees; dyno's engines refuse.
func mayReplace(id, text, ref, raw string) Rule {
	r := refusesAll(id, text, ref, raw)
	strict := r.check
	r.check = func(p *probe) error {
		if p.App {
			if err := p.replaced(raw); err == nil {
				return nil
			}
			return strict(p)
		}
		t, err := p.say(p.fill(raw)+p.last(), "GET")
		if err == nil && len(t.answers) > 0 && t.answers[0].status < 400 {
			return cannotTell("the request is served, and whether it was repaired only an app of dyno's can tell")
		}
		if err != nil {
			return err
		}
		return strict(p)
	}
	return r
}

// replaced asks the app whether it sees X-A repaired.
func (p *probe) replaced(raw string) error {
	raw = strings.ReplaceAll(raw, "{path}", "/environ")
	t, err := p.say(strings.Replace(p.fill(raw), "\r\n\r\n", "\r\nConnection: close\r\n\r\n", 1), "GET")
	if err != nil {
		return err
	}
	if len(t.answers) == 1 && t.answers[0].status == 200 && strings.Contains(t.answers[0].body, `"HTTP_X_A":"a b"`) {
		return nil
	}
	return fmt.Errorf("got %v", &t)
}

// ends says a request that may be served or refused, after which the
// connection must end.
func (p *probe) ends(raw string) error {
	t, err := p.say(raw+p.last(), "POST")
	if err == nil && (len(t.answers) > 1 || !t.closed()) {
		err = fmt.Errorf("the connection was used on: %v", &t)
	}
	return err
}
