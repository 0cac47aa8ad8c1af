package gateway

// Head is an answer's status and header as the app decided them.
type Head struct {
	Status   int
	Header   []Field // the app's slice: read only, valid until Close
	Length   int64   // of the body: declared by the app, else told by a Sized body, else −1
	Declared bool    // Header has a Content-Length field
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
// It recovers panics (ErrPanic with value and stack), never gives more bytes
// than the declared Content-Length (the surplus is dropped and ErrTooLong
// reported), reports a body that ends early (ErrTooShort), drops the body of
// answers that have none (HEAD, 204, 304) and closes the Body exactly once.
type Exchange struct {
	app   App
	env   *Environ
	body  Body
	start StartResponse // bound once, so that Begin does not allocate

	head    Head
	started bool
	left    bool // the head has been handed out
	broken  error
	given   int64
}
