package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/dynobench/dyno/protocol/http1"
)

// A conn is a connection of a Transport, with one request at a time.
type conn struct {
	net.Conn
	t       *Transport
	key     string
	answers Answers
	answer  *http1.ResponseParser // what answers reads
	keep    bool                  // asked for

	buf    []byte
	header http.Header
	body   bytes.Buffer // what has come of it and has not been read
}

func newConn(t *Transport, key string, nc net.Conn, p *Protocol) *conn {
	c := &conn{Conn: nc, t: t, key: key, buf: make([]byte, 16<<10)}
	c.answers, c.answer = p.Answers()
	c.answer.Body = func(b []byte) { c.body.Write(b) }
	c.answer.Field = func(name, value []byte) {
		if s := c.answer.Status(); s == 0 || s >= 200 { // not of an interim answer
			c.header.Add(string(name), string(value))
		}
	}
	return c
}

// roundTrip sends message and reads the answer's head. The error is io.EOF if
// the server has closed the connection without a word.
func (c *conn) roundTrip(q *http.Request, message []byte) (*http.Response, error) {
	ctx := q.Context()
	a := &exchange{c: c, ctx: ctx, sent: make(chan error, 1)}
	a.unwatch = context.AfterFunc(ctx, func() { c.SetDeadline(time.Unix(1, 0)) }) //nolint:errcheck // it ends anyway
	c.header = http.Header{}
	c.body.Reset()
	c.answers.Reset(q.Method == http.MethodHead)
	// The answer may come before all has been sent, and may be why not.
	go func() {
		_, err := c.Write(message)
		a.sent <- err
	}()
	for !c.answer.HasHead() {
		if err := a.receive(); err != nil {
			a.end(false)
			return nil, err
		}
	}
	status := c.answer.Status()
	if !c.answer.HasStatusLine() {
		c.header.Del("Status") // CGI's way to tell it
	}
	resp := &http.Response{
		StatusCode: status, Status: fmt.Sprintf("%d %s", status, http.StatusText(status)),
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: c.header, ContentLength: c.answer.Length(), Request: q, Body: a,
	}
	return resp, nil
}

// An exchange is a request under way and the Body of its answer.
type exchange struct {
	c       *conn
	ctx     context.Context
	unwatch func() bool
	sent    chan error // of writing the request, once it is over
	done    bool       // the answer is whole
	ended   bool       // and the connection somebody else's
	err     error
}

// receive reads once from the connection.
func (a *exchange) receive() error {
	n, err := a.c.Read(a.c.buf)
	if n > 0 {
		var used int
		var bad error
		used, a.done, bad = a.c.answers.Parse(a.c.buf[:n])
		if bad == nil && a.done && used < n {
			bad = fmt.Errorf("client: %d bytes behind the answer", n-used)
		}
		if bad != nil {
			return bad
		}
	}
	switch {
	case a.done, err == nil:
		return nil
	case a.ctx.Err() != nil && errors.Is(err, os.ErrDeadlineExceeded):
		return context.Cause(a.ctx)
	case err == io.EOF:
		if err = a.c.answers.EOF(); err == nil {
			a.done = true
		}
	}
	return err
}

// Read implements io.Reader.
func (a *exchange) Read(p []byte) (int, error) {
	switch {
	case a.ended && a.err == nil:
		return 0, http.ErrBodyReadAfterClose
	case len(p) == 0:
		return 0, nil
	}
	for a.err == nil && a.c.body.Len() == 0 && !a.done {
		a.err = a.receive()
	}
	if !a.ended && a.c.body.Len() > 0 {
		return a.c.body.Read(p)
	}
	if a.err == nil {
		a.err = io.EOF
	}
	a.end(a.err == io.EOF)
	return 0, a.err
}

// Close implements io.Closer.
func (a *exchange) Close() error {
	if !a.ended { // or the connection serves another request by now
		a.end(a.done && a.c.body.Len() == 0)
	}
	return nil
}

// end gives the connection back if it can be used again, and closes it if not.
func (a *exchange) end(whole bool) {
	if a.ended {
		return
	}
	a.ended = true
	watched := a.unwatch()
	if whole && watched && a.c.keep && a.c.answers.KeepAlive() {
		a.c.SetWriteDeadline(time.Unix(1, 0)) //nolint:errcheck // it may have been answered before it was whole
		if err := <-a.sent; err == nil {
			a.c.t.keep(a.c)
			return
		}
	}
	a.c.Close()
}
