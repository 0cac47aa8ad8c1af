package gateway

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// DefaultMaxBody is the longest request body that a server takes unless told otherwise.
const DefaultMaxBody = 16 << 20

// ToHTTP makes app an http.Handler, a Handler with its defaults.
func ToHTTP(app App) http.Handler { return &Handler{App: app} }

// Handler runs an App behind net/http. The request's body is gathered before
// the app runs, as on every engine. A chunk that is not the last is flushed at
// once. Where an answer breaks off before anything has been sent, the client
// gets a 500, otherwise the connection is cut (http.ErrAbortHandler).
type Handler struct {
	App       App
	MaxBody   int64     // bytes of a request's body, beyond: 413; 0 means DefaultMaxBody, negative no limit
	MaxLine   int       // bytes of the request line, beyond: 414; 0 means no limit but the server's on the header
	MaxFields int       // fields of the header, beyond: 431; 0 means no limit
	Flags     Flags     // what the app is told; MultiThread is always set
	Wait      Waiter    // default: goroutines sleep, and Readable is not supported
	Errors    io.Writer // default os.Stderr

	// Hold, if not nil, bounds what all bodies take together, as Gathered.Gather
	// says. The client of one that it refuses gets a 503.
	Hold func(n int64) bool

	// Done, if not nil, is called once for each request, at its end. answered
	// tells that the app has run and the client been given a whole answer, be
	// it the 500 in place of the app's; err is why a request was refused or its
	// answer broken off, or what the app failed with.
	Done func(answered bool, err error)
}

// served is what one request needs; it is used again by later ones.
type served struct {
	x     Exchange
	env   Environ
	input bytes.Reader
	body  Gathered

	w      http.ResponseWriter
	extras Extras // of x, by way of w

	answered bool // what Done is told
	failed   error

	port     int // whose text is portText, so that it is made once for most requests
	portText string
}

var servedPool = sync.Pool{New: func() any {
	s := new(served)
	s.extras = s.x.Extras(s.interim)
	return s
}}

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s := servedPool.Get().(*served)
	s.answered, s.failed = false, errUnfinished
	defer s.release(h.Done)
	s.env.Errors = h.Errors
	if h.Errors == nil {
		s.env.Errors = os.Stderr
	}
	if line := len(r.Method) + len(r.RequestURI) + len(r.Proto) + 2; h.MaxLine > 0 && line > h.MaxLine {
		s.refuse(w, http.StatusRequestURITooLong, fmt.Errorf("the request line is longer than %d bytes", h.MaxLine))
		return
	}
	s.fill(r)
	if h.MaxFields > 0 && len(s.env.Header) > h.MaxFields {
		s.refuse(w, http.StatusRequestHeaderFieldsTooLarge, fmt.Errorf("the header has more than %d fields", h.MaxFields))
		return
	}
	if !s.gather(w, r, h.MaxBody, h.Hold) {
		return
	}
	s.env.Flags = h.Flags
	s.env.MultiThread = true
	s.env.Wait = h.Wait
	if h.Wait == nil {
		s.env.Wait = sleeper{}
	}
	// Deferred, so that the body is closed even if the app calls runtime.Goexit
	// or net/http's writer panics.
	defer func() {
		if err := s.x.Close(); err != nil {
			s.log(r, err)
		}
	}()
	if r.ProtoAtLeast(1, 1) {
		s.w, s.env.Extras = w, s.extras
	}
	s.x.Begin(h.App, &s.env)
	s.answer(w, r)
}

// errUnfinished is the failure of a request whose goroutine has ended before it.
var errUnfinished = errors.New("gateway: the app has ended its goroutine")

// release gives s back.
func (s *served) release(done func(bool, error)) {
	if done != nil {
		done(s.answered, s.failed)
	}
	s.env.Reset()
	s.input.Reset(nil)
	s.failed, s.w = nil, nil
	s.body.Release()
	servedPool.Put(s)
}

// refuse answers a request that does not reach the app. The rest of it is not read.
func (s *served) refuse(w http.ResponseWriter, status int, why error) {
	s.failed = why
	w.Header().Set("Connection", "close")
	http.Error(w, why.Error(), status)
}

// gather reads the request's body, or answers why it cannot be had.
func (s *served) gather(w http.ResponseWriter, r *http.Request, limit int64, hold func(int64) bool) bool {
	if limit == 0 {
		limit = DefaultMaxBody
	}
	var err error
	if s.body.Bytes = s.body.Bytes[:0]; r.Body != nil && r.ContentLength != 0 {
		err = s.body.Gather(r.Body, r.ContentLength, limit, hold)
	}
	switch {
	case err == nil:
		s.input.Reset(s.body.Bytes)
		s.env.ContentLength = int64(len(s.body.Bytes))
		s.env.Input = &s.input
		return true
	case err == ErrTooLarge:
		s.refuse(w, http.StatusRequestEntityTooLarge, fmt.Errorf("the body is longer than %d bytes", limit))
		return false
	case err == ErrNoRoom:
		w.Header().Set("Retry-After", "1")
		s.refuse(w, http.StatusServiceUnavailable, errors.New("the server holds as many bytes of requests as it may: try again later"))
		return false
	}
	s.log(r, fmt.Errorf("request body: %w", err))
	if errors.Is(err, os.ErrDeadlineExceeded) {
		s.refuse(w, http.StatusRequestTimeout, errors.New("the body took too long to come"))
	} else {
		s.refuse(w, http.StatusBadRequest, errors.New("the body could not be read"))
	}
	return false
}

