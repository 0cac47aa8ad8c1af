package gateway

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime/debug"
)

// Head is an answer's status and header as the app decided them.
type Head struct {
	Status   int
	Header   []Field // the app's slice: read only, valid until Close
	Length   int64   // of the body: declared by the app, else told by a Sized body or by a body of one chunk, else −1
	Declared bool    // Header has a Content-Length field
	NoBody   bool    // no body follows whatever Length says: HEAD, 204, 304; Length is then that of the body left out, if known
	Trailer  string  // names of fields that may follow the body, as the field Trailer lists them; Length is −1 then
}

// Exchange is the server's half of the contract for one request: it calls the
// app, keeps PEP 3333's rules and hands out chunks that are safe to send. Every
// server of dyno's goes through it, so that the rules stand in one place.
//
// The zero value is ready for use. An Exchange serves one request at a time
// and can be used again after Close, without allocating:
//
//	x.Begin(app, env)              // runs app code
//	for {
//		chunk, err := x.Next()     // runs app code
//		// x.Head() stands from the first non-empty chunk or the first error on
//	}
//	x.Close()                      // runs app code
//
// It recovers panics (ErrPanic with value and stack, http.ErrAbortHandler as it
// is), never gives more bytes than the declared Content-Length (the surplus is
// dropped and ErrTooLong reported), reports a body that ends early (ErrTooShort),
// drops the body of answers that have none (HEAD, 204, 304) and closes the Body
// exactly once.
//
// runtime.Goexit in an app cannot be held up by anyone: it ends the goroutine
// that runs the request. An engine that has deferred Close still closes the
// Body. Nothing but a test's FailNow is known to do so.
type Exchange struct {
	app   App
	env   *Environ
	body  Body
	start StartResponse // bound once, so that Begin does not allocate
	send  func(status int, header []Field)

	head    Head
	size    int64 // of a Sized body, else −1
	started bool
	left    bool  // the head has been handed out
	broken  error // the cause given to start after that
	end     error // what ended the exchange; Next repeats it
	given   int64

	announced string // names of trailers
	trailer   []Field
}

// Begin calls app for the request in env. What goes wrong is told by Next.
// It panics if the Exchange has not been closed since the last Begin.
func (x *Exchange) Begin(app App, env *Environ) {
	if x.app != nil {
		panic("gateway: Begin before the Close of the last request")
	}
	if x.start == nil {
		x.start = x.startResponse
	}
	x.app, x.env = app, env
	x.body, x.head, x.size = nil, Head{Length: -1}, -1
	x.started, x.left = false, false
	x.broken, x.end = nil, nil
	x.given = 0
	x.end = x.call()
	if x.started && x.head.Length < 0 && !bodiless(x.head.Status) {
		x.head.Length = x.size
	}
}

// call runs the app; its error is only ever a panic's.
func (x *Exchange) call() (err error) {
	defer recovered(&err)
	x.body = x.app(x.env, x.start)
	if s, ok := x.body.(Sized); ok && x.announced == "" {
		x.size = s.Size()
	}
	return nil
}

// Next returns the next chunk to send, which is the app's and valid until the
// next call of Next or Close.
//
// An empty chunk without an error is the app's yield point: nothing to send
// yet, the caller may do other work before it calls Next again. io.EOF, alone
// or with a last chunk, says that the answer is whole. So does ErrTooLong,
// which a server has to log. Any other error breaks the answer off and comes
// without a chunk: if nothing has Left, the server answers 500 in the app's
// place, otherwise, or if the error is Aborted, it cuts the connection, so that
// the client does not take the answer for whole. An error is repeated by further calls.
func (x *Exchange) Next() ([]byte, error) {
	if x.end != nil {
		return nil, x.end
	}
	if x.started && x.head.NoBody { // the head is known: no need to have the body made
		x.end = io.EOF
		return nil, x.end
	}
	chunk, err := x.pull()
	chunk, x.end = x.judge(chunk, err)
	if len(chunk) > 0 {
		x.left = true
		x.given += int64(len(chunk))
	}
	return chunk, x.end
}

