package enginetest

import (
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/dynobench/dyno/protocol"
	"github.com/dynobench/dyno/protocol/protocoltest"
)

// Protocol is a wire protocol with a client for it.
type Protocol struct {
	Codec  protocol.Codec
	Client protocoltest.Client
}

// RunProtocol runs over another protocol than HTTP what an engine's part in a
// protocol could spoil: keeping or closing connections, the framing by their
// end, refusals that the client must get to see, the drain.
func RunProtocol(t *testing.T, s Subject, p Protocol) {
	s.Codec = p.Codec
	for _, c := range []struct {
		name string
		run  func(*testing.T, Subject, Protocol)
	}{
		{"answers", protocolAnswers},
		{"concurrent clients", protocolConcurrent},
		{"failures", protocolFailures},
		{"refusals", protocolRefusals},
		{"slow clients", protocolSlow},
		{"drain", protocolDrain},
		{"unix socket", protocolUnix},
		{"PROXY header", protocolProxied},
		{"conformance", protocolConformance},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(t, s, p) })
	}
}

// asker is a client of a server, of one connection where the protocol and the
// engine keep them.
type asker struct {
	srv   *server
	p     Protocol
	conn  net.Conn
	reuse bool
}

func newAsker(srv *server, p Protocol) *asker {
	return &asker{srv: srv, p: p, reuse: p.Client.Reuse && !srv.traits.OneShot}
}

func (a *asker) close() {
	if a.conn != nil {
		a.conn.Close()
		a.conn = nil
	}
}

// send sends a request, on the connection that there is if it may be used again.
func (a *asker) send(method, target, body string) error {
	if a.conn == nil {
		c, err := a.srv.connect()
		if err != nil {
			return err
		}
		a.conn = newClient(a.srv.t, c).Conn
	}
	stream := a.p.Client.Encode(protocoltest.Request{Method: method, Target: target, Host: "test", Body: body})
	conn := a.conn
	go conn.Write(stream) // the answer may come first, and tell what is wrong
	return nil
}

// receive reads the answer. Its error is also that of an answer that is not whole.
func (a *asker) receive(method string) (protocoltest.Response, error) {
	var all []byte
	buf := make([]byte, 64<<10)
	for {
		n, err := a.conn.Read(buf)
		all = append(all, buf[:n]...)
		if err != nil || a.reuse && len(all) < 1<<20 { // what ends with the connection, and what is long, is decoded once
			r, rest, decoded := a.p.Client.Decode(method, all, err == io.EOF)
			switch {
			case decoded == nil && len(rest) > 0:
				return r, fmt.Errorf("%d bytes behind the answer", len(rest))
			case decoded == nil:
				if !a.reuse {
					a.close()
				}
				return r, nil
			case err == nil && !errors.Is(decoded, io.ErrUnexpectedEOF) && !strings.Contains(decoded.Error(), "half a record"):
				return r, decoded
			}
		}
		if err != nil {
			a.close()
			return protocoltest.Response{}, err
		}
	}
}

func (a *asker) ask(method, target, body string) (protocoltest.Response, error) {
	if err := a.send(method, target, body); err != nil {
		return protocoltest.Response{}, err
	}
	return a.receive(method)
}

func (a *asker) expect(method, target, body string, status int, want string) {
	a.srv.t.Helper()
	r, err := a.ask(method, target, body)
	if err != nil || r.Status != status || r.Body != want {
		a.srv.t.Errorf("%s %s must be answered %d with %d bytes, not %d with %d bytes %.60q, %v",
			method, target, status, len(want), r.Status, len(r.Body), r.Body, err)
	}
}

func protocolAnswers(t *testing.T, s Subject, p Protocol) {
	srv := s.start(t, options{})
	a := newAsker(srv, p)
	defer a.close()
	large := strings.Repeat("0123456789abcde\n", 15_000)
	for range 2 {
		a.expect("GET", "/hello", "", 200, Hello)
		a.expect("GET", "/where?x=%20", "", 200, "/where?x=%20 ")
		a.expect("HEAD", "/hello", "", 200, "")
		a.expect("GET", "/n%6Fne", "", 404, "/none")
		a.expect("POST", "/echo", large, 200, large)
		a.expect("GET", "/yield?n=100", "", 200, "yielded")
		a.expect("GET", "/stream?n=7&size=65536", "", 200, strings.Repeat(string(block), 7))
	}
	srv.eventually("each request counts once", func() bool { return srv.engine.Stats().Requests == 14 })
}

