package conformance

import (
	"crypto/rand"
	"fmt"
	"io"
	"strings"
	"time"
)

const (
	refOrder  = "PEP 3333, Buffering and Streaming"
	refLength = "PEP 3333, Handling the Content-Length Header"
	refClose  = "PEP 3333, Specification Details"
	refFile   = "PEP 3333, Optional Platform-Specific File Handling"
)

var bodyRules = []Rule{
	{ID: "body.order", Text: "all chunks leave, whole and in their order, before the next one is asked for", Ref: refOrder, Needs: App, check: func(p *probe) error {
		for _, size := range []int{1, 1000, 1 << 16} {
			var want strings.Builder
			for i := range 12 {
				want.WriteString(strings.Repeat(string(rune('a'+i%26)), size))
			}
			if err := p.want("GET", fmt.Sprintf("/chunks?n=12&size=%d", size), "", 200, want.String()); err != nil {
				return err
			}
		}
		return nil
	}},
	{ID: "body.undelayed", Text: "a chunk is not held back until there is more", Ref: refOrder, Needs: App, check: func(p *probe) error {
		var apart time.Duration
		for range 5 { // a busy machine may hold up the client for as long as the app pauses
			resp, done, err := p.open("GET", "/pause", "")
			if err != nil {
				return err
			}
			_, err = io.ReadFull(resp.Body, make([]byte, len("first")))
			first := time.Now()
			rest, restErr := io.ReadAll(resp.Body)
			apart = time.Since(first)
			resp.Body.Close()
			done()
			if err != nil || restErr != nil || string(rest) != "second" {
				return fmt.Errorf("got %q, %v, %v behind the first chunk", rest, err, restErr)
			}
			if apart >= pause/2 {
				return nil
			}
		}
		return fmt.Errorf("the first chunk came %v before the second, which the app holds back for %v", apart, pause)
	}},
	{ID: "body.empty-chunks", Text: "empty chunks are legal and send nothing, least of all an end", Ref: refOrder, Needs: App, check: func(p *probe) error {
		return p.want("GET", "/empties", "", 200, "xxx")
	}},
	{ID: "body.none", Text: "a body may be nil, or have no chunk at all", Ref: refClose, Needs: App, check: func(p *probe) error {
		for _, path := range []string{"/nil", "/nothing"} {
			if err := p.want("GET", path, "", 200, ""); err != nil {
				return err
			}
		}
		return nil
	}},
	{ID: "body.length-known", Text: "a body of one chunk gets a Content-Length", Ref: refLength, Should: true, Needs: App, check: func(p *probe) error {
		if a := p.ask("GET", "/hello", ""); a.err != nil || a.length != int64(len(hello)) {
			return fmt.Errorf("Content-Length must be %d, not %d; got %v", len(hello), a.length, a)
		}
		return nil
	}},
	{ID: "body.length-exact", Text: "a declared Content-Length that the body keeps arrives as declared", Ref: refLength, Needs: App, check: func(p *probe) error {
		a := p.ask("GET", "/length?declared=1000&give=1000&size=300", "")
		if a.err != nil || a.length != 1000 || len(a.body) != 1000 {
			return fmt.Errorf("got %v, Content-Length %d", a, a.length)
		}
		return nil
	}},
	{ID: "body.too-long", Text: "no more bytes leave than Content-Length says, and what follows is answered right", Ref: refLength, Needs: App, check: func(p *probe) error {
		for _, size := range []int{50, 300} {
			a := p.ask("GET", fmt.Sprintf("/length?declared=100&give=300&size=%d", size), "")
			if a.err != nil || a.length != 100 || len(a.body) != 100 {
				return fmt.Errorf("100 bytes are declared, 300 given; got %v", a)
			}
			if err := p.want("GET", "/hello", "", 200, hello); err != nil {
				return err
			}
		}
		return nil
	}},
	{ID: "body.too-short", Text: "a body shorter than its Content-Length is told to the client, by a cut connection or a 500", Ref: refLength, Needs: App, check: func(p *probe) error {
		for _, give := range []int{0, 60} {
			a := p.ask("GET", fmt.Sprintf("/length?declared=100&give=%d&size=30", give), "")
			if a.err == nil && a.status == 200 {
				return fmt.Errorf("100 bytes are declared, %d given; the client takes it for whole: %v", give, a)
			}
		}
		return p.want("GET", "/hello", "", 200, hello)
	}},
	{ID: "body.length-unknown", Text: "a body of unknown length arrives whole, and its end can be told from a cut", Ref: refLength, Needs: App, check: func(p *probe) error {
		a := p.ask("GET", "/chunks?n=3&size=5", "")
		if a.err != nil || a.body != "aaaaabbbbbccccc" || a.length >= 0 && a.length != 15 {
			return fmt.Errorf("got %v, Content-Length %d", a, a.length)
		}
		return nil
	}},
	{ID: "body.head", Text: "HEAD is answered with GET's status and header and without a body", Ref: "RFC 9110, 9.3.2", Needs: App, check: func(p *probe) error {
		for _, path := range []string{"/hello", "/chunks?n=2&size=3", "/length?declared=10&give=10"} {
			if a := p.ask("HEAD", path, ""); a.err != nil || a.status != 200 || a.body != "" || a.header.Get("Content-Type") != "text/plain" {
				return fmt.Errorf("HEAD %s: got %v with %v", path, a, a.header)
			}
			if err := p.want("GET", "/hello", "", 200, hello); err != nil { // what follows is not a body
				return err
			}
		}
		return nil
	}},
	{ID: "body.bodyless", Text: "204 and 304 have no body, whatever the app gives", Ref: "RFC 9112, 6.3", Needs: App, check: func(p *probe) error {
		for _, code := range []int{204, 304} {
			a := p.ask("GET", fmt.Sprintf("/bodyless?code=%d", code), "")
			if a.err != nil || a.status != code || a.body != "" || a.header.Get("X-Bodyless") != "yes" || code == 204 && a.length >= 0 {
				return fmt.Errorf("got %v with %v", a, a.header)
			}
			if err := p.want("GET", "/hello", "", 200, hello); err != nil {
				return err
			}
		}
		return nil
	}},
	{ID: "body.fails-early", Text: "an error or a panic before the first byte is a 500, and the server lives on", Ref: refError, Needs: App, check: func(p *probe) error {
		for _, path := range []string{"/fail", "/panic"} {
			if a := p.ask("GET", path, ""); a.err != nil || a.status != 500 {
				return fmt.Errorf("GET %s must be answered 500; got %v", path, a)
			}
		}
		return p.want("GET", "/hello", "", 200, hello)
	}},
	{ID: "body.fails-late", Text: "an error or a panic after it cuts the connection, and the server lives on", Ref: refError, Needs: App, check: func(p *probe) error {
		for _, path := range []string{"/fail-late", "/panic-late"} {
			if err := p.cut(path); err != nil {
				return err
			}
		}
		return p.want("GET", "/hello", "", 200, hello)
	}},
	{ID: "body.file", Text: "a file as a body arrives whole, with its length, however it is sent", Ref: refFile, Needs: App, check: func(p *probe) error {
		want := strings.Repeat("0123456789", fileSize/10)
		a := p.ask("GET", "/file", "")
		if a.err != nil || a.body != want || a.length != fileSize {
			return fmt.Errorf("got %d of %d bytes, Content-Length %d: %v", len(a.body), fileSize, a.length, a.err)
		}
		return nil
	}},
}

