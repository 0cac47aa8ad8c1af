package load

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"hash"

	"github.com/dynobench/dyno/protocol/http1"
)

// A checker judges the answers on one connection: status and length of each,
// the bytes of some.
type checker struct {
	requests []Request
	class    int
	seen     []bool // by class: an answer has been compared
	answers  int
	sampled  bool // this answer's bytes are compared
	off      int64
	wrong    bool
	digest   hash.Hash // made when first needed
	sum      [sha256.Size]byte
	take     func([]byte) // c.piece, bound once
}

// sampleEvery is which answers are compared beyond the first.
const sampleEvery = 64

func (c *checker) init(requests []Request) {
	c.requests, c.seen, c.take = requests, make([]bool, len(requests)), c.piece
}

// begin is called when a request of the class is sent, after p.Reset.
func (c *checker) begin(class int, p *http1.ResponseParser) {
	r := &c.requests[class]
	c.class = class
	c.answers++
	c.sampled = (r.Want != nil || r.SHA256 != "") && (!c.seen[class] || c.answers%sampleEvery == 0)
	p.Body = nil
	if !c.sampled {
		return
	}
	c.seen[class], c.off, c.wrong = true, 0, false
	p.Body = c.take
	if r.Want == nil {
		if c.digest == nil {
			c.digest = sha256.New()
		}
		c.digest.Reset()
	}
}

func (c *checker) piece(b []byte) {
	want := c.requests[c.class].Want
	if want == nil {
		c.digest.Write(b)
		return
	}
	end := c.off + int64(len(b))
	c.wrong = c.wrong || end > int64(len(want)) || !bytes.Equal(b, want[c.off:end])
	c.off = end
}

// verdict is called when the answer is whole.
func (c *checker) verdict(p *http1.ResponseParser) kind {
	r := &c.requests[c.class]
	if !r.rightStatus(p.Status()) {
		return wrongStatus
	}
	if r.Length >= 0 && p.BodyBytes() != r.Length {
		return wrongBody
	}
	if c.sampled {
		if r.Want == nil {
			c.wrong = !r.rightDigest(c.digest.Sum(c.sum[:0]))
		}
		if c.wrong {
			return wrongBody
		}
	}
	return answered
}

func (r *Request) rightStatus(status int) bool {
	if r.Status == 0 {
		return status/100 == 2
	}
	return status == r.Status
}

func (r *Request) rightDigest(sum []byte) bool {
	var text [2 * sha256.Size]byte
	hex.Encode(text[:], sum)
	return string(text[:]) == r.SHA256
}
