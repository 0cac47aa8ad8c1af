package enginetest

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"
)

// client is one connection. It fails the test rather than return an error,
// where there is nothing to be learned from one.
type client struct {
	t testing.TB
	net.Conn
	r *bufio.Reader
}

func newClient(t testing.TB, c net.Conn) *client {
	c.SetDeadline(time.Now().Add(patience))
	t.Cleanup(func() { c.Close() })
	return &client{t, c, bufio.NewReader(c)}
}

// response is an answer, whole or with the error that broke it off.
type response struct {
	t testing.TB
	*http.Response
	body []byte
	err  error
}

// text is the body of an answer that must be whole and 200.
func (r response) text() string {
	r.t.Helper()
	if r.err != nil {
		r.t.Fatalf("the answer must be whole: %v", r.err)
	}
	if r.StatusCode != 200 {
		r.t.Fatalf("the answer must be 200, not %s: %s", r.Status, r.body)
	}
	return string(r.body)
}

func (c *client) send(s string) {
	c.t.Helper()
	if _, err := io.WriteString(c, s); err != nil {
		c.t.Fatalf("sending: %v", err)
	}
}

func request(method, path, body string, header ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: test\r\n", method, path)
	if body != "" {
		fmt.Fprintf(&b, "Content-Length: %d\r\n", len(body))
	}
	for _, h := range header {
		b.WriteString(h + "\r\n")
	}
	b.WriteString("\r\n" + body)
	return b.String()
}

// head reads the head of an answer to a request with method.
func (c *client) head(method string) (*http.Response, error) {
	return http.ReadResponse(c.r, &http.Request{Method: method})
}

// receive reads an answer.
func (c *client) receive(method string) response {
	resp, err := c.head(method)
	if err != nil {
		return response{t: c.t, err: err}
	}
	body, err := io.ReadAll(resp.Body)
	return response{c.t, resp, body, err}
}

// length reads an answer of which only the length of the body matters: to keep
// and to copy megabytes is what takes the race detector long.
func (c *client) length(method string) (int64, error) {
	resp, err := c.head(method)
	if err != nil {
		return 0, err
	}
	return io.Copy(io.Discard, resp.Body)
}

func (c *client) get(path string, header ...string) response {
	c.t.Helper()
	c.send(request("GET", path, "", header...))
	return c.receive("GET")
}

// reset closes the connection so that the server sees an error, not an end.
func (c *client) reset() {
	if tcp, ok := c.Conn.(*net.TCPConn); ok {
		tcp.SetLinger(0)
	}
	c.Conn.Close()
}

// closedByServer reads to the end, which must be one, with nothing before it.
func (c *client) closedByServer() error {
	b, err := io.ReadAll(c.r)
	switch {
	case err != nil && !errors.Is(err, syscall.ECONNRESET):
		return err
	case len(b) > 0:
		return fmt.Errorf("%d bytes came, %.60q", len(b), b)
	}
	return nil
}