// pull gets the next chunk from the body, which may panic.
func (x *Exchange) pull() (chunk []byte, err error) {
	if x.body == nil {
		return nil, io.EOF
	}
	defer recovered(&err)
	return x.body.Next()
}

// judge holds what the body gave against the rules and returns what may be sent.
func (x *Exchange) judge(chunk []byte, err error) ([]byte, error) {
	switch {
	case x.broken != nil:
		return nil, x.broken
	case err != nil && err != io.EOF:
		return nil, err
	case !x.started && (len(chunk) > 0 || err == io.EOF):
		return nil, ErrNoStart
	case !x.started:
		return chunk, nil
	}
	if !x.left && x.head.Length < 0 && err == io.EOF && x.head.Trailer == "" && !bodiless(x.head.Status) && (len(chunk) > 0 || !x.head.NoBody) {
		// The whole body at once; but an app that gives none to HEAD has not
		// said that the answer to GET would be empty.
		x.head.Length = int64(len(chunk))
	}
	if x.head.NoBody {
		return nil, io.EOF
	}
	if x.head.Length < 0 {
		return chunk, err
	}
	rest := x.head.Length - x.given
	if int64(len(chunk)) > rest {
		return chunk[:rest], fmt.Errorf("%w: of %d bytes", ErrTooLong, x.head.Length)
	}
	if err == io.EOF && int64(len(chunk)) < rest {
		return nil, fmt.Errorf("%w: %d of %d bytes", ErrTooShort, x.given+int64(len(chunk)), x.head.Length)
	}
	return chunk, err
}

// Head returns the answer's head. It stands from the first non-empty chunk or
// the first error of Next on; after an error other than io.EOF and ErrTooLong
// it is meaningless unless the head had Left.
func (x *Exchange) Head() Head { return x.head }

// Left tells whether a non-empty chunk, and the head with it, has been handed out.
func (x *Exchange) Left() bool { return x.left }

// Close ends the request however far it got, and closes the Body. It returns
// the Body's error, which has no bearing on the answer and is for the log.
// Without a Begin before it, or a second time, it does nothing.
func (x *Exchange) Close() (err error) {
	body := x.body
	x.app, x.env, x.body = nil, nil, nil
	x.head.Header, x.trailer, x.announced = nil, nil, ""
	if x.end == nil {
		x.end = errClosed
	}
	if body == nil {
		return nil
	}
	defer recovered(&err)
	return body.Close()
}

var errClosed = errors.New("gateway: exchange is closed")

// startResponse is the StartResponse that the app gets.
func (x *Exchange) startResponse(status int, header []Field, cause error) error {
	switch {
	case x.app == nil:
		return errClosed
	case x.left && cause != nil:
		x.broken = cause
		return cause
	case x.started && cause == nil:
		return ErrStarted
	}
	var head Head
	if err := checkHead(&head, status, header); err != nil {
		return err
	}
	head.NoBody = bodiless(status) || x.env.Method == http.MethodHead
	if cause != nil {
		x.size = -1 // it was that of the answer which this one replaces
		x.announced, x.trailer = "", nil
	}
	if head.Length < 0 && !bodiless(status) {
		head.Length = x.size // −1 as long as the app has not returned: then Begin sets it
	}
	x.head, x.started = head, true
	if x.announced != "" {
		x.announce()
	}
	return nil
}

// PanicError is what a panic in an app becomes. It is an ErrPanic, and also
// the value if that was an error.
type PanicError struct {
	Value any
	Stack []byte // as debug.Stack gives it
}

func (e *PanicError) Error() string {
	return fmt.Sprintf("%v: %v\n%s", ErrPanic, e.Value, e.Stack)
}

func (e *PanicError) Unwrap() []error {
	if err, ok := e.Value.(error); ok {
		return []error{ErrPanic, err}
	}
	return []error{ErrPanic}
}

// recovered is deferred around every call of app code.
func recovered(err *error) {
	switch v := recover(); v {
	case nil:
	case http.ErrAbortHandler: // on purpose: where does not matter
		*err = http.ErrAbortHandler
	default:
		*err = &PanicError{Value: v, Stack: debug.Stack()}
	}
}
