package conformance

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// probe is what a check asks with.
type probe struct {
	Server
	ctx  context.Context
	http *oneConn

	turnedAway int // 429 or 503, if a request has been answered so
}

// close leaves no connection behind: a server may serve only one at a time.
func (p *probe) close() {
	if idle, ok := p.transport().(interface{ CloseIdleConnections() }); ok {
		idle.CloseIdleConnections()
	}
}

func (p *probe) transport() http.RoundTripper {
	if p.Transport != nil {
		return p.Transport
	}
	if p.http == nil {
		p.http = &oneConn{p: p}
	}
	return p.http
}

// answer is an answer as a client sees it. err is why it is not whole.
type answer struct {
	status int
	header http.Header
	length int64 // Content-Length, −1 if not stated
	body   string
	close  bool // the server says that it closes
	proto  string
	head   string // as it came, where it was heard on a connection
	chunks bool
	// trailer is what came behind the body; nil if nothing was announced.
	trailer http.Header
	err     error
}

func (a answer) String() string {
	if a.status == 0 {
		return fmt.Sprintf("no answer (%v)", a.err)
	}
	s := fmt.Sprintf("%d with %d bytes %.80q", a.status, len(a.body), a.body)
	if a.err != nil {
		s += fmt.Sprintf(" (broken off: %v)", a.err)
	}
	return s
}

// ask sends a request for target by the server's protocol.
func (p *probe) ask(method, target, body string, fields ...string) answer {
	return p.read(p.open(method, target, body, fields...))
}

// open sends a request and returns once the head of the answer is there.
func (p *probe) open(method, target, body string, fields ...string) (*http.Response, func(), error) {
	ctx, cancel := context.WithTimeout(p.ctx, p.Patience)
	req, err := http.NewRequestWithContext(ctx, method, p.Scheme+"://"+p.Host+target, strings.NewReader(body))
	if err != nil {
		cancel()
		return nil, nil, err
	}
	for i := 0; i+1 < len(fields); i += 2 {
		req.Header[fields[i]] = append(req.Header[fields[i]], fields[i+1])
	}
	resp, err := p.transport().RoundTrip(req)
	if err != nil {
		cancel()
		return nil, nil, err
	}
	return resp, cancel, nil
}

func (p *probe) read(resp *http.Response, done func(), err error) answer {
	if err != nil {
		return answer{err: err, length: -1}
	}
	defer done()
	defer resp.Body.Close()
	a := fromResponse(resp)
	body, err := io.ReadAll(io.LimitReader(resp.Body, 64<<20))
	a.body, a.err = string(body), err
	return a
}

func fromResponse(r *http.Response) answer {
	a := answer{status: r.StatusCode, header: r.Header, length: -1, close: r.Close, proto: r.Proto, chunks: len(r.TransferEncoding) > 0, trailer: r.Trailer}
	if _, ok := r.Header["Content-Length"]; ok {
		fmt.Sscan(r.Header.Get("Content-Length"), &a.length) //nolint:errcheck // stays −1
	}
	return a
}

// want asks for target, which must be answered with status and body.
func (p *probe) want(method, target, sent string, status int, body string) error {
	a := p.ask(method, target, sent)
	if a.err != nil || a.status != status || a.body != body {
		return fmt.Errorf("%s %s must be answered %d with %d bytes %.40q; got %v", method, target, status, len(body), body, a)
	}
	return nil
}

// environ asks the app what it sees.
func (p *probe) environ(method, target, body string, fields ...string) (seen, error) {
	var s seen
	a := p.ask(method, target, body, fields...)
	if a.err != nil || a.status != 200 {
		return s, fmt.Errorf("the app must be asked and answer 200; got %v", a)
	}
	return s, json.Unmarshal([]byte(a.body), &s)
}

// said waits until the app, in whichever process, has noted something for
// token, and returns that.
func (p *probe) said(token string) (string, error) {
	for end := time.Now().Add(p.Patience); ; time.Sleep(2 * time.Millisecond) {
		p.close() // another connection may reach another process
		a := p.ask("GET", "/said?token="+token, "")
		if a.status == 200 && a.body != "" {
			return a.body, nil
		}
		if time.Now().After(end) || p.ctx.Err() != nil {
			return "", fmt.Errorf("within %v the app has not been told", p.Patience)
		}
	}
}

// oneConn asks over one connection, for as long as the server keeps it.
type oneConn struct {
	p    *probe
	conn net.Conn
	r    *bufio.Reader
}

// RoundTrip implements http.RoundTripper.
func (c *oneConn) RoundTrip(req *http.Request) (*http.Response, error) {
	if c.conn == nil {
		conn, err := c.p.dial()
		if err != nil {
			return nil, err
		}
		c.conn, c.r = conn, bufio.NewReader(conn)
	}
	deadline, _ := req.Context().Deadline()
	c.conn.SetDeadline(deadline) //nolint:errcheck // a connection of the net package takes it
	sent := make(chan error, 1)
	go func(conn net.Conn) { sent <- req.Write(conn) }(c.conn)
	resp, err := http.ReadResponse(c.r, req)
	for err == nil && resp.StatusCode == http.StatusContinue {
		resp, err = http.ReadResponse(c.r, req)
	}
	if err != nil {
		c.CloseIdleConnections()
		<-sent
		return nil, err
	}
	resp.Body = &oneBody{ReadCloser: resp.Body, c: c, sent: sent, keep: !resp.Close}
	return resp, nil
}

// CloseIdleConnections closes the connection.
func (c *oneConn) CloseIdleConnections() {
	if c.conn != nil {
		c.conn.Close()
		c.conn = nil
	}
}

type oneBody struct {
	io.ReadCloser
	c     *oneConn
	sent  chan error
	keep  bool
	whole bool
}

func (b *oneBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.whole = b.whole || err == io.EOF
	return n, err
}

func (b *oneBody) Close() error {
	if b.sent == nil {
		return nil
	}
	if !b.keep || !b.whole {
		b.c.CloseIdleConnections() // first: what is being sent ends with it
	}
	<-b.sent
	b.sent = nil
	return nil
}

func (p *probe) dial() (net.Conn, error) {
	ctx, cancel := context.WithTimeout(p.ctx, p.Patience)
	defer cancel()
	return p.Dial(ctx)
}
