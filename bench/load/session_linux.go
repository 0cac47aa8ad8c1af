package load

import (
	"crypto/tls"
	"io"
	"iter"
	"net"
	"time"
)

// A session is the TLS of one connection: a tls.Conn over memory, which the
// loop feeds with what has come and empties of what is to be sent.
//
// crypto/tls wants a connection that blocks. The handshake gets one: it runs in
// a coroutine, which Read suspends when all that has come is taken. Afterwards
// nothing has to block: a Read that has nothing fails with errDrained, and as
// that is temporary, tls.Conn keeps the part of a record that it has and goes
// on with the next call. The coroutine ends with the handshake, and an idle
// connection has no stack.
//
// Three other ways were weighed. A coroutine for every read takes a fifth more
// for an exchange (BenchmarkSession: 0.75 µs where this takes 0.63) and keeps a
// stack for each connection. Records sealed and opened by code of our own would
// save two small allocations for each answer, but their keys leave crypto/tls by
// KeyLogWriter alone, and each rule of the record layer would be there twice.
// The kernel's TLS has the same want of keys, and is missing on many hosts.
type session struct {
	conn  *tls.Conn
	in    []byte // has come and is not taken; the transport's, valid during a call
	out   []byte // is to be sent
	spare []byte // the memory of what was sent last, and
	lent  int64  // in which turn of the loop
	gone  bool   // nothing more will come
	hung  bool   // the server has ended TLS in form, or broken it

	plain []byte // of what is being sent, not yet sealed
	kept  []byte // plain's memory where it is not the caller's for long

	began int64 // when the handshake did
	next  func() (struct{}, bool)
	stop  func() // of next
	yield func(struct{}) bool
	err   error // of the handshake
}

// errDrained is what a Read fails with that would have to wait.
var errDrained net.Error = drained{}

type drained struct{}

func (drained) Error() string   { return "nothing more has come" }
func (drained) Timeout() bool   { return true }
func (drained) Temporary() bool { return true }

// begin makes s ready for a new connection.
func (s *session) begin(config *tls.Config, at int64) {
	s.forget()
	s.began = at
	s.conn = tls.Client(s, config)
	s.next, s.stop = iter.Pull(func(yield func(struct{}) bool) {
		s.yield = yield
		s.err = s.conn.Handshake()
		s.yield = nil
	})
}

// forget leaves its memory only.
func (s *session) forget() {
	*s = session{out: s.out[:0], spare: s.spare, lent: s.lent, kept: s.kept[:0]}
}

// shake goes on with the handshake and tells whether it has ended.
func (s *session) shake() bool {
	_, more := s.next()
	return !more
}

// open decrypts into b what has come. It fails with errDrained when all is
// taken, n bytes may have come all the same.
func (s *session) open(b []byte) (n int, err error) {
	for n < len(b) && err == nil {
		var k int
		k, err = s.conn.Read(b[n:])
		n += k
	}
	return n, err
}

// Read implements net.Conn.
func (s *session) Read(b []byte) (int, error) {
	for len(s.in) == 0 {
		switch {
		case s.gone:
			return 0, io.EOF
		case s.yield == nil:
			return 0, errDrained
		case !s.yield(struct{}{}): // stopped
			return 0, net.ErrClosed
		}
	}
	n := copy(b, s.in)
	s.in = s.in[n:]
	return n, nil
}

// Write implements net.Conn.
func (s *session) Write(b []byte) (int, error) {
	s.out = append(s.out, b...)
	return len(b), nil
}

// The rest of net.Conn is of no use here.

func (s *session) Close() error                     { return nil }
func (s *session) LocalAddr() net.Addr              { return nowhere }
func (s *session) RemoteAddr() net.Addr             { return nowhere }
func (s *session) SetDeadline(time.Time) error      { return nil }
func (s *session) SetReadDeadline(time.Time) error  { return nil }
func (s *session) SetWriteDeadline(time.Time) error { return nil }

var _ net.Conn = (*session)(nil)

var nowhere = &net.UnixAddr{}
