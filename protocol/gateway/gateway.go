// Package gateway is the contract between a server and an application: WSGI
// (PEP 3333) told in Go. An App is written once and runs unchanged on every
// engine and behind every protocol; the engine decides how it waits, the app
// decides what it answers.
//
// The package holds the contract's types, the helpers that apps are written
// with (Bytes, Chunks, File), the server's half of the contract (Exchange),
// adapters from and to net/http, middlewares (RequestID, AccessLog, Gzip,
// Timeout, Recover, Router), and Lint, which fails loudly when either side
// breaks the contract. It needs only the standard library.
package gateway

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"time"
)

// App answers one request. It calls start with the status and the header
// before the first non-empty chunk of its Body is pulled: at once, or from
// within Next. It may return a nil Body, which is an empty one.
//
// The engine calls an App from as many goroutines as its model has requests
// in flight; Environ's flags tell. A panic in the app or in its Body is the
// app's failure of this one request: 500 if no byte has left, a cut
// connection otherwise, and the engine lives on.
type App func(env *Environ, start StartResponse) Body

// Middleware is an App around an App.
type Middleware func(App) App

// StartResponse states the status (100 to 999, though not 1xx) and the header
// of the answer. The header is read until the request's Body is closed and not
// written to, so that apps can keep one slice for all requests.
//
// Nothing leaves before the first non-empty chunk, or the end of the body.
// Until then a second call is an error unless cause, the error that changed
// the app's mind, is not nil: then the new answer replaces the first. With a
// cause, once bytes have left, the call returns cause and the connection is
// cut after them, so that the client sees that the answer is broken.
//
// It refuses, with an error and without effect: hop-by-hop fields
// (Connection, Transfer-Encoding and the like are the server's), names that
// are not tokens, CR, LF or NUL in a value, and a Content-Length that is
// malformed, repeated or given with status 204. It is called by the goroutine
// that runs the App or Next, and not after Close.
type StartResponse func(status int, header []Field, cause error) error

// Body is the answer's content, pulled by the engine chunk by chunk, so that
// it can stop asking while the client is slow.
//
// Next returns the next chunk. The slice is the Body's, not to be written to, and
// valid until the next call of Next or Close. An empty chunk is legal and says:
// nothing yet, let others go first. io.EOF, alone or with a last chunk, ends the
// body; any other error breaks the answer off.
//
// Close is called exactly once, by whoever called the App, after the last
// Next, however the request ended. It may be called without any Next.
type Body interface {
	Next() ([]byte, error)
	Close() error
}

// Sized is a Body that knows how many bytes it will give, so that the server
// can state Content-Length where the app did not.
type Sized interface {
	Body
	Size() int64
}

// Field is one header field.
type Field struct{ Name, Value string }

// Environ is one request as the app sees it: typed fields for what nearly
// every app reads and Get for every key that CGI and WSGI define.
//
// All strings, the slices and Input are the server's. They are valid until
// the request's Body has been closed and are then overwritten: an app that
// keeps any longer keeps a Clone.
type Environ struct {
	Method     string // REQUEST_METHOD
	ScriptName string // SCRIPT_NAME: the part of the path that led to the app
	Path       string // PATH_INFO: the rest, percent-decoded
	Query      string // QUERY_STRING, as sent
	RequestURI string // REQUEST_URI: the target as sent
	Proto      string // SERVER_PROTOCOL, as "HTTP/1.1"
	Scheme     string // wsgi.url_scheme
	Host       string // HTTP_HOST
	ServerName string // SERVER_NAME
	ServerPort string // SERVER_PORT
	RemoteAddr string // REMOTE_ADDR: the client's address without port; "" for a unix socket
	RemotePort string // REMOTE_PORT

	ContentType   string // CONTENT_TYPE
	ContentLength int64  // CONTENT_LENGTH; the body's true length even if it came in chunks, 0 without a body

	Header []Field // the request's header in order, names as they came
	Vars   []Field // what else a protocol passed, under CGI names

	Input  io.Reader // the body; io.EOF at ContentLength
	Errors io.Writer // the server's log
	Flags            // what the app may assume of the engine

	// LocalAddr is the server's end of the connection, nil where that is not
	// known. ServerName and ServerPort may be the word of a web server, or of
	// the client.
	LocalAddr net.Addr
	// Context ends when the client is gone, as far as the engine can see
	// (it sees it at the latest when it writes), and when the server gives
	// up on requests in flight at the end of its drain.
	Context context.Context
	// Wait is how to wait without knowing what the engine parks for it.
	Wait Waiter
	// Watch tells when the client goes while nothing is written to it. It is
	// nil where the server cannot, or where the Context says so by itself.
	Watch Watcher
	// Extras sends what HTTP/1.1 has beside WSGI's answer: interim answers and
	// trailers. It is nil where the client cannot be sent them.
	Extras Extras
}

