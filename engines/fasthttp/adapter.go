package fasthttp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"unsafe"

	"github.com/valyala/fasthttp"

	"github.com/dynobench/dyno/engines/kernel"
	"github.com/dynobench/dyno/engines/yardstick"
	"github.com/dynobench/dyno/protocol"
	"github.com/dynobench/dyno/protocol/gateway"
)

// adapter runs an App as a fasthttp handler.
type adapter struct {
	svc        *protocol.Service
	inFlight   context.Context
	errors     io.Writer
	name, port string // of the server
	requests   sync.Pool
}

func newAdapter(svc *protocol.Service, inFlight context.Context, addr net.Addr) *adapter {
	a := &adapter{svc: svc, inFlight: inFlight, errors: svc.ErrorLog(), name: "localhost", port: "80"}
	if tcp, ok := addr.(*net.TCPAddr); ok {
		a.name, a.port = tcp.IP.String(), strconv.Itoa(tcp.Port)
	}
	a.requests.New = func() any { return &request{a: a} }
	return a
}

// handle is the fasthttp.RequestHandler.
func (a *adapter) handle(ctx *fasthttp.RequestCtx) {
	r := a.requests.Get().(*request)
	r.conn = ctx.Conn().(*yardstick.Conn)
	r.conn.Busy.Store(true)
	r.fill(ctx)
	status := r.tooLarge()
	if status == 0 {
		status = r.gather(ctx)
	}
	if status != 0 {
		a.svc.Counters.Errors.Add(1)
		ctx.Error(fasthttp.StatusMessage(status), status)
		if status == fasthttp.StatusServiceUnavailable {
			ctx.Response.Header.Set("Retry-After", "1")
		}
		ctx.SetConnectionClose()
		r.release()
		return
	}
	r.x.Begin(a.svc.App, &r.env)
	chunk, err := r.next()
	if gateway.Aborted(err) { // no answer, not even a 500
		ctx.HijackSetNoResponse(true)
		ctx.Hijack(func(net.Conn) {})
		r.cut = true
		r.Close()
		return
	}
	if err != nil && err != io.EOF {
		a.svc.Counters.Errors.Add(1)
		ctx.Error(fasthttp.StatusMessage(fasthttp.StatusInternalServerError), fasthttp.StatusInternalServerError)
		r.Close()
		return
	}
	if a.svc.LastCall() > 0 {
		ctx.SetConnectionClose()
	}
	head := r.x.Head()
	ctx.Response.SetStatusCode(head.Status)
	for _, f := range head.Header {
		ctx.Response.Header.Add(f.Name, f.Value)
	}
	switch {
	case err == io.EOF && len(chunk) <= copyMost:
		ctx.Response.SetBody(chunk)
		if len(chunk) == 0 && head.Length > 0 { // HEAD
			ctx.Response.Header.SetContentLength(int(head.Length))
		}
		r.Close()
	default:
		r.chunk, r.end = chunk, err
		ctx.Response.SetBodyStream(r, int(head.Length)) // negative: chunked
	}
}

// copyMost is up to which size an answer in one piece is copied into
// fasthttp's buffer, and a fresh one made for it; others are written from
// where the app has them.
const copyMost = 16 << 10

// request is one request, and the answer's body as a stream. It is used again.
type request struct {
	a     *adapter
	conn  *yardstick.Conn
	x     gateway.Exchange
	env   gateway.Environ
	body  gateway.Gathered
	input bytes.Reader
	chunk []byte // to be written
	end   error  // after it
	cut   bool   // broken off by the app or by the client
}

var _ fasthttp.BodyWriterTo = (*request)(nil)

func (r *request) fill(ctx *fasthttp.RequestCtx) {
	h, e := &ctx.Request.Header, &r.env
	e.Method, e.RequestURI, e.Proto = text(h.Method()), text(h.RequestURI()), text(h.Protocol())
	e.Scheme, e.Host = "http", text(h.Host())
	r.fillTarget(ctx)
	e.ServerName, e.ServerPort = r.a.name, r.a.port
	e.RemoteAddr, e.RemotePort = r.conn.Remote()
	for name, value := range h.All() {
		e.Header = append(e.Header, gateway.Field{Name: text(name), Value: text(value)})
	}
	e.ContentType = text(h.ContentType())
	e.Input, e.Errors = &r.input, r.a.errors
	e.Flags = r.a.svc.Flags
	e.MultiThread = true
	e.LocalAddr = ctx.LocalAddr()
	e.Context, e.Wait = r.a.inFlight, kernel.Park{}
}