func protocolConcurrent(t *testing.T, s Subject, p Protocol) {
	srv := s.start(t, options{})
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			a := newAsker(srv, p)
			defer a.close()
			for j := range 10 {
				want := fmt.Sprintf("client %d request %d", i, j)
				if r, err := a.ask("POST", "/echo", want); err != nil || r.Body != want {
					t.Errorf("%q got %q, %v", want, r.Body, err)
					return
				}
			}
		})
	}
	wg.Wait()
}

func protocolFailures(t *testing.T, s Subject, p Protocol) {
	srv := s.start(t, options{})
	a := newAsker(srv, p)
	defer a.close()
	if r, err := a.ask("GET", "/panic", ""); err != nil || r.Status != 500 {
		t.Errorf("a panic before the first byte must be a 500: %+v, %v", r, err)
	}
	if r, err := a.ask("GET", "/panic-late", ""); err == nil {
		t.Errorf("a panic after the first byte must cut the connection: the client takes %d bytes for whole", len(r.Body))
	}
	srv.eventually("bodies must be closed and slots free", func() bool {
		return srv.app.Open.Load() == 0 && srv.engine.Stats().Busy == 0
	})
	if r, err := a.ask("GET", "/abort", ""); err == nil {
		t.Errorf("an answer that is broken off before its first byte must be none: %+v", r)
	}
	a.close()
	a.expect("GET", "/hello", "", 200, Hello)
}

func protocolRefusals(t *testing.T, s Subject, p Protocol) {
	srv := s.start(t, options{limits: protocol.Limits{Body: 1 << 10}})
	a := newAsker(srv, p)
	defer a.close()
	if r, err := a.ask("POST", "/echo", strings.Repeat("x", 100_000)); err != nil || r.Status != 413 {
		t.Errorf("a body over the limit must be answered 413: %+v, %v", r, err)
	}
	a.close()
	full := newAsker(s.start(t, options{limits: protocol.Limits{Body: 1 << 20, Bodies: 1 << 18}}), p)
	defer full.close()
	if r, err := full.ask("POST", "/echo", strings.Repeat("x", 1<<19)); err != nil || r.Status != 503 {
		t.Errorf("a body that there is no room for must be answered 503: %+v, %v", r, err)
	}
	full.close()
	full.srv.eventually("what it has held must be given back", func() bool { return full.srv.svc.Counters.Held.Load() == 0 })
	full.expect("POST", "/echo", strings.Repeat("x", 1<<17), 200, strings.Repeat("x", 1<<17))
	c := srv.dial()
	c.send("GET / HTTP/1.1\r\nHost: test\r\n\r\n")
	if _, err := io.ReadAll(c.r); err != nil {
		t.Errorf("what is another protocol must end the connection: %v", err)
	}
	c.Close()
	a.expect("GET", "/hello", "", 200, Hello)
}

func protocolDrain(t *testing.T, s Subject, p Protocol) {
	srv := s.start(t, options{})
	a := newAsker(srv, p)
	defer a.close()
	if err := a.send("GET", "/hold", ""); err != nil {
		t.Fatal(err)
	}
	srv.eventually("the request must reach the app", func() bool { return srv.app.Started.Load() == 1 })
	srv.stop()
	srv.refuses()
	close(srv.app.Release)
	if r, err := a.receive("GET"); err != nil || r.Body != "held" {
		t.Errorf("a request in flight must be answered in a drain: %+v, %v", r, err)
	}
	if err := srv.wait(); err != nil {
		t.Errorf("a drain in time must return nil, not %v", err)
	}
}

func protocolUnix(t *testing.T, s Subject, p Protocol) {
	srv := s.start(t, options{listen: "unix:" + filepath.Join(t.TempDir(), "s")})
	a := newAsker(srv, p)
	defer a.close()
	a.expect("POST", "/echo", "by a file", 200, "by a file")
}