var closeRules = []Rule{
	closes("close.whole", "close is called once after a whole answer", "/chunks?n=3&size=3", "GET", true),
	closes("close.head", "close is called once where the body was left out", "/chunks?n=3&size=3", "HEAD", true),
	closes("close.file", "close is called once on a file", "/file?", "GET", true),
	closes("close.failed", "close is called once after a failure before the first byte", "/fail-started?", "GET", true),
	closes("close.cut", "close is called once after a failure later", "/panic-late?", "GET", false),
	closes("close.changed", "close is called once after an answer that start has cut", "/change-late?", "GET", false),
	{ID: "close.gone", Text: "close is called once when the client is gone", Ref: refClose, Needs: App, check: func(p *probe) error {
		token := rand.Text()
		resp, done, err := p.open("GET", "/endless?token="+token, "")
		if err != nil {
			return err
		}
		_, err = io.ReadFull(resp.Body, make([]byte, 100_000))
		resp.Body.Close()
		done()
		if err != nil {
			return err
		}
		return p.closedOnce(token)
	}},
	{ID: "close.fails", Text: "a close that panics spoils nothing", Ref: refError, Needs: App, check: func(p *probe) error {
		if err := p.want("GET", "/panic-in-close", "", 200, "whole"); err != nil {
			return err
		}
		return p.want("GET", "/hello", "", 200, hello)
	}},
	{ID: "lint.engine", Text: "in all of this the engine has kept its half of the contract, as Lint sees it", Ref: "package gateway, Lint", Needs: App, check: func(p *probe) error {
		for range 8 { // as many processes as that
			p.close()
			if a := p.ask("GET", "/said?token=lint", ""); a.err != nil || a.body != "" {
				return fmt.Errorf("got %v", a)
			}
		}
		return nil
	}},
}

func closes(id, text, target, method string, whole bool) Rule {
	return Rule{ID: id, Text: text, Ref: refClose, Needs: App, check: func(p *probe) error {
		token := rand.Text()
		if a := p.ask(method, target+"&token="+token, ""); whole && a.err != nil {
			return fmt.Errorf("got %v", a)
		}
		return p.closedOnce(token)
	}}
}

// closedOnce waits for the body's end. A second Close would follow at once, so
// that the same server must say the same after another request.
func (p *probe) closedOnce(token string) error {
	said, err := p.said(token)
	if err != nil {
		return fmt.Errorf("the body has not been closed: %w", err)
	}
	if n := strings.Count(said, "closed\n"); n != 1 {
		return fmt.Errorf("the body has been closed %d times", n)
	}
	return nil
}
