package conformance

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/textproto"
	"os"
	"strings"
	"syscall"
	"time"
)

// talk is what comes back on one connection.
type talk struct {
	interim []int // statuses of interim answers
	answers []answer
	// err is what ended it: nil where the server has closed behind the last
	// answer, a time-out where it keeps the connection.
	err error
}

// say sends raw bytes on a connection of their own and reads answers until the
// server closes or is silent for too long, at most one for each method and one
// more, which nobody has asked for. Of an answer to HEAD no body is read.
//
// Raw text should end with a request that makes the server close: waiting for
// what does not come costs the whole Patience.
func (p *probe) say(raw string, methods ...string) (t talk, err error) {
	p.close()
	conn, err := p.dial()
	if err != nil {
		return t, err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(p.Patience)) //nolint:errcheck // a connection of the net package takes it
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		io.WriteString(conn, raw) //nolint:errcheck // a server may refuse before it has all
	}()
	t.hear(p.listen(conn), methods)
	conn.Close()
	<-sent
	return t, nil
}

// inTurn is say of requests each of which is sent when the one before has been answered.
func (p *probe) inTurn(methods []string, requests ...string) (t talk, err error) {
	p.close()
	conn, err := p.dial()
	if err != nil {
		return t, err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(p.Patience)) //nolint:errcheck // a connection of the net package takes it
	l := p.listen(conn)
	for i, raw := range requests {
		io.WriteString(conn, raw) //nolint:errcheck // what has been closed is read to its end
		if !t.next(l, methods[i]) {
			return t, nil
		}
	}
	t.next(l, http.MethodGet)
	return t, nil
}

// listener keeps what it has read. It waits for each answer as long as the
// probe's patience lasts.
type listener struct {
	*bufio.Reader
	p     *probe
	conn  net.Conn
	heard bytes.Buffer
}

func (p *probe) listen(conn net.Conn) *listener {
	l := &listener{p: p, conn: conn}
	l.Reader = bufio.NewReader(io.TeeReader(conn, &l.heard))
	return l
}

// at is how much of it has been used.
func (l *listener) at() int { return l.heard.Len() - l.Buffered() }

func (t *talk) hear(l *listener, methods []string) {
	for i := 0; i <= len(methods); i++ {
		method := http.MethodGet
		if i < len(methods) {
			method = methods[i]
		}
		if !t.next(l, method) {
			return
		}
	}
}

// next reads the answer to a request with method, and tells whether there was one,
// and whole.
func (t *talk) next(l *listener, method string) bool {
	for {
		l.conn.SetDeadline(time.Now().Add(l.p.Patience)) //nolint:errcheck // a connection of the net package takes it
		if _, t.err = l.Peek(1); t.err != nil {
			if t.err == io.EOF {
				t.err = nil
			}
			return false
		}
		from := l.at()
		var resp *http.Response
		if resp, t.err = http.ReadResponse(l.Reader, &http.Request{Method: method}); t.err != nil {
			return false
		}
		if resp.StatusCode < 200 && resp.StatusCode != http.StatusSwitchingProtocols {
			t.interim = append(t.interim, resp.StatusCode)
			continue
		}
		a := fromResponse(resp)
		a.head = string(l.heard.Bytes()[from:l.at()])
		body, err := io.ReadAll(io.LimitReader(resp.Body, 64<<20))
		a.body, a.err = string(body), err
		t.answers = append(t.answers, a)
		if a.status == http.StatusTooManyRequests || a.status == http.StatusServiceUnavailable {
			l.p.turnedAway = a.status
		}
		t.err = err
		return err == nil
	}
}

// waits tells whether the server has kept the connection, and said no more.
func (t *talk) waits() bool { return errors.Is(t.err, os.ErrDeadlineExceeded) }

// closed tells whether the server has ended the connection, politely or not.
func (t *talk) closed() bool {
	return t.err == nil || errors.Is(t.err, syscall.ECONNRESET) || errors.Is(t.err, syscall.EPIPE) || errors.Is(t.err, io.ErrUnexpectedEOF)
}

func (t *talk) String() string {
	var parts []string
	for _, n := range t.interim {
		parts = append(parts, fmt.Sprintf("interim %d", n))
	}
	for _, a := range t.answers {
		parts = append(parts, a.String())
	}
	switch {
	case t.err == nil:
		parts = append(parts, "the end")
	case t.closed():
		parts = append(parts, "a reset")
	default:
		parts = append(parts, t.err.Error())
	}
	return strings.Join(parts, ", then ")
}

// request is the text of a request. Fields are whole lines without their end.
func (p *probe) request(method, target, body string, fields ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: %s\r\n", method, target, p.Host)
	for _, f := range fields {
		b.WriteString(f + "\r\n")
	}
	if body != "" {
		fmt.Fprintf(&b, "Content-Length: %d\r\n", len(body))
	}
	return b.String() + "\r\n" + body
}

// last is a request after which the server closes.
func (p *probe) last() string { return p.request("GET", p.Path, "", "Connection: close") }

// normal is the answer to an ordinary request, which others are held against.
func (p *probe) normal() (answer, error) {
	t, err := p.say(p.last(), "GET")
	switch {
	case err != nil:
		return answer{}, err
	case len(t.answers) == 0 && t.waits():
		return answer{}, cannotTell("an ordinary GET %s is not answered within %v; a server that takes longer needs more patience", p.Path, p.Patience)
	case len(t.answers) == 0 || t.answers[0].err != nil:
		return answer{}, fmt.Errorf("an ordinary GET %s must be answered; got %v", p.Path, &t)
	}
	return t.answers[0], nil
}

// same says raw and expects, for each method, an answer with the status of the
// normal one.
func (p *probe) same(raw string, methods ...string) (talk, error) {
	normal, err := p.normal()
	if err != nil {
		return talk{}, err
	}
	t, err := p.say(raw, methods...)
	if err != nil {
		return t, err
	}
	for i, a := range t.answers {
		if i < len(methods) && (a.err != nil || a.status != normal.status) {
			return t, fmt.Errorf("answer %d of %d must be %d; got %v", i+1, len(methods), normal.status, &t)
		}
		if a.close && i+1 < len(methods) {
			return t, cannotTell("the server closes after an answer, and says so")
		}
	}
	if len(t.answers) < len(methods) && len(t.answers) > 0 && t.closed() {
		return t, cannotTell("the server closes before it has answered all, as it may at any time (RFC 9112, 9.3.2)")
	}
	if len(t.answers) != len(methods) {
		return t, fmt.Errorf("there must be %d answers; got %v", len(methods), &t)
	}
	return t, nil
}

// value is what a field of an answer says, for a message.
func value(h http.Header, name string) string {
	values, ok := h[textproto.CanonicalMIMEHeaderKey(name)]
	if !ok {
		return "no " + name
	}
	return fmt.Sprintf("%s: %q", name, strings.Join(values, ", "))
}
