package client

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Transport is an http.RoundTripper over the gateway protocols: the scheme of a
// request's URL says which, as in uwsgi://127.0.0.1:3031/path. There is no usual
// port. The zero value is ready for use, by several goroutines at a time.
//
//	t := &http.Transport{}
//	client.Register(t, &client.Transport{})
//	resp, err := (&http.Client{Transport: t}).Get("fastcgi://127.0.0.1:9000/status")
//
// A request's body is read whole before anything is sent, since its length goes
// ahead of it; an answer's is streamed. Connections are kept with FastCGI only.
type Transport struct {
	// Params are variables beside those of the request, such as
	// SCRIPT_FILENAME; see cgi.ClientRequest.
	Params [][2]string
	// DialContext connects; nil is net.Dialer's. A Unix socket's would ignore
	// the address.
	DialContext func(ctx context.Context, network, addr string) (net.Conn, error)
	// DisableKeepAlives makes a connection for each request.
	DisableKeepAlives bool
	// MaxIdle bounds the connections that are kept for later, to all servers
	// together; 0 means 100.
	MaxIdle int

	mu   sync.Mutex
	idle map[string][]*conn // by address, the latest last
	kept int
}

var _ http.RoundTripper = (*Transport)(nil)

// Register makes t ask URLs of the gateway protocols by own.
func Register(t *http.Transport, own *Transport) {
	for _, p := range All {
		if p.Gateway {
			t.RegisterProtocol(p.Name, own)
		}
	}
}

// RoundTrip implements http.RoundTripper.
func (t *Transport) RoundTrip(q *http.Request) (*http.Response, error) {
	protocol := Lookup(q.URL.Scheme)
	body, err := gather(q)
	if err != nil {
		return nil, err
	}
	if protocol == nil || !protocol.Gateway {
		return nil, fmt.Errorf("client: unknown scheme %q (known: uwsgi, scgi, fastcgi)", q.URL.Scheme)
	}
	keep := protocol.Reuses && !t.DisableKeepAlives && !q.Close
	r := request(q, body)
	r.Params, r.Keep = t.Params, keep
	message, err := protocol.Append(nil, r)
	if err != nil {
		return nil, err
	}
	for {
		c, reused, err := t.conn(q.Context(), protocol, q.URL.Host, keep)
		if err != nil {
			return nil, err
		}
		c.keep = keep
		resp, err := c.roundTrip(q, message)
		// A server may close a kept connection at any time, and a client that
		// takes it at that moment cannot know (RFC 9112, 9.3.1).
		if gone := err == io.EOF || errors.Is(err, syscall.ECONNRESET); gone && reused && repeatable(r.Method) {
			continue
		}
		return resp, err
	}
}

func repeatable(method string) bool {
	switch method {
	case "GET", "HEAD", "OPTIONS", "TRACE":
		return true
	}
	return false
}

// gather reads a request's body and closes it, whatever happens.
func gather(q *http.Request) ([]byte, error) {
	if q.Body == nil {
		return nil, nil
	}
	defer q.Body.Close()
	body, err := io.ReadAll(q.Body)
	if err == nil && q.ContentLength > 0 && int64(len(body)) != q.ContentLength {
		err = fmt.Errorf("client: a body of %d bytes with ContentLength %d", len(body), q.ContentLength)
	}
	return body, err
}

func request(q *http.Request, body []byte) *Request {
	r := &Request{Method: cmp.Or(q.Method, "GET"), Target: q.URL.RequestURI(), Host: cmp.Or(q.Host, q.URL.Host), Body: body}
	for name, values := range q.Header {
		value := strings.Join(values, separator(name)) // one variable holds them all (RFC 3875, 4.1.18)
		if value == "" && (len(values) == 0 || name == "User-Agent") {
			continue // net/http's ways to say none
		}
		r.Header = append(r.Header, [2]string{name, value})
	}
	return r
}

func separator(name string) string {
	if name == "Cookie" {
		return "; " // RFC 6265, 5.4
	}
	return ", "
}

// conn returns a connection to addr, and whether it has been used before.
func (t *Transport) conn(ctx context.Context, p *Protocol, addr string, keep bool) (c *conn, reused bool, err error) {
	key := p.Name + "://" + addr
	if keep {
		if c := t.taken(key); c != nil {
			return c, true, nil
		}
	}
	dial := t.DialContext
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	nc, err := dial(ctx, "tcp", addr)
	if err != nil {
		return nil, false, err
	}
	return newConn(t, key, nc, p), false, nil
}

// taken takes a connection that was kept, or returns nil.
func (t *Transport) taken(key string) *conn {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := t.idle[key]
	if len(all) == 0 {
		return nil
	}
	t.idle[key] = all[:len(all)-1]
	t.kept--
	return all[len(all)-1]
}

// keep puts a connection away, or closes it.
func (t *Transport) keep(c *conn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.kept >= cmp.Or(t.MaxIdle, 100) || c.SetDeadline(time.Time{}) != nil {
		c.Close()
		return
	}
	if t.idle == nil {
		t.idle = map[string][]*conn{}
	}
	t.idle[c.key] = append(t.idle[c.key], c)
	t.kept++
}

// CloseIdleConnections closes the connections that are kept for later.
func (t *Transport) CloseIdleConnections() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, all := range t.idle {
		for _, c := range all {
			c.Close()
		}
	}
	t.idle, t.kept = nil, 0
}
