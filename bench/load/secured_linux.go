package load

import (
	"errors"
	"io"

	"golang.org/x/sys/unix"
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
	u := &secured{thread: t, plain: make([]byte, readBuffer), turn: 1}
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
		s.tls = new(session)
	}
	s.state = securing
	s.tls.begin(u.job.tls, now())
	u.shake(s)
}

// shake goes on with the handshake.
func (u *secured) shake(s *slot) {
	c := s.tls
	if !c.shake() {
		u.flush(s)
		return
	}
	if c.err != nil {
		u.flush(s) // the alert that says why
		if s.state == securing {
			u.refuse(s, handshakeError(c.err), now())
		}
		return
	}
	at, agreed := now(), c.conn.ConnectionState()
	u.tlsRecord.agreed(&agreed, at-c.began, at)
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
	if len(c.out) == 0 || s.congested {
		return
	}
	out, lasting := c.out, c.lent != u.turn
	if lasting {
		c.out, c.spare, c.lent = c.spare, c.out, u.turn
	}
	c.out = c.out[:0]
	u.below.send(s, out, lasting)
}

func (u *secured) send(s *slot, b []byte, lasting bool) {
	c := s.tls
	if c.plain = b; len(b) > sealAtOnce && !lasting {
		c.kept = append(c.kept[:0], b...)
		c.plain = c.kept
	}
	u.seal(s)
}

// seal sends as much of what there is to send as is taken, and tells whether
// that was all.
func (u *secured) seal(s *slot) bool {
	c, generation := s.tls, s.generation
	for len(c.plain) > 0 && !s.congested {
		b := c.plain[:min(len(c.plain), sealAtOnce)]
		c.plain = c.plain[len(b):]
		if _, err := c.conn.Write(b); err != nil {
			u.lose(s, failedWrite, now(), tlsError(err))
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
	c.in = b
	if s.state == securing {
		u.shake(s)
	}
	if s.generation == generation && s.state == up {
		u.opened(s, at)
	}
	c.in = nil
}

// opened hands on what can be opened.
func (u *secured) opened(s *slot, at int64) {
	c, generation := s.tls, s.generation
	current := func() bool { return s.generation == generation && s.state == up }
	for {
		n, err := c.open(u.plain)
		u.flush(s) // an answer to the server's wish for new keys, or an alert
		if n > 0 && current() {
			u.thread.received(s, u.plain[:n], at)
		}
		switch {
		case !current(), err == errDrained:
			return
		case err == nil:
		case err == io.EOF: // said in form
			c.hung = true
			u.thread.hungUp(s, 0, at)
			return
		default:
			c.hung = true
			u.broke(s, tlsError(err), at)
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
	u.lose(s, failedRead, at, err)
}

// errNotClosed is about an answer that ends with the connection and may be
// incomplete: anybody in between can end a connection of TCP.
var errNotClosed = errors.New("the connection ended without TLS's close_notify: the answer, whose length nobody has stated, may be cut")

func (u *secured) hungUp(s *slot, errno unix.Errno, at int64) {
	c := s.tls
	c.gone = true
	switch {
	case s.state == securing && errno != 0:
		u.refuse(s, handshakeError(errno), at)
	case s.state == securing:
		u.refuse(s, handshakeError(io.ErrUnexpectedEOF), at)
	case errno == 0 && s.n > s.unsent && s.answer.endsHere():
		u.lose(s, failedRead, at, errNotClosed)
	default:
		u.thread.hungUp(s, errno, at)
	}
}

// drop closes the connection: in form, where it is in order. Nobody waits for
// the server to do the same.
func (u *secured) drop(s *slot, _ []byte) {
	c := s.tls
	if c == nil || c.conn == nil {
		u.below.drop(s, nil)
		return
	}
	var last []byte
	if s.state == up && !c.gone && !c.hung && !s.congested {
		_ = c.conn.Close() // says so to the session
		last = c.out
	}
	u.below.drop(s, last)
	c.stop()
	c.forget()
}