// Flags are the engine's promises to the app.
type Flags struct {
	MultiThread  bool // wsgi.multithread: other threads may be in the app at the same time
	MultiProcess bool // wsgi.multiprocess: other processes serve the same app
	RunOnce      bool // wsgi.run_once
	NonBlocking  bool // what blocks here blocks other requests too: wait by Wait, where it helps
}

// Waiter is the engine's wait hook. It parks whatever the engine runs a
// request on: a thread, a goroutine, a coroutine or, truthfully, the whole
// loop.
//
// All methods return early, with the context's error, when ctx, mostly the
// request's Context, ends. They are called by the goroutine that runs the App or its Body.
type Waiter interface {
	// Sleep returns after d.
	Sleep(ctx context.Context, d time.Duration) error
	// Readable returns once fd has something to read (or has failed, which
	// reading will tell), or with ErrWaitTimeout after timeout. A timeout of
	// 0 or less means none. The descriptor stays the caller's.
	Readable(ctx context.Context, fd int, timeout time.Duration) error
	// Writable is Readable for room to write, or the end of a connect.
	Writable(ctx context.Context, fd int, timeout time.Duration) error
}

// Watcher watches a client's connection while a request of it runs: an engine
// that neither reads nor writes meanwhile would not see that the client has gone.
type Watcher interface {
	// Gone has tell called, once and by another goroutine, when the client
	// closes its connection, or only its sending half, which looks the same;
	// at once if it has. stop ends that, without waiting for a call under way,
	// and must be called before the request ends, told or not. It costs two
	// system calls where it is asked for, and nothing where it is not.
	Gone(tell func()) (stop func())
}

// ErrWaitTimeout is what Waiter.Readable and Writable return when time was up first.
var ErrWaitTimeout = errors.New("gateway: wait timed out")

// Errors of StartResponse and of Exchange. They are wrapped with the detail.
var (
	ErrStarted  = errors.New("gateway: start called again without a cause")
	ErrNoStart  = errors.New("gateway: a chunk, or the end of the body, before start")
	ErrHeader   = errors.New("gateway: header refused")
	ErrStatus   = errors.New("gateway: status refused")
	ErrTooLong  = errors.New("gateway: body longer than its Content-Length")
	ErrTooShort = errors.New("gateway: body shorter than its Content-Length")
	ErrPanic    = errors.New("gateway: the app panicked")
)

// Aborted tells whether an app has broken its answer off on purpose: by an error
// of Next, or a panic, that is http.ErrAbortHandler. The server cuts the
// connection then, also where nothing has left and it would answer a failure
// with 500, and logs no error.
func Aborted(err error) bool { return errors.Is(err, http.ErrAbortHandler) }

// Wrap puts middleware around app; the first one is the outermost.
func Wrap(app App, mw ...Middleware) App {
	for i := len(mw) - 1; i >= 0; i-- {
		app = mw[i](app)
	}
	return app
}
