package gateway

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
)

// FromHTTP makes h an App.
//
// The handler runs in a goroutine of its own and hands chunks over to Next.
// iter.Pull would be cheaper, but a handler may write and flush from any
// goroutine (httputil.ReverseProxy does, from a timer's), while a coroutine can
// only yield from its own. Writes gather in a buffer of 4 KiB, so that a small
// answer is one chunk whose length is known; a full buffer and Flush hand over
// what is there and wait until the engine asks again, which is the client's
// backpressure.
//
// As with net/http, Content-Type is sniffed where the handler sets none,
// WriteHeader again is logged and ignored, a panic with http.ErrAbortHandler
// cuts the connection without a word in the log, files that ParseMultipartForm
// has made are removed when the handler returns, and the Context holds
// http.LocalAddrContextKey and http.ServerContextKey. Unlike there:
//
//   - the http.Server in the Context stands for the one that serves, so that
//     handlers which ask whether there is one find it; it is not running;
//   - r.ContentLength is the body's length also where it came in chunks;
//     TransferEncoding and Trailer are empty;
//   - Connection and other hop-by-hop fields are the server's and dropped;
//   - interim answers (1xx) and trailers are dropped where the Environ has no
//     Extras, and trailers that cannot be some (TrailerName) everywhere;
//   - 100 Continue has been sent before the handler runs, since the body is
//     gathered first; so reading it never waits, and no read deadline passes;
//   - Hijack is refused, with an error that is http.ErrNotSupported; there is no http.Pusher,
//     which is HTTP/2's, nor io.ReaderFrom, which io.Copy does without;
//   - the header leaves with the first byte of the body, so Flush without one sends nothing;
//   - after the answer to HEAD is known, the handler's Context ends;
//   - the path that the handler sees is PATH_INFO: what led to the app is
//     stripped, as by http.StripPrefix.
//
// The request's Context ends with that of the Environ, when the Body is closed
// and, from when somebody first looks at it, as soon as the client goes
// (Environ.Watch). As with net/http, a client that has closed only its sending
// half counts as gone, and what the handler writes is sent to it all the same.
// Close waits for the handler to return, so that none is left behind; a handler
// that ignores its Context holds up the engine as it would net/http.
func FromHTTP(h http.Handler) App {
	server := &http.Server{Handler: h}
	return func(env *Environ, start StartResponse) Body {
		return &handlerBody{handler: h, server: server, env: env, start: start}
	}
}

// handlerBody is the engine's end of a running handler. The handler's
// goroutine is started by the first Next, so that there is nothing to end
// before.
type handlerBody struct {
	handler http.Handler
	server  *http.Server // what the Context has
	env     *Environ
	start   StartResponse

	w       *handlerWriter // nil until the first Next
	cancel  context.CancelFunc
	holding bool // the handler waits until the chunk handed over has been used
	started bool
	end     error
}

// handover is what the handler's goroutine passes to Next.
type handover struct {
	chunk   []byte
	err     error   // nil: more may come
	interim int     // not 0: the status of an interim answer
	fields  []Field // of that, or with io.EOF the trailer
}

func (b *handlerBody) Next() ([]byte, error) {
	switch {
	case b.end != nil:
		return nil, b.end
	case b.w == nil:
		b.run()
	case b.holding:
		b.w.resume <- struct{}{}
	}
	got := <-b.w.out
	b.holding = got.err == nil
	b.end = got.err
	if got.err != nil && got.err != io.EOF {
		return nil, b.end
	}
	if err := b.tell(&got); err != nil {
		b.end = err
		return nil, err
	}
	return got.chunk, b.end
}

// tell passes on what is not a chunk.
func (b *handlerBody) tell(got *handover) error {
	if got.interim != 0 {
		return b.env.Extras.Interim(got.interim, got.fields)
	}
	if !b.started {
		b.started = true
		if len(b.w.trailers) > 0 {
			if err := b.env.Extras.Announce(b.w.trailers...); err != nil {
				return err
			}
		}
		if err := b.start(b.w.status, b.w.fields, nil); err != nil {
			return err
		}
	}
	if len(got.fields) > 0 {
		return b.env.Extras.Trailer(got.fields)
	}
	return nil
}

