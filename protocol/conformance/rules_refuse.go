package conformance

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// refusal is what the standard demands of the answer to a request that must
// not be served. More it does not demand: after a 400 the connection may go on
// where the end of the request is beyond doubt.
type refusal struct {
	statuses []int // one of these; nil: any from 400 on
	silent   bool  // or the end of the connection, without an answer
	closes   bool  // and in any case its end
}

var (
	badRequest    = refusal{statuses: []int{400}}
	faultyFraming = refusal{statuses: []int{400}, closes: true}
	anyRefusal    = refusal{silent: true}
)

// judge holds what came back against r. normal is the status of an ordinary answer.
func (r refusal) judge(p *probe, raw string, t *talk, normal int) error {
	wanted := "refused"
	if r.statuses != nil {
		wanted = "answered " + strings.Trim(strings.ReplaceAll(fmt.Sprint(r.statuses), " ", " or "), "[]")
	}
	if len(t.answers) == 0 {
		switch {
		case t.waits():
			return fmt.Errorf("%.100q must be %s; within %v there is no answer, and no end of the connection", raw, wanted, p.Patience)
		case t.err == nil && r.silent, t.closed() && r.silent:
			return nil
		case t.err == nil:
			return fmt.Errorf("%.100q must be %s; the connection ends without an answer", raw, wanted)
		case t.closed():
			return cannotTell("%.100q: the connection is reset, and an answer may be lost with it", raw)
		}
		return fmt.Errorf("%.100q must be %s; what comes back is no HTTP/1: %v", raw, wanted, t)
	}
	switch status := t.answers[0].status; {
	case slices.Contains(r.statuses, status) && status != normal, r.statuses == nil && status >= 400 && status != normal:
	case status < 400:
		return fmt.Errorf("%.100q must be %s, and was served: %v", raw, wanted, t)
	case status == normal:
		return cannotTell("%s is answered %d, refused or not", p.Path, normal)
	default:
		return fmt.Errorf("%.100q must be %s, not %d", raw, wanted, status)
	}
	switch {
	case r.closes && len(t.answers) > 1:
		return fmt.Errorf("behind %.100q the connection must end, and was used on: %v", raw, t)
	case r.closes && !t.closed():
		return fmt.Errorf("after %.100q the connection must end, and does not within %v: %v", raw, p.Patience, t)
	}
	return nil
}

