package enginetest

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/textproto"
	"strings"
	"time"

	"github.com/dynobench/dyno/protocol/gateway"
	"github.com/dynobench/dyno/protocol/protocoltest"
)

// transport asks a server in a gateway protocol and hands the answer on as it
// comes, which protocoltest's Decode does not: one connection for a request.
type transport struct {
	srv *server
	p   Protocol
}

// RoundTrip implements http.RoundTripper.
func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	r := protocoltest.Request{Method: req.Method, Target: req.URL.RequestURI(), Host: req.Host, Body: string(body)}
	for name, values := range req.Header { // a web server joins them
		r.Header = append(r.Header, gateway.Field{Name: name, Value: strings.Join(values, ", ")})
	}
	conn, err := t.srv.connect()
	if err != nil {
		return nil, err
	}
	conn.SetDeadline(time.Now().Add(patience))
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		conn.Write(t.p.Client.Encode(r))
	}()
	closing := &connBody{conn: conn, sent: sent}
	answer := bufio.NewReader(conn)
	if t.p.Client.Reuse { // FastCGI, whose answers are in records
		answer = bufio.NewReader(&records{r: answer})
	}
	resp, err := cgiResponse(answer, req)
	if err != nil {
		closing.Close()
		return nil, err
	}
	closing.Reader = resp.Body
	resp.Body = closing
	return resp, nil
}

// cgiResponse reads a CGI answer as the HTTP that it nearly is.
func cgiResponse(r *bufio.Reader, req *http.Request) (*http.Response, error) {
	line, err := textproto.NewReader(r).ReadLine()
	if err != nil {
		return nil, err
	}
	status, ok := strings.CutPrefix(line, "Status: ")
	if !ok {
		if status, ok = strings.CutPrefix(line, "HTTP/1.1 "); !ok {
			return nil, fmt.Errorf("the answer begins with %q", line)
		}
	}
	head := strings.NewReader("HTTP/1.1 " + status + "\r\nConnection: close\r\n")
	return http.ReadResponse(bufio.NewReader(io.MultiReader(head, r)), req)
}

type connBody struct {
	io.Reader
	conn net.Conn
	sent chan struct{}
}

func (b *connBody) Close() error {
	err := b.conn.Close()
	<-b.sent
	return err
}

// records reads what FCGI_STDOUT records hold, to FCGI_END_REQUEST.
type records struct {
	r     *bufio.Reader
	left  int // of this record's content
	after int // padding behind it
}

func (s *records) Read(p []byte) (int, error) {
	for s.left == 0 {
		if _, err := s.r.Discard(s.after); err != nil {
			return 0, noEnd(err)
		}
		s.after = 0
		var head [8]byte
		if _, err := io.ReadFull(s.r, head[:]); err != nil {
			return 0, noEnd(err)
		}
		s.left, s.after = int(head[4])<<8+int(head[5]), int(head[6])
		switch head[1] {
		case 3:
			return 0, io.EOF
		case 6:
		default:
			return 0, fmt.Errorf("a record of type %d", head[1])
		}
	}
	n, err := s.r.Read(p[:min(len(p), s.left)])
	s.left -= n
	return n, noEnd(err)
}

// noEnd turns the end of the connection into what it is before FCGI_END_REQUEST.
func noEnd(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