func (b *handlerBody) run() {
	ctx := newHandlerContext(b.env, b.server)
	b.cancel = ctx.cancel
	w := &handlerWriter{
		env:    b.env,
		ctx:    ctx,
		extras: b.env.Extras != nil,
		header: http.Header{},
		buf:    handlerBuffers.Get().(*[]byte),
		out:    make(chan handover),
		resume: make(chan struct{}),
		gone:   make(chan struct{}),
		done:   make(chan struct{}),
	}
	b.w = w
	body := &handlerInput{input: b.env.Input}
	// Handlers keep strings of their request as they please, so they get their own.
	r := newRequest(b.env.Clone()).WithContext(ctx)
	if r.Body = body; r.ContentLength == 0 {
		r.Body = http.NoBody
	}
	go func() {
		defer close(w.done)
		end := error(errGoexit)
		defer func() {
			body.Close()
			if r.MultipartForm != nil {
				r.MultipartForm.RemoveAll() //nolint:errcheck // the handler may have moved its files away
			}
			w.finish(end)
			ctx.end()
		}()
		end = serve(b.handler, w, r)
	}()
}

// handlerContext is the Context of a handler's request. Most handlers never look
// at theirs: the client is watched from when one does.
type handlerContext struct {
	context.Context
	cancel context.CancelFunc
	server *http.Server
	local  net.Addr

	mu     sync.Mutex
	client Watcher // nil: there is nobody to watch any more, or by
	stop   func()  // of the watch; nil if there is none
}

func newHandlerContext(env *Environ, server *http.Server) *handlerContext {
	c := &handlerContext{client: env.Watch, server: server, local: env.LocalAddr}
	c.Context, c.cancel = context.WithCancel(env.Context)
	return c
}

func (c *handlerContext) Done() <-chan struct{} {
	c.watch()
	return c.Context.Done()
}

func (c *handlerContext) Err() error {
	c.watch()
	return c.Context.Err()
}

// Value has what net/http's server puts into the Context.
func (c *handlerContext) Value(key any) any {
	switch {
	case key == http.ServerContextKey:
		return c.server
	case key == http.LocalAddrContextKey && c.local != nil:
		return c.local
	}
	return c.Context.Value(key)
}

func (c *handlerContext) watch() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.client != nil {
		c.stop = c.client.Gone(c.cancel)
		c.client = nil
	}
}

// end ends the Context, and the watch, when the handler has returned.
func (c *handlerContext) end() {
	c.cancel() // whoever it tells may ask for Done
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.client = nil; c.stop != nil {
		c.stop()
	}
}

// serve runs the handler and returns what its panic was.
func serve(h http.Handler, w http.ResponseWriter, r *http.Request) (err error) {
	defer recovered(&err)
	h.ServeHTTP(w, r)
	return nil
}

// Close ends the handler and waits for that.
func (b *handlerBody) Close() error {
	w := b.w
	if w == nil {
		return nil
	}
	b.w, b.end = nil, errClosed
	b.cancel()
	close(w.gone)
	<-w.done
	*w.buf = (*w.buf)[:0]
	handlerBuffers.Put(w.buf)
	return nil
}

var (
	handlerBuffers = sync.Pool{New: func() any { b := make([]byte, 0, 4<<10); return &b }}

	errGoexit     = errors.New("gateway: the handler ended its goroutine (runtime.Goexit)")
	errHijack     = &unsupported{"gateway: the connection belongs to the server; Hijack is refused"}
	errHandlerEnd = errors.New("gateway: write after the handler has returned")
)

type unsupported struct{ msg string }

func (e *unsupported) Error() string        { return e.msg }
func (e *unsupported) Is(target error) bool { return target == http.ErrNotSupported }

// newRequest makes the http.Request that a net/http server would have made. It
// keeps the strings of env.
func newRequest(env *Environ) *http.Request {
	r := &http.Request{
		Method:        env.Method,
		Proto:         env.Proto,
		Header:        make(http.Header, len(env.Header)),
		Host:          env.Host,
		ContentLength: env.ContentLength,
		RequestURI:    env.RequestURI,
	}
	r.ProtoMajor, r.ProtoMinor, _ = http.ParseHTTPVersion(env.Proto)
	r.RemoteAddr = "@" // what a client on a unix socket is called
	if env.RemoteAddr != "" {
		r.RemoteAddr = net.JoinHostPort(env.RemoteAddr, env.RemotePort)
	}
	if env.Scheme == "https" { // it ends in front of the server, which knows no more of it
		r.TLS = &tls.ConnectionState{HandshakeComplete: true}
	}
	r.URL = requestURL(env)
	for _, f := range env.Header {
		switch name := http.CanonicalHeaderKey(f.Name); name {
		case "Host", "Transfer-Encoding", "Trailer": // as net/http: in Host, undone, not kept
		default:
			r.Header[name] = append(r.Header[name], f.Value)
		}
	}
	r.Close = lastRequest(r)
	if env.ContentType != "" && r.Header["Content-Type"] == nil {
		r.Header["Content-Type"] = []string{env.ContentType}
	}
	return r
}

