package conformance

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"strings"
	"syscall"
)

const (
	refStart = "PEP 3333, The start_response() Callable"
	refError = "PEP 3333, Error Handling"
)

var startRules = []Rule{
	{ID: "start.status", Text: "the status is the app's", Ref: refStart, Needs: App, check: func(p *probe) error {
		for _, code := range []int{200, 201, 299, 404, 418, 503, 599} {
			if err := p.want("GET", fmt.Sprintf("/status?code=%d", code), "", code, "status"); err != nil {
				return err
			}
		}
		return nil
	}},
	{ID: "start.header", Text: "the app's fields reach the client, repeated ones one by one and in their order", Ref: refStart, Needs: App, check: func(p *probe) error {
		a := p.ask("GET", "/fields", "")
		if a.err != nil || a.header.Get("X-One") != "1" || a.header.Get("X-Lower") != "a, b" {
			return fmt.Errorf("got %v with %v", a, a.header)
		}
		return differ("the Set-Cookie fields", strings.Join(a.header["Set-Cookie"], "|"), "a=1; Path=/|b=2")
	}},
	{ID: "start.lazy", Text: "start may be called as late as when the first non-empty chunk is asked for", Ref: refStart, Needs: App, check: func(p *probe) error {
		return p.want("GET", "/lazy", "", 203, "lazy")
	}},
	{ID: "start.missing", Text: "a body without a start is an error: the client gets a 500", Ref: refStart, Needs: App, check: func(p *probe) error {
		for _, path := range []string{"/silent", "/silent-chunk"} {
			if a := p.ask("GET", path, ""); a.err != nil || a.status != 500 || strings.Contains(a.body, "silent") {
				return fmt.Errorf("GET %s must be answered 500; got %v", path, a)
			}
		}
		return nil
	}},
	{ID: "start.twice", Text: "a second start without exc_info is refused, and the first one stands", Ref: refStart, Needs: App, check: func(p *probe) error {
		return p.want("GET", "/twice", "", 200, "refused")
	}},
	{ID: "start.replace", Text: "with exc_info, while nothing has left, a second start replaces the first, header and all", Ref: refStart, Needs: App, check: func(p *probe) error {
		a := p.ask("GET", "/replace", "")
		if a.err != nil || a.status != 503 || a.body != "replaced" || a.header.Get("X-Second") != "yes" || a.header.Get("X-First") != "" {
			return fmt.Errorf("the second head must be the only one; got %v with %v", a, a.header)
		}
		return nil
	}},
	{ID: "start.held", Text: "nothing leaves before the first non-empty chunk or the end: until then the app may still fail", Ref: refStart, Needs: App, check: func(p *probe) error {
		if a := p.ask("GET", "/fail-started", ""); a.err != nil || a.status != 500 || a.header.Get("X-Failed") != "" {
			return fmt.Errorf("a failure after start and before the first byte must be a 500; got %v with %v", a, a.header)
		}
		return nil
	}},
	{ID: "start.raise", Text: "with exc_info, once bytes have left, start raises it to the app", Ref: refStart, Needs: App, check: func(p *probe) error {
		token := rand.Text()
		p.ask("GET", "/change-late?token="+token, "")
		said, err := p.said(token)
		if err == nil && !strings.Contains(said, "raised true") {
			err = fmt.Errorf("start must give exc_info back to the app; it says %q", said)
		}
		return err
	}},
	{ID: "start.cut", Text: "an answer that such a start ends is not taken for whole by the client", Ref: refError, Needs: App, check: func(p *probe) error {
		return p.cut("/change-late")
	}},
	refuses("start.hop-by-hop", "hop-by-hop fields are the server's: refused to the app", "PEP 3333, Other HTTP Features", "hop-by-hop"),
	refuses("start.injection", "CR, LF and NUL in a field are refused, and never bytes on the wire", refStart, "injection"),
	refuses("start.name", "a field name that is no token is refused", refStart, "name"),
	refuses("start.code", "a status that is not of three digits, or is interim, is refused", refStart, "status"),
	refuses("start.length", "a Content-Length that is malformed, given twice or with a 204 is refused", "RFC 9110, 8.6", "length"),
	{ID: "start.closed", Text: "start is refused once the body is being closed", Ref: refStart, Needs: App, check: func(p *probe) error {
		token := rand.Text()
		if err := p.want("GET", "/start-in-close?token="+token, "", 200, "closing"); err != nil {
			return err
		}
		said, err := p.said(token)
		if err == nil && !strings.Contains(said, "refused true") {
			err = fmt.Errorf("the app says %q", said)
		}
		return err
	}},
}

func refuses(id, text, ref, what string) Rule {
	return Rule{ID: id, Text: text, Ref: ref, Needs: App, check: func(p *probe) error {
		return p.want("GET", "/refused?what="+what, "", 200, "refused")
	}}
}

// cut asks for an answer that must break off after its first bytes.
func (p *probe) cut(target string) error {
	switch a := p.ask("GET", target, ""); {
	case a.err == nil:
		return fmt.Errorf("GET %s must break off, but the client takes it for whole: %v", target, a)
	case a.status == 0 && !errors.Is(a.err, io.ErrUnexpectedEOF) && !errors.Is(a.err, io.EOF) && !errors.Is(a.err, syscall.ECONNRESET):
		return fmt.Errorf("GET %s must begin and break off; got %v", target, a)
	}
	return nil
}