// refusalRules are about requests that must not be served. Each hides a second
// request behind the first: to answer it where the end of the first is in doubt
// is to be out of step with whatever is in front of the server (request smuggling).
var refusalRules = []Rule{
	refuseAll("refuse.no-host", "a request of HTTP/1.1 without Host is answered 400", "RFC 9112, 3.2", badRequest, "GET {path} HTTP/1.1\r\n\r\n"),
	refuseAll("refuse.two-hosts", "a request with more than one Host is answered 400", "RFC 9112, 3.2", badRequest, "GET {path} HTTP/1.1\r\nHost: {host}\r\nHost: other.test\r\n\r\n"),
	refuseAll("refuse.bad-host", "a Host whose value cannot be one is answered 400", "RFC 9112, 3.2", badRequest, "GET {path} HTTP/1.1\r\nHost: a b\r\n\r\n"),
	refuseAll("refuse.blank-before-colon", "a blank before the colon of a field is answered 400", "RFC 9112, 5.1", badRequest, "GET {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length : 5\r\n\r\n"),
	repaired("refuse.folded", "a folded field is answered 400, or each fold made one or more blanks", "RFC 9112, 5.2", badRequest, "^a +b$", "a\r\n b"),
	repaired("refuse.bare-cr", "a message with a CR in a field is rejected, or the CR made a blank", "RFC 9110, 5.5; RFC 9112, 2.2", anyRefusal, "^a b$", "a\rb"),
	repaired("refuse.nul", "a message with a NUL in a field is rejected, or the NUL made a blank", "RFC 9110, 5.5", anyRefusal, "^a b$", "a\x00b"),
	should(refuseAll("refuse.request-line", "an invalid request line is answered 400, or 301 with its target put right", "RFC 9112, 3", refusal{statuses: []int{400, 301}},
		"GET {path} HTTP/1.1 x\r\nHost: {host}\r\n\r\n", "GET {path}a b HTTP/1.1\r\nHost: {host}\r\n\r\n", "G(T {path} HTTP/1.1\r\nHost: {host}\r\n\r\n",
		"GET {path} HTTP/1.x\r\nHost: {host}\r\n\r\n", "{path}\r\nHost: {host}\r\n\r\n")),
	refuseAll("refuse.length", "a Content-Length that is no number is answered 400, and the connection ends", "RFC 9112, 6.3", faultyFraming,
		"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: x\r\n\r\n", "POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: +5\r\n\r\nhello",
		"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: -5\r\n\r\nhello", "POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0x5\r\n\r\nhello",
		"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0_5\r\n\r\nhello"), // as languages write numbers
	misframed("refuse.length-huge", "a Content-Length beyond all measure is not cut down to a smaller one", "RFC 9110, 8.6",
		"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 18446744073709551621\r\n\r\nhello"),
	refuseAll("refuse.lengths", "two lengths that differ are answered 400, and the connection ends", "RFC 9112, 6.3", faultyFraming,
		"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 5\r\nContent-Length: 0\r\n\r\nhello", "POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 5, 0\r\n\r\nhello"),
	{ID: "refuse.length-and-chunks", Text: "with both Content-Length and Transfer-Encoding a request is refused, or the chunks count; in any case the connection ends", Ref: "RFC 9112, 6.1", Needs: HTTP, check: func(p *probe) error {
		raw := "POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"
		if err := p.ends(p.fill(raw + "0\r\n\r\n")); err != nil || !p.App {
			return err
		}
		raw = strings.ReplaceAll(raw, "{path}", "/echo")
		t, err := p.say(p.fill(raw+"5\r\nhello\r\n0\r\n\r\n"), "POST")
		if err == nil && len(t.answers) > 0 && t.answers[0].status < 400 && t.answers[0].body != "hello" {
			err = fmt.Errorf("the chunks hold \"hello\", but the app was given another body: %v", &t)
		}
		return err
	}},
	should(refuseAll("refuse.coding", "a transfer coding that the server does not know is answered 501", "RFC 9112, 6.1", refusal{statuses: []int{501}},
		"POST {path} HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: xchunked, chunked\r\n\r\n0\r\n\r\n")),
	refuseAll("refuse.coding-last", "a request whose last coding is not chunked is answered 400, or 501 where it is a coding that the server does not know, and the connection ends", "RFC 9112, 6.3 and 6.1", refusal{statuses: []int{400, 501}, closes: true},
		"POST {path} HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n", "POST {path} HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"),
	{ID: "refuse.coding-10", Text: "a transfer coding from an HTTP/1.0 client is faulty framing: whatever the answer, the connection ends", Ref: "RFC 9112, 6.1", Needs: HTTP, check: func(p *probe) error {
		return p.ends(p.fill("POST {path} HTTP/1.0\r\nHost: {host}\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"))
	}},
	misframed("refuse.chunk-size", "a chunk size that is no number, or beyond all measure, is not taken for another", "RFC 9112, 7.1",
		"POST {path} HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\nx\r\nhello\r\n0\r\n\r\n",
		"POST {path} HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\nhello\r\n0\r\n\r\n",
		"POST {path} HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\n+5\r\nhello\r\n0\r\n\r\n",
		"POST {path} HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\n0_5\r\nhello\r\n0\r\n\r\n",
		"POST {path} HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\n0x5\r\nhello\r\n0\r\n\r\n",
		"POST {path} HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000005\r\nhello\r\n0\r\n\r\n"),
	misframed("refuse.chunk-end", "a chunk longer than its size is not taken for whole", "RFC 9112, 7.1",
		"POST {path} HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello!\r\n0\r\n\r\n"),
	should(endlessly("refuse.endless-header", "a header without end is answered with a 4xx, or the connection ended, before it has filled the memory", "RFC 9110, 5.4 and 17.5", "GET {path} HTTP/1.1\r\nHost: {host}\r\nX-Endless: ")),
	should(endlessly("refuse.endless-target", "a target without end is answered 414, or the connection ended, before it has filled the memory", "RFC 9112, 3; RFC 9110, 17.5", "GET /")),
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

// refuseAll is a rule by which each of the texts is refused.
func refuseAll(id, text, ref string, want refusal, texts ...string) Rule {
	return Rule{ID: id, Text: text, Ref: ref, Needs: HTTP, check: func(p *probe) error {
		normal, err := p.normal()
		if err != nil {
			return err
		}
		method, status := "", normal.status
		for _, raw := range texts {
			if strings.HasPrefix(raw, "POST ") {
				if method == "" {
					if method, status, err = p.takesBody(); err != nil {
						return err
					}
				}
				raw = method + strings.TrimPrefix(raw, "POST")
			}
			raw = p.fill(raw)
			t, err := p.say(raw+p.last(), "GET")
			if err == nil {
				err = want.judge(p, raw, &t, status)
			}
			if err != nil {
				return err
			}
		}
		return nil
	}}
}

// takesBody returns a method with which a request may have a body here, and the
// status of the answer. A server that refuses POST by its method says nothing of
// the rest; framing is the same for all methods.
func (p *probe) takesBody() (string, int, error) {
	var t talk
	for _, method := range []string{"POST", "GET"} {
		var err error
		t, err = p.say(p.request(method, p.Path, "hello", "Connection: close"), method)
		switch {
		case err != nil:
			return "", 0, err
		case len(t.answers) == 1 && t.answers[0].status < 400:
			return method, t.answers[0].status, nil
		}
	}
	if len(t.answers) == 0 {
		return "", 0, cannotTell("the server takes a body neither with POST nor with GET")
	}
	return "GET", t.answers[0].status, nil // all is 401, or 404: it may be another status for what is malformed
}

// misframed is a rule about bodies whose end cannot be known, for which the
// standard has no status: what comes behind them must not be served, and an app
// not be given them as whole. A server that does not read them, or waits for
// the rest, is right as well.
func misframed(id, text, ref string, texts ...string) Rule {
	return Rule{ID: id, Text: text, Ref: ref, Needs: HTTP, check: func(p *probe) error {
		unread := false
		method, _, err := p.takesBody()
		if err != nil {
			return err
		}
		for _, raw := range texts {
			raw = method + strings.TrimPrefix(raw, "POST")
			if p.App {
				raw = strings.ReplaceAll(raw, "{path}", "/echo")
			}
			raw = p.fill(raw)
			t, err := p.say(raw+p.last(), "POST")
			switch {
			case err != nil:
				return err
			case len(t.answers) > 1:
				return fmt.Errorf("behind %.120q the connection was used on: %v", raw, &t)
			case len(t.answers) == 0 && !t.closed() && !t.waits():
				return fmt.Errorf("%.120q: got %v", raw, &t)
			case len(t.answers) == 1 && t.answers[0].status < 400 && p.App && t.answers[0].err == nil:
				return fmt.Errorf("the app was given %.120q as whole: %v", raw, &t)
			case len(t.answers) == 1 && t.answers[0].status < 400:
				unread = true
			}
		}
		if unread {
			return cannotTell("the request is served and the connection not used on: whether the body was read is not to be seen")
		}
		return nil
	}}
}

// repaired is a rule by which a field X-A is refused, or given to the app, who
// alone can tell, as the pattern says.
func repaired(id, text, ref string, want refusal, pattern, field string) Rule {
	fits := regexp.MustCompile(pattern)
	return Rule{ID: id, Text: text, Ref: ref, Needs: HTTP, check: func(p *probe) error {
		normal, err := p.normal()
		if err != nil {
			return err
		}
		path := p.Path
		if p.App {
			path = "/environ"
		}
		raw := fmt.Sprintf("GET %s HTTP/1.1\r\nHost: %s\r\nX-A: %s\r\nConnection: close\r\n\r\n", path, p.Host, field)
		t, err := p.say(raw, "GET")
		switch {
		case err != nil:
			return err
		case len(t.answers) == 0 || t.answers[0].status >= 400:
			return want.judge(p, raw, &t, normal.status)
		case !p.App:
			return cannotTell("the request is served, and whether it was repaired only an app of dyno's can tell")
		}
		var s seen
		if err := json.Unmarshal([]byte(t.answers[0].body), &s); err != nil {
			return fmt.Errorf("the app must tell what it sees: %v", &t)
		}
		if seen, ok := s.Keys["HTTP_X_A"]; !ok {
			return fmt.Errorf("%q was served, and the app sees no X-A", "X-A: "+field)
		} else if !fits.MatchString(seen) {
			return fmt.Errorf("%q was served, and the app sees X-A as %q", "X-A: "+field, seen)
		}
		return nil
	}}
}

// endlessly is a rule by which a text that goes on is given up.
func endlessly(id, text, ref, begin string) Rule {
	return Rule{ID: id, Text: text, Ref: ref, Needs: HTTP, check: func(p *probe) error {
		t, err := p.say(p.fill(begin)+strings.Repeat("x", endless), "GET")
		if err == nil && (!t.closed() || len(t.answers) > 0 && (t.answers[0].status < 400 || t.answers[0].status >= 500)) {
			err = fmt.Errorf("after %d MiB: %v", endless>>20, &t)
		}
		return err
	}}
}

// ends says a request that may be served or refused, after which the
// connection must end.
func (p *probe) ends(raw string) error {
	t, err := p.say(raw+p.last(), "POST")
	if err == nil && len(t.answers) > 1 {
		return fmt.Errorf("the connection was used on: %v", &t)
	}
	if err == nil && !t.closed() {
		return fmt.Errorf("the connection is not ended within %v: %v", p.Patience, &t)
	}
	return err
}
