package conformance

import (
	"fmt"
	"strings"
)

const (
	refEnviron = "PEP 3333, environ Variables"
	refInput   = "PEP 3333, Input and Error Streams"
)

var environRules = []Rule{
	{ID: "environ.method", Text: "REQUEST_METHOD is the request's method, whatever it is", Ref: refEnviron, Needs: App, check: func(p *probe) error {
		for _, method := range []string{"GET", "DELETE", "BREW"} {
			if a := p.ask(method, "/environ", ""); method == "BREW" && (a.status == 405 || a.status == 501) {
				continue // what is in front of the app need not know it
			}
			if err := p.key(method, "/environ", "", "REQUEST_METHOD", method); err != nil {
				return err
			}
		}
		return nil
	}},
	{ID: "environ.path", Text: "SCRIPT_NAME and PATH_INFO are the path, decoded once", Ref: refEnviron, Needs: App, check: func(p *probe) error {
		s, err := p.environ("GET", "/%C3%A9%20x%252F", "")
		if err != nil {
			return err
		}
		return differ("SCRIPT_NAME and PATH_INFO", s.Keys["SCRIPT_NAME"]+s.Keys["PATH_INFO"], "/é x%2F")
	}},
	{ID: "environ.query", Text: "QUERY_STRING is what follows the question mark, as sent, or empty", Ref: refEnviron, Needs: App, check: func(p *probe) error {
		if err := p.key("GET", "/environ?a=%20b&c+d?e", "", "QUERY_STRING", "a=%20b&c+d?e"); err != nil {
			return err
		}
		return p.key("GET", "/environ", "", "QUERY_STRING", "")
	}},
	{ID: "environ.content-type", Text: "CONTENT_TYPE is the field of that name, absent or empty without", Ref: refEnviron, Needs: App, check: func(p *probe) error {
		if err := p.key("POST", "/environ", "x", "CONTENT_TYPE", "text/x; a=b", "Content-Type", "text/x; a=b"); err != nil {
			return err
		}
		return p.key("GET", "/environ", "", "CONTENT_TYPE", "")
	}},
	{ID: "environ.content-length", Text: "CONTENT_LENGTH is the length of the body, absent, empty or 0 without one", Ref: refEnviron, Needs: App, check: func(p *probe) error {
		if err := p.key("POST", "/environ", strings.Repeat("x", 1234), "CONTENT_LENGTH", "1234"); err != nil {
			return err
		}
		s, err := p.environ("GET", "/environ", "")
		if err == nil && s.Keys["CONTENT_LENGTH"] != "" {
			err = differ("CONTENT_LENGTH", s.Keys["CONTENT_LENGTH"], "0")
		}
		return err
	}},
	{ID: "environ.server", Text: "SERVER_NAME and SERVER_PORT are never empty", Ref: refEnviron, Needs: App, check: func(p *probe) error {
		s, err := p.environ("GET", "/environ", "")
		if err == nil && (s.Keys["SERVER_NAME"] == "" || s.Keys["SERVER_PORT"] == "") {
			err = fmt.Errorf("SERVER_NAME %q, SERVER_PORT %q", s.Keys["SERVER_NAME"], s.Keys["SERVER_PORT"])
		}
		return err
	}},
	{ID: "environ.protocol", Text: "SERVER_PROTOCOL is the version of the request", Ref: refEnviron, Needs: App, check: func(p *probe) error {
		return p.key("GET", "/environ", "", "SERVER_PROTOCOL", "HTTP/1.1")
	}},
	{ID: "environ.http", Text: "header fields are under HTTP_, in capitals, with underscores for dashes", Ref: refEnviron, Needs: App, check: func(p *probe) error {
		if err := p.key("GET", "/environ", "", "HTTP_X_SOME_THING", "a, b=\"c\"", "X-Some-Thing", "a, b=\"c\""); err != nil {
			return err
		}
		// A web server in front may leave the port out.
		s, err := p.environ("GET", "/environ", "")
		if err == nil && s.Keys["HTTP_HOST"] == "" {
			err = fmt.Errorf("HTTP_HOST is empty")
		}
		return err
	}},
	{ID: "environ.repeated", Text: "a field that came several times is joined by commas", Ref: "RFC 3875, 4.1.18", Needs: App, check: func(p *probe) error {
		s, err := p.environ("GET", "/environ", "", "X-Twice", "one", "X-Twice", "two")
		if err != nil {
			return err
		}
		return differ("HTTP_X_TWICE", strings.ReplaceAll(s.Keys["HTTP_X_TWICE"], ", ", ","), "one,two")
	}},
	{ID: "environ.twofold", Text: "what has a key of its own has none under HTTP_", Ref: "RFC 3875, 4.1.18", Should: true, Needs: App, check: func(p *probe) error {
		s, err := p.environ("POST", "/environ", "x", "Content-Type", "text/x", "Proxy", "http://evil.test/")
		for _, key := range []string{"HTTP_CONTENT_TYPE", "HTTP_CONTENT_LENGTH", "HTTP_PROXY"} {
			if _, ok := s.Keys[key]; ok && err == nil {
				err = fmt.Errorf("there is a key %s: %q", key, s.Keys[key])
			}
		}
		return err
	}},
	{ID: "environ.remote", Text: "REMOTE_ADDR is the client's address where it has one", Ref: "RFC 3875, 4.1.8", Needs: App, check: func(p *probe) error {
		s, err := p.environ("GET", "/environ", "")
		if err == nil && s.Keys["REMOTE_ADDR"] == "" && s.Keys["REMOTE_PORT"] != "" {
			err = fmt.Errorf("REMOTE_PORT is %q, but there is no REMOTE_ADDR", s.Keys["REMOTE_PORT"])
		}
		return err
	}},
	{ID: "environ.version", Text: "wsgi.version is 1.0", Ref: refEnviron, Needs: App, check: func(p *probe) error {
		return p.key("GET", "/environ", "", "wsgi.version", "1.0")
	}},
	{ID: "environ.scheme", Text: "wsgi.url_scheme is http, or https where the client used TLS", Ref: refEnviron, Needs: App, check: func(p *probe) error {
		scheme := "http"
		if p.Scheme == "https" {
			scheme = "https"
		}
		return p.key("GET", "/environ", "", "wsgi.url_scheme", scheme)
	}},
	{ID: "environ.flags", Text: "wsgi.multithread, wsgi.multiprocess and wsgi.run_once are told; a server that lives on does not run once", Ref: refEnviron, Needs: App, check: func(p *probe) error {
		s, err := p.environ("GET", "/environ", "")
		for _, key := range []string{"wsgi.multithread", "wsgi.multiprocess"} {
			if v := s.Keys[key]; err == nil && v != "true" && v != "false" {
				err = fmt.Errorf("%s is %q", key, v)
			}
		}
		if err == nil {
			err = differ("wsgi.run_once", s.Keys["wsgi.run_once"], "false")
		}
		return err
	}},
	{ID: "environ.own", Text: "the environ is the app's own: what it changes does not reach other requests", Ref: refEnviron, Needs: App, check: func(p *probe) error {
		if err := p.want("GET", "/mutate", "", 200, "mutated"); err != nil {
			return err
		}
		s, err := p.environ("GET", "/environ?clean", "")
		for key, value := range s.Keys {
			if err == nil && strings.Contains(strings.ToLower(key+value), "mutated") {
				err = fmt.Errorf("the request after sees %s=%q", key, value)
			}
		}
		return err
	}},
	{ID: "environ.wait", Text: "Context is alive while the app runs, and Wait waits, but not longer than a Context", Ref: "package gateway, Environ", Needs: App, check: func(p *probe) error {
		s, err := p.environ("GET", "/environ", "")
		if err == nil && !s.Alive {
			err = fmt.Errorf("of Context, Errors and Wait one is missing, or Context has ended")
		}
		if err != nil {
			return err
		}
		return p.want("GET", "/wait", "", 200, "waited")
	}},
	{ID: "input.whole", Text: "the input gives the request's body, byte for byte", Ref: refInput, Needs: App, check: func(p *probe) error {
		for _, size := range []int{1, 100, 70_000, 300_000} {
			body := strings.Repeat("0123456789\r\n\x00\xff", size/14+1)[:size]
			if err := p.want("POST", "/echo", body, 200, body); err != nil {
				return err
			}
		}
		return nil
	}},
	{ID: "input.end", Text: "at CONTENT_LENGTH the input ends, however often it is read, and without a body at once", Ref: refInput, Needs: App, check: func(p *probe) error {
		if err := p.want("POST", "/read-past", "12345", 200, "5 bytes, then the end"); err != nil {
			return err
		}
		return p.want("GET", "/read-past", "", 200, "0 bytes, then the end")
	}},
	{ID: "input.unread", Text: "a body that the app does not read does not get into the next request", Ref: refInput, Needs: App, check: func(p *probe) error {
		body := strings.Repeat("GET /smuggled HTTP/1.1\r\nHost: smuggled\r\n\r\n", 100)
		for range 3 {
			if err := p.want("POST", "/unread", body, 200, "unread"); err != nil {
				return err
			}
		}
		return nil
	}},
	{ID: "errors.log", Text: "what the app writes to the error stream is taken, and is not in the answer", Ref: refInput, Needs: App, check: func(p *probe) error {
		return p.want("GET", "/errors", "", 200, "written")
	}},
}

// key asks the app for the value that it sees under key.
func (p *probe) key(method, target, body, key, want string, fields ...string) error {
	s, err := p.environ(method, target, body, fields...)
	if err != nil {
		return err
	}
	return differ(key, s.Keys[key], want)
}

func differ(what, got, want string) error {
	if got == want {
		return nil
	}
	return fmt.Errorf("%s must be %q, not %q", what, want, got)
}