// lastRequest tells whether the client wants the connection closed after r.
func lastRequest(r *http.Request) bool {
	var closes, keeps bool
	for _, list := range r.Header["Connection"] {
		for option := range strings.SplitSeq(list, ",") {
			option = strings.Trim(option, " \t")
			closes = closes || strings.EqualFold(option, "close")
			keeps = keeps || strings.EqualFold(option, "keep-alive")
		}
	}
	return closes || !r.ProtoAtLeast(1, 1) && !keeps
}

// requestURL is the URL that a handler sees. The target as sent tells %2F from
// /; but only as long as nobody has changed the path on the way here.
func requestURL(env *Environ) *url.URL {
	if u, err := url.ParseRequestURI(env.RequestURI); err == nil && u.Path == env.Path && u.RawQuery == env.Query {
		return u
	}
	return &url.URL{Path: env.Path, RawQuery: env.Query}
}

// handlerInput is the request's body, cut off from the server's memory once the
// handler has returned.
type handlerInput struct {
	mu    sync.Mutex
	input io.Reader
}

func (in *handlerInput) Read(p []byte) (int, error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.input == nil {
		return 0, http.ErrBodyReadAfterClose
	}
	return in.input.Read(p)
}

func (in *handlerInput) Close() error {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.input = nil
	return nil
}

// headerFields turns a handler's header into what start takes: in a fixed
// order, without what is not the app's, and repaired as net/http does.
func headerFields(h http.Header, status int) []Field {
	fields := make([]Field, 0, len(h)+1)
	for _, name := range slices.Sorted(maps.Keys(h)) {
		if !isToken(name) || HopByHop(name) || strings.HasPrefix(name, http.TrailerPrefix) {
			continue
		}
		values := h[name]
		if name == "Content-Length" {
			// One that start would refuse is dropped, as there.
			_, ok := parseLength(h.Get(name))
			if !ok || bodiless(status) {
				continue
			}
			values = values[:1]
		}
		if name == "Content-Type" && status == http.StatusNotModified {
			continue // there is none, and that of the 200 is known
		}
		fields = appendValues(fields, name, values)
	}
	return fields
}

// interimFields are headerFields for an interim answer, which has no length.
func interimFields(h http.Header) []Field {
	return slices.DeleteFunc(headerFields(h, http.StatusOK), func(f Field) bool { return f.Name == "Content-Length" })
}

// trailerNames are the trailers that a handler's header declares, by the field
// Trailer and by values that it has already.
func trailerNames(h http.Header) []string {
	var names []string
	for _, list := range h["Trailer"] {
		for name := range strings.SplitSeq(list, ",") {
			names = append(names, http.CanonicalHeaderKey(strings.TrimSpace(name)))
		}
	}
	for name := range h {
		if name, ok := strings.CutPrefix(name, http.TrailerPrefix); ok {
			names = append(names, name)
		}
	}
	names = slices.DeleteFunc(names, func(name string) bool { return !TrailerName(name) })
	slices.Sort(names)
	return slices.Compact(names)
}

// trailerFields are the trailers that h has at the end: those declared, and
// those marked by net/http's prefix.
func trailerFields(h http.Header, declared []string) []Field {
	var keys []string
	for key := range h {
		name, marked := strings.CutPrefix(key, http.TrailerPrefix)
		if (marked || slices.Contains(declared, key)) && TrailerName(name) {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	var fields []Field
	for _, key := range keys {
		fields = appendValues(fields, strings.TrimPrefix(key, http.TrailerPrefix), h[key])
	}
	return fields
}

// appendValues appends a field for each value, repaired as net/http does.
func appendValues(fields []Field, name string, values []string) []Field {
	for _, value := range values {
		fields = append(fields, Field{name, strings.Trim(cleanValue.Replace(value), " \t")})
	}
	return fields
}

var cleanValue = strings.NewReplacer("\r", " ", "\n", " ", "\x00", " ")