// fill makes the environ of r, but for its body. The strings are net/http's and
// stay what they are.
func (s *served) fill(r *http.Request) {
	e := &s.env
	e.Method, e.Path, e.Query, e.RequestURI, e.Proto = r.Method, r.URL.Path, r.URL.RawQuery, r.RequestURI, r.Proto
	if e.RequestURI == "" { // not from a server, but from a test
		e.RequestURI = r.URL.RequestURI()
	}
	e.Scheme, e.ServerPort = "http", "80"
	if r.TLS != nil {
		e.Scheme, e.ServerPort = "https", "443"
	}
	e.Host, e.ServerName = r.Host, r.Host
	if host, port, err := net.SplitHostPort(r.Host); err == nil {
		e.ServerName, e.ServerPort = host, port
	}
	if addr, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr); ok {
		if s.port != addr.Port {
			s.port, s.portText = addr.Port, strconv.Itoa(addr.Port)
		}
		e.ServerPort = s.portText
		if e.ServerName == "" {
			e.ServerName = addr.IP.String()
		}
	}
	if e.ServerName == "" {
		e.ServerName = "localhost"
	}
	if host, port, err := net.SplitHostPort(r.RemoteAddr); err == nil {
		e.RemoteAddr, e.RemotePort = host, port
	}
	if r.Host != "" {
		e.Header = append(e.Header, Field{"Host", r.Host})
	}
	for name, values := range r.Header { // in no order: net/http has lost it
		for _, value := range values {
			e.Header = append(e.Header, Field{name, value})
		}
	}
	e.ContentType = r.Header.Get("Content-Type")
	e.Context = r.Context()
	e.LocalAddr, _ = e.Context.Value(http.LocalAddrContextKey).(net.Addr)
}

// answer pulls the app's answer and writes it.
func (s *served) answer(w http.ResponseWriter, r *http.Request) {
	wrote := false
	head := func() {
		if !wrote {
			wrote = true
			writeHead(w, s.x.Head())
		}
	}
	for {
		chunk, err := s.x.Next()
		if err != nil && err != io.EOF {
			if !Aborted(err) {
				s.log(r, err)
			}
			if !errors.Is(err, ErrTooLong) {
				s.failed = err
				s.breakOff(w)
				return
			}
		}
		if len(chunk) > 0 || err != nil {
			head()
		}
		if len(chunk) > 0 {
			if _, werr := w.Write(chunk); werr != nil {
				s.gone(werr)
				return
			}
		}
		if err != nil {
			writeTrailer(w.Header(), s.x.Head().Trailer, s.x.Trailer())
			s.answered, s.failed = true, nil
			return
		}
		if len(chunk) == 0 {
			runtime.Gosched() // the app's yield point
			continue
		}
		if werr := http.NewResponseController(w).Flush(); werr != nil && !errors.Is(werr, http.ErrNotSupported) {
			s.gone(werr)
			return
		}
	}
}

// breakOff answers in the app's place, or cuts the connection.
func (s *served) breakOff(w http.ResponseWriter) {
	if s.x.Left() || Aborted(s.failed) {
		panic(http.ErrAbortHandler)
	}
	http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
	s.answered = true
}

// gone ends the app's Context where net/http has not noticed yet that the client has left.
func (s *served) gone(cause error) {
	s.failed = cause
	ctx, cancel := context.WithCancelCause(s.env.Context)
	cancel(cause)
	s.env.Context = ctx
}

func (s *served) log(r *http.Request, err error) {
	fmt.Fprintf(s.env.Errors, "gateway: %s %s: %v\n", r.Method, r.URL.Path, err)
}

// writeHead hands the app's head to net/http, which adds Date and the framing.
func writeHead(w http.ResponseWriter, head Head) {
	h := w.Header()
	for _, f := range head.Header {
		h[http.CanonicalHeaderKey(f.Name)] = append(h[http.CanonicalHeaderKey(f.Name)], f.Value)
	}
	if _, ok := h["Content-Type"]; !ok {
		h["Content-Type"] = nil // the app gave none: do not guess one
	}
	if head.Trailer != "" {
		h["Trailer"] = []string{head.Trailer} // so that net/http does not count a short body
	}
	if head.Length >= 0 && !head.Declared {
		h["Content-Length"] = []string{strconv.FormatInt(head.Length, 10)}
	}
	w.WriteHeader(head.Status)
}

// writeTrailer has net/http send fields behind the body. It takes those that
// were announced from the header, where they must not stand with a prefix too.
func writeTrailer(h http.Header, announced string, fields []Field) {
	if len(fields) == 0 {
		return
	}
	names := strings.Split(announced, ", ")
	for i, name := range names {
		names[i] = http.CanonicalHeaderKey(name)
		delete(h, names[i])
	}
	for _, f := range fields {
		name := http.CanonicalHeaderKey(f.Name)
		if !slices.Contains(names, name) {
			name = http.TrailerPrefix + name
		}
		h[name] = append(h[name], f.Value)
	}
}

// interim has net/http send an interim answer. It would send all of its header
// with it, and does again with the next answer.
func (s *served) interim(status int, header []Field) {
	h := s.w.Header()
	kept := h.Clone()
	for _, f := range header {
		h.Add(f.Name, f.Value)
	}
	s.w.WriteHeader(status)
	clear(h)
	maps.Copy(h, kept)
}

// sleeper is the Waiter of a server that has no poller of its own.
type sleeper struct{}

var _ Waiter = sleeper{}

func (sleeper) Sleep(ctx context.Context, d time.Duration) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (sleeper) Readable(context.Context, int, time.Duration) error { return errDescriptor }
func (sleeper) Writable(context.Context, int, time.Duration) error { return errDescriptor }

var errDescriptor = fmt.Errorf("gateway: waiting for a descriptor behind net/http: %w", errors.ErrUnsupported)
