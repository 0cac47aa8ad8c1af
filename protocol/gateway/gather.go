package gateway

import (
	"errors"
	"io"
)

// Why Gather gives up, beside errors of its reader.
var (
	ErrTooLarge = errors.New("gateway: the request's body is longer than is taken")
	ErrNoRoom   = errors.New("gateway: the server holds as many bytes of requests as it may")
)

// Sizes of the buffer that a body is gathered in. It grows with what has come,
// whatever length is promised.
const (
	leastBody = 4 << 10
	freeBody  = 16 << 10 // of each, without being asked after
	firstBody = 64 << 10 // at most on a promise
	keepBody  = 64 << 10
)

// Gathered is the memory of a request's body, to be used again.
type Gathered struct {
	Bytes []byte
	held  int64 // of it, as hold knows
	hold  func(int64) bool
}

// Gather reads a body from r to its end: for servers whose library leaves that
// to a handler. length is what the client says, negative if it does not; more
// than limit, if that is not negative, is ErrTooLarge. Of each request 16 KiB
// are free; hold, if not nil, is asked before it takes n bytes more, and may refuse, which
// is ErrNoRoom. Release gives them back, by a negative n.
func (g *Gathered) Gather(r io.Reader, length, limit int64, hold func(n int64) bool) error {
	g.hold = hold
	g.Bytes = g.Bytes[:0]
	if limit >= 0 && length > limit {
		return ErrTooLarge
	}
	if kept := int64(cap(g.Bytes)); kept < min(length+1, firstBody) || (length < 0 || length > freeBody) && !g.take(kept) {
		g.Bytes = nil
	}
	for {
		if len(g.Bytes) == cap(g.Bytes) && !g.grow(length) {
			return ErrNoRoom
		}
		n, err := r.Read(g.Bytes[len(g.Bytes):cap(g.Bytes)])
		g.Bytes = g.Bytes[:len(g.Bytes)+n]
		if limit >= 0 && int64(len(g.Bytes)) > limit {
			return ErrTooLarge
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// grow makes room for twice as much of a body, but for no more than its length
// where that is known, and for the Read that finds its end.
func (g *Gathered) grow(length int64) bool {
	size := max(2*int64(cap(g.Bytes)), leastBody)
	if cap(g.Bytes) == 0 {
		size = max(size, min(length+1, firstBody))
	}
	if length >= max(int64(len(g.Bytes)), leastBody) {
		size = min(size, length+1)
	}
	if !g.take(size) {
		return false
	}
	b := make([]byte, len(g.Bytes), size)
	copy(b, g.Bytes)
	g.Bytes = b
	return true
}

// take tells hold that the body has size bytes now.
func (g *Gathered) take(size int64) bool {
	n := size - g.held
	if size <= freeBody || n <= 0 || g.hold == nil {
		return true
	}
	if !g.hold(n) {
		return false
	}
	g.held += n
	return true
}

// Release ends the use of the bytes. A large buffer is not kept.
func (g *Gathered) Release() {
	if cap(g.Bytes) > keepBody {
		g.Bytes = nil
	}
	if g.held > 0 {
		g.hold(-g.held)
	}
	g.held, g.hold = 0, nil
}