// gather reads the request's body, and returns the status to refuse it with, or 0.
func (r *request) gather(ctx *fasthttp.RequestCtx) int {
	err := error(nil)
	if stream := ctx.RequestBodyStream(); stream != nil {
		err = r.body.Gather(stream, int64(ctx.Request.Header.ContentLength()), r.a.svc.Limits.MaxBody(), r.a.svc.Hold)
	} else {
		r.body.Bytes = append(r.body.Bytes[:0], ctx.Request.Body()...)
	}
	r.input.Reset(r.body.Bytes)
	r.env.ContentLength = int64(len(r.body.Bytes))
	switch {
	case err == nil:
		return 0
	case errors.Is(err, gateway.ErrTooLarge):
		return fasthttp.StatusRequestEntityTooLarge
	case errors.Is(err, gateway.ErrNoRoom):
		return fasthttp.StatusServiceUnavailable
	}
	return statusOf(err)
}

// fillTarget takes the target apart. fasthttp's own path is another one: it
// has no double slashes and no dots.
func (r *request) fillTarget(ctx *fasthttp.RequestCtx) {
	e := &r.env
	path := e.RequestURI
	if path[0] == '/' || path == "*" {
		path, e.Query, _ = strings.Cut(path, "?")
	} else { // the absolute form, of which fasthttp makes these
		path, e.Query, e.Host = text(ctx.URI().PathOriginal()), text(ctx.URI().QueryString()), text(ctx.URI().Host())
	}
	e.Path = path
	if strings.IndexByte(path, '%') >= 0 {
		if plain, err := url.PathUnescape(path); err == nil {
			e.Path = plain
		}
	}
}

// tooLarge holds the request against the limits that fasthttp does not know,
// and returns the status to refuse it with, or 0.
func (r *request) tooLarge() int {
	e, l := &r.env, &r.a.svc.Limits
	switch {
	case len(e.Method)+len(e.RequestURI)+len(e.Proto)+2 > l.MaxLine():
		return fasthttp.StatusRequestURITooLong
	case len(e.Header) > l.MaxHeaderCount():
		return fasthttp.StatusRequestHeaderFieldsTooLarge
	}
	return 0
}

// text is b as a string without a copy: fasthttp leaves it alone until the
// answer has been written.
func text(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// next returns the next chunk that is not empty. ErrTooLong is an end.
func (r *request) next() ([]byte, error) {
	for {
		chunk, err := r.x.Next()
		if err != nil && err != io.EOF {
			if !gateway.Aborted(err) {
				r.log(err)
			}
			if errors.Is(err, gateway.ErrTooLong) {
				err = io.EOF
			}
		}
		if len(chunk) > 0 || err != nil {
			return chunk, err
		}
		runtime.Gosched() // the app's yield point
	}
}

func (r *request) log(err error) {
	fmt.Fprintf(r.env.Errors, "%s %s: %v", r.env.Method, r.env.Path, err)
}

// SupportsBodyWriteTo implements fasthttp.BodyWriterTo.
func (r *request) SupportsBodyWriteTo() bool { return true }

// WriteTo writes the body's chunks as they come. An error makes fasthttp cut
// the connection.
func (r *request) WriteTo(w io.Writer) (int64, error) {
	var total int64
	for {
		if len(r.chunk) > 0 {
			n, err := w.Write(r.chunk)
			total += int64(n)
			if err != nil {
				r.gone(err)
				return total, err
			}
		}
		if r.end == io.EOF {
			return total, nil
		}
		if r.end != nil {
			r.cut = true
			r.conn.Break()
			return total, r.end
		}
		r.chunk, r.end = r.next()
	}
}

// gone ends the request's Context: this is where a lost client shows.
func (r *request) gone(cause error) {
	r.cut = true
	ctx, cancel := context.WithCancelCause(r.a.inFlight)
	cancel(cause)
	r.env.Context = ctx
}

// Read implements io.Reader, as fasthttp asks of a stream.
func (r *request) Read(p []byte) (int, error) {
	for len(r.chunk) == 0 {
		if r.end != nil {
			return 0, r.end
		}
		r.chunk, r.end = r.next()
	}
	n := copy(p, r.chunk)
	r.chunk = r.chunk[n:]
	return n, nil
}

// Close ends the request. fasthttp calls it when the stream has been written
// or given up.
func (r *request) Close() error {
	if err := r.x.Close(); err != nil {
		r.log(err)
	}
	if r.cut {
		r.a.svc.Counters.Errors.Add(1)
	} else {
		r.a.svc.Counters.Requests.Add(1)
	}
	r.release()
	return nil
}

// release gives r back.
func (r *request) release() {
	r.env.Reset()
	r.input.Reset(nil)
	r.body.Release()
	r.conn, r.chunk, r.end, r.cut = nil, nil, nil, false
	r.a.requests.Put(r)
}

func printf(format string, a []any) string { return fmt.Sprintf(format, a...) }
