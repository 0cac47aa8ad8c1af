package conformance

import (
	"fmt"
	"io"
	"net/http"
	"time"
)

// extraRules are what HTTP has beside WSGI's answer.
var extraRules = []Rule{
	{ID: "http.interim", Text: "an interim answer of the app reaches the client with its fields, and is not held back until the final one", Ref: "RFC 9110, 15.2", Needs: App | HTTP, check: func(p *probe) error {
		var apart time.Duration
		for range 5 { // a busy machine may hold up the client for as long as the app pauses
			var err error
			if apart, err = p.interim(); err != nil || apart >= pause/2 {
				return err
			}
		}
		return fmt.Errorf("the interim answer came %v before the final one, which the app holds back for %v", apart, pause)
	}},
	{ID: "http.trailers", Text: "trailers that the app announces are announced to the client and follow the body", Ref: "RFC 9110, 6.5", Should: true, Needs: App | HTTP, check: func(p *probe) error {
		t, err := p.say(p.request("GET", "/trailers", "", "Connection: close"), "GET")
		if err != nil {
			return err
		}
		if len(t.answers) != 1 || t.answers[0].err != nil || t.answers[0].body != "onetwo" {
			return fmt.Errorf("got %v", &t)
		}
		a := t.answers[0]
		switch {
		case a.header.Get(without.Name) != "":
			return errWithout
		case a.trailer == nil:
			return fmt.Errorf("trailers are not announced: %s", value(a.header, "Trailer"))
		}
		return differ("the trailer X-Sum", a.trailer.Get("X-Sum"), "7")
	}},
	{ID: "http.extras-10", Text: "an HTTP/1.0 client gets neither interim answers nor trailers, and the answer all the same", Ref: "RFC 9110, 15.2", Needs: App | HTTP, check: func(p *probe) error {
		for target, body := range map[string]string{"/interim": "final", "/trailers": "onetwo"} {
			t, err := p.say(fmt.Sprintf("GET %s HTTP/1.0\r\nHost: %s\r\n\r\n", target, p.Host), "GET")
			if err != nil {
				return err
			}
			if len(t.interim) > 0 || len(t.answers) != 1 || t.answers[0].body != body || t.answers[0].trailer != nil {
				return fmt.Errorf("GET %s: got %v", target, &t)
			}
		}
		return nil
	}},
	{ID: "http.extras-refused", Text: "what is no interim status, would inject, or frames and routes behind the body is refused to the app", Ref: "RFC 9110, 6.5.1", Needs: App | HTTP, check: func(p *probe) error {
		a := p.ask("GET", "/extras-refused", "")
		if a.err == nil && a.header.Get(without.Name) != "" {
			return errWithout
		}
		return p.want("GET", "/extras-refused", "", 200, "refused")
	}},
}

var errWithout = cannotTell("the server, or what is between it and the client, offers the app no Extras")

// interim asks for an interim answer and the final one, and returns how long
// after the first the second was there.
func (p *probe) interim() (time.Duration, error) {
	p.close()
	conn, err := p.dial()
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(p.Patience)) //nolint:errcheck // a connection of the net package takes it
	if _, err := io.WriteString(conn, p.request("GET", "/interim", "", "Connection: close")); err != nil {
		return 0, err
	}
	l := p.listen(conn)
	resp, err := http.ReadResponse(l.Reader, nil)
	if err != nil {
		return 0, err
	}
	first := time.Now()
	switch {
	case resp.Header.Get(without.Name) != "":
		return 0, errWithout
	case resp.StatusCode != http.StatusEarlyHints || resp.Header.Get("Link") == "":
		return 0, fmt.Errorf("the first answer must be a 103 with Link; it is %d with %s", resp.StatusCode, value(resp.Header, "Link"))
	}
	var t talk
	t.hear(l, []string{"GET"})
	if len(t.interim) > 0 || len(t.answers) != 1 || t.answers[0].status != 200 || t.answers[0].body != "final" {
		return 0, fmt.Errorf("behind the interim answer there must be the final one; got %v", &t)
	}
	return time.Since(first), nil
}
