package native

import (
	"errors"
	"io"

	"golang.org/x/sys/unix"

	"github.com/dynobench/dyno/bench/load/netio"
	"github.com/dynobench/dyno/bench/load/plan"
	"github.com/dynobench/dyno/bench/load/record"
)

// secured is the transport of https: TLS over another transport. To the thread
// a connection stands once the handshake is done, so that it is a part of
// connecting, and bytes are those that were sealed. To the transport below it
// is the thread.
//
// A request's clock is read before it is sealed, and an answer's before it is
// opened: sealing is a part of the latency, opening is not.
type secured struct {
	*thread
	below transport
	plain []byte // what has been opened
	turn  int64  // of the loop
}

var (
	_ transport = (*secured)(nil)
	_ events    = (*secured)(nil)
)

// sealAtOnce is how much of a long request is sealed at a time: the next piece
// is when this one has been taken.
const sealAtOnce = 256 << 10

func newSecured(t *thread) (transport, error) {
	u := &secured{thread: t, plain: make([]byte, netio.ReadBuffer), turn: 1}
	var err error
	if u.below, err = newPlain(t, u); err != nil {
		return nil, err
	}
	return u, nil
}

func (u *secured) wait(until int64) {
	u.turn++
	u.below.wait(until)
}

func (u *secured) close() { u.below.close() }

func (u *secured) open(s *slot, connecting bool) { u.below.open(s, connecting) }

// connected begins the handshake.
func (u *secured) connected(s *slot) {
	if s.tls == nil {
		s.tls = new(netio.Session)
	}
	s.state = securing
	s.tls.Begin(u.job.tls, record.Now())
	u.shake(s)
}

// shake goes on with the handshake.
func (u *secured) shake(s *slot) {
	c := s.tls
	if !c.Shake() {
		u.flush(s)
		return
	}
	if c.Err != nil {
		u.flush(s) // the alert that says why
		if s.state == securing {
			u.refuse(s, plan.HandshakeError(c.Err), record.Now())
		}
		return
	}
	at, agreed := record.Now(), c.Conn.ConnectionState()
	u.tlsRecord.Agreed(&agreed, at-c.Began, at)
	generation := s.generation
	u.thread.connected(s) // what it sends goes out together with the end of the handshake
	if s.generation == generation && s.state == up {
		u.flush(s)
	}
}

// flush sends what the session has to send. What was lent to the transport
// below stays as it is until that has been at the kernel; more in the meantime
// it is to copy.
func (u *secured) flush(s *slot) {
	c := s.tls
	if len(c.Out) == 0 || s.congested {
		return
	}
	out, lasting := c.Out, c.Lent != u.turn
	if lasting {
		c.Out, c.Spare, c.Lent = c.Spare, c.Out, u.turn
	}
	c.Out = c.Out[:0]
	u.below.send(s, out, lasting)
}

func (u *secured) send(s *slot, b []byte, lasting bool) {
	c := s.tls
	if c.Plain = b; len(b) > sealAtOnce && !lasting {
		c.Kept = append(c.Kept[:0], b...)
		c.Plain = c.Kept
	}
	u.seal(s)
}

// seal sends as much of what there is to send as is taken, and tells whether
// that was all.
func (u *secured) seal(s *slot) bool {
	c, generation := s.tls, s.generation
	for len(c.Plain) > 0 && !s.congested {
		b := c.Plain[:min(len(c.Plain), sealAtOnce)]
		c.Plain = c.Plain[len(b):]
		if _, err := c.Conn.Write(b); err != nil {
			u.lose(s, record.FailedWrite, record.Now(), plan.TlsError(err))
			return false
		}
		u.flush(s)
		if s.generation != generation || s.state != up {
			return false
		}
	}
	return !s.congested
}

// pump goes on when all that was sent has been taken.
func (u *secured) pump(s *slot) {
	switch s.state {
	case securing:
		u.flush(s)
	case up:
		generation := s.generation
		u.flush(s)
		if s.generation == generation && s.state == up && u.seal(s) {
			u.thread.pump(s)
		}
	default:
		u.thread.pump(s)
	}
}

// received takes sealed bytes.
func (u *secured) received(s *slot, b []byte, at int64) {
	c, generation := s.tls, s.generation
	c.In = b
	if s.state == securing {
		u.shake(s)
	}
	if s.generation == generation && s.state == up {
		u.opened(s, at)
	}
	c.In = nil
}

// opened hands on what can be opened.
func (u *secured) opened(s *slot, at int64) {
	c, generation := s.tls, s.generation
	current := func() bool { return s.generation == generation && s.state == up }
	for {
		n, err := c.Open(u.plain)
		u.flush(s) // an answer to the server's wish for new keys, or an alert
		if n > 0 && current() {
			u.thread.received(s, u.plain[:n], at)
		}
		switch {
		case !current(), err == netio.ErrDrained:
			return
		case err == nil:
		case err == io.EOF: // said in form
			c.Hung = true
			u.thread.hungUp(s, 0, at)
			return
		default:
			c.Hung = true
			u.broke(s, plan.TlsError(err), at)
			return
		}
	}
}

// broke is for a connection on which TLS cannot go on.
func (u *secured) broke(s *slot, err error, at int64) {
	if s.n == s.unsent {
		u.thread.hungUp(s, unix.EPROTO, at)
		return
	}
	u.lose(s, record.FailedRead, at, err)
}

// errNotClosed is about an answer that ends with the connection and may be
// incomplete: anybody in between can end a connection of TCP.
var errNotClosed = errors.New("the connection ended without close_notify: the response, which states no length, may be incomplete")

func (u *secured) hungUp(s *slot, errno unix.Errno, at int64) {
	c := s.tls
	c.Gone = true
	switch {
	case s.state == securing && errno != 0:
		u.refuse(s, plan.HandshakeError(errno), at)
	case s.state == securing:
		u.refuse(s, plan.HandshakeError(io.ErrUnexpectedEOF), at)
	case errno == 0 && s.n > s.unsent && s.answer.endsHere():
		u.lose(s, record.FailedRead, at, errNotClosed)
	default:
		u.thread.hungUp(s, errno, at)
	}
}

// drop closes the connection: in form, where it is in order. Nobody waits for
// the server to do the same.
func (u *secured) drop(s *slot, _ []byte) {
	c := s.tls
	if c == nil || c.Conn == nil {
		u.below.drop(s, nil)
		return
	}
	var last []byte
	if s.state == up && !c.Gone && !c.Hung && !s.congested {
		_ = c.Conn.Close() // says so to the session
		last = c.Out
	}
	u.below.drop(s, last)
	c.Stop()
	c.Forget()
}
