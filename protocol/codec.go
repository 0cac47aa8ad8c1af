package protocol

import (
	"time"

	"github.com/dynobench/dyno/protocol/gateway"
)

// Codec is one wire protocol, seen from the server. A Codec is immutable and
// safe for concurrent use; what has state is made per connection.
type Codec interface {
	Name() string // as in --protocol
	// New makes both halves of one connection. They belong together, are used
	// by one goroutine at a time and are reused for other connections.
	New() (Parser, Encoder)
}

// Parser finds the requests in the bytes of a connection. It keeps positions
// and no bytes: those are the caller's.
type Parser interface {
	// Reset forgets the request and whatever else the connection had, and
	// makes ready for the next one under limits, which are read until then.
	Reset(limits *Limits)

	// Parse looks at data, all that has come since the request's first byte,
	// and goes on where the call before stopped: what it has seen is not
	// looked at again. Data may have moved in between, but what it held then
	// it must hold now, up to Outcome.Size.
	//
	// Whatever the pieces in which the bytes come, the requests found and the
	// refusals are the same. Parse may rewrite data in place, as for a body in
	// chunks, which is drawn together.
	//
	// An error is always an *Error; the connection is of no use afterwards. Of
	// the Outcome beside it only the Reply counts.
	Parse(data []byte) (Outcome, error)

	// Describe describes the request that Parse has found Done in data, which
	// must be the first Outcome.Size bytes. It sets what the protocol knows,
	// leaves the other fields alone and returns the request's body. All
	// strings alias data or the Parser's own memory, until Reset.
	Describe(env *gateway.Environ, data []byte) (body []byte)
}

// Encoder frames answers. Each method appends to dst and returns the extended
// slice. The order of calls is Head, then Open and Close by turns, then End;
// they are about the request that the Parser beside it has found last, if only
// in part.
type Encoder interface {
	// Head appends the answer's head. With keep the server would keep the
	// connection for another request; whether that has been agreed is the
	// second result.
	Head(dst []byte, h *gateway.Head, keep bool, now time.Time) ([]byte, bool)
	// Open appends what goes before the next take of n bytes of body, 0 < take ≤ n;
	// take is 0 where the answer has no body, so that the bytes are dropped.
	Open(dst []byte, n int) (out []byte, take int)
	// Close appends what goes after those bytes.
	Close(dst []byte) []byte
	// End appends what ends the answer.
	End(dst []byte) []byte
}

// Extender is an Encoder whose protocol has interim answers and trailers.
type Extender interface {
	Encoder
	// Extended tells whether the client that asks can be sent them.
	Extended() bool
	// Interim appends an interim answer; before Head, as often as there are some.
	Interim(dst []byte, status int, header []gateway.Field) []byte
	// EndWith is End with fields behind the body. They are left out where the
	// framing of the answer, which Head has decided, has no place for them.
	EndWith(dst []byte, trailer []gateway.Field) []byte
}

// Outcome is what Parse has found.
type Outcome struct {
	State State
	// Size is the length of the request where it is Done: what is behind it
	// belongs to the next one. Otherwise it is how many bytes of data still
	// count; those behind are gone, and the next ones follow at Size.
	Size int
	// Need is how large the request will be, 0 where that is not known yet. It
	// is what the client says: memory is given as the bytes come.
	Need int
	// Reply is what the protocol owes the client before anything else, as an
	// interim answer; mostly nothing. It is valid until the next Parse.
	Reply []byte
	// Ends says that the connection ends after the Reply, without a request:
	// what else there is of data counts for nothing.
	Ends bool
}

// State is how far a request has come.
type State uint8

const (
	InHead State = iota // its head is not complete
	InBody              // its head is complete, its body is not
	Done                // all of it is there
)

// Error is a refusal: the request that caused it is answered with Status and
// the connection ends.
type Error struct {
	Status int
	Reason string // for the client to read
}

func (e *Error) Error() string { return "protocol: " + e.Reason }

// Refusal is an *Error, for codecs to make theirs once.
func Refusal(status int, reason string) error { return &Error{Status: status, Reason: reason} }

// Halves is what New returns of a codec whose connection is both halves in one,
// since the framing of an answer depends on its request.
func Halves(conn interface {
	Parser
	Encoder
}) (Parser, Encoder) {
	conn.Reset(new(Limits))
	return conn, conn
}
