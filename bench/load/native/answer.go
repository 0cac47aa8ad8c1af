package native

import (
	"bytes"
	"crypto/sha256"
	"hash"

	"github.com/dynobench/dyno/bench/load/plan"
	"github.com/dynobench/dyno/bench/load/record"
	"github.com/dynobench/dyno/protocol/client"
	"github.com/dynobench/dyno/protocol/http1"
)

// An answer is what has come of the one that a connection waits for, and
// judges it: status and length always, the bytes where they are stated, their
// digest on a sample. It is reused for the connection's next.
type answer struct {
	parser  *http1.ResponseParser // what stream reads
	stream  client.Answers
	request *plan.Request // that it is for
	begun   bool          // something of it has been parsed
	keeps   bool          // whole: the connection stays
	bytes   int64         // so far
	framed  int           // its status, where it was not parsed

	count   int  // of answers begun
	sampled bool // this one's bytes are compared
	wrong   bool
	off     int64
	digest  hash.Hash // made when first needed
	sum     [sha256.Size]byte
	take    func([]byte) // a.piece, bound once
}

// init makes ready for the answers of a protocol.
func (a *answer) init(p *client.Protocol) { a.stream, a.parser = p.Answers() }

// begin is called before the first bytes of an answer to r are parsed. compare
// asks for the digest out of turn.
func (a *answer) begin(r *plan.Request, compare bool) {
	a.begun, a.bytes, a.request, a.framed = true, 0, r, 0
	a.count++
	a.stream.Reset(r.Method == "HEAD")
	a.sampled = r.Want != nil || r.SHA256 != "" && (compare || a.count%plan.SampleEvery == 1)
	a.parser.Body = nil
	if !a.sampled {
		return
	}
	if a.take == nil {
		a.take = a.piece
	}
	a.parser.Body, a.off, a.wrong = a.take, 0, false
	if r.Want == nil {
		if a.digest == nil {
			a.digest = sha256.New()
		}
		a.digest.Reset()
	}
}

// end forgets what has come.
func (a *answer) end() { a.begun, a.bytes = false, 0 }

func (a *answer) piece(b []byte) {
	want := a.request.Want
	if want == nil {
		a.digest.Write(b)
		return
	}
	end := a.off + int64(len(b))
	a.wrong = a.wrong || end > int64(len(want)) || !bytes.Equal(b, want[a.off:end])
	a.off = end
}

// endsHere tells whether the end of the connection is the end of the answer.
func (a *answer) endsHere() bool { return a.begun && a.stream.EOF() == nil }

// compared tells whether the verdict is about every byte that is stated.
func (a *answer) compared() bool { return a.sampled || a.request.Want == nil && a.request.SHA256 == "" }

// verdict is for an answer that is whole.
func (a *answer) verdict() record.Kind {
	r := a.request
	if !r.RightStatus(a.parser.Status()) {
		return record.WrongStatus
	}
	if r.Length >= 0 && a.parser.BodyBytes() != r.Length {
		return record.WrongBody
	}
	if a.sampled {
		if r.Want == nil {
			a.wrong = !r.RightDigest(a.digest.Sum(a.sum[:0]))
		}
		if a.wrong {
			return record.WrongBody
		}
	}
	return record.Answered
}

// status is that of the answer.
func (a *answer) status() int {
	if a.framed != 0 {
		return a.framed
	}
	return a.parser.Status()
}
