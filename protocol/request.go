package protocol

import (
	"bytes"
	"net"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/dynobench/dyno/protocol/gateway"
)

// Sizes of buffers. They were chosen so that a request and an answer of usual
// size need one of each and a connection that stalls holds little.
const (
	bufferSize = 2 << 10  // of a fresh input or output buffer
	minRead    = 512      // Buffer offers at least this much
	keepMost   = 64 << 10 // larger buffers are left to the garbage collector
	copyMost   = 16 << 10 // larger pieces of a body are written from where the app has them
	gatherMost = 64 << 10 // pipelined answers wait for each other up to this much output
)

// request is all that a Session needs for the request at hand, and only while its
// connection is not idle.
type request struct {
	parser Parser
	enc    Encoder
	ext    Extender // enc, if it is one
	env    gateway.Environ
	x      gateway.Exchange
	head   gateway.Head
	input  bytes.Reader

	in         []byte // all of it in use; in[start:end] has been received and not been answered
	start, end int
	reqEnd     int           // where the request that is Done ends
	held       int64         // of in, for the present request, as the Service knows it
	all        *atomic.Int64 // what all requests hold
	need       int           // Outcome.Need of the request that is being received
	seen       bool          // the parser has seen something of it, which may count for nothing

	came time.Time // when the request that is Done was whole; only of a Service that is Timed

	out  []byte // to be written from sent on
	sent int
	big  []byte // to be written after out, from where the app has it
	rest []byte // of the same chunk, after big
	open bool   // big is to be followed by the Encoder's Close

	extras gateway.Extras // of x, by way of ext
}

func newRequest(c Codec, all *atomic.Int64) *request {
	w := &request{all: all}
	w.parser, w.enc = c.New()
	if w.ext, _ = w.enc.(Extender); w.ext != nil {
		w.extras = w.x.Extras(func(status int, header []gateway.Field) { w.out = w.ext.Interim(w.out, status, header) })
	}
	return w
}

// reset makes ready for the next request.
func (w *request) reset(limits *Limits) {
	w.need, w.seen = 0, false
	w.parser.Reset(limits)
}

// pending tells whether there is output.
func (w *request) pending() bool { return w.sent < len(w.out) || len(w.big) > 0 }

// space makes room behind in[:end], moving what is there, and tells whether it
// could. It must not be called while a request runs, whose strings alias in.
func (w *request) space(svc *Service) bool {
	held := w.in[w.start:w.end]
	room := minRead
	if w.need > len(held) {
		room = min(room, w.need-len(held))
	}
	if len(w.in)-w.end >= room {
		return true
	}
	if len(w.in)-len(held) >= room {
		copy(w.in, held)
	} else {
		// Twice as much each time, so that all the moving costs no more than
		// the bytes that have come, but not more than is needed.
		size := max(2*len(w.in), bufferSize)
		if w.need > 0 {
			size = min(size, max(w.need, bufferSize))
		}
		size = max(size, len(held)+room)
		if !w.hold(svc, size) {
			return false
		}
		in := make([]byte, size)
		copy(in, held)
		w.in = in
	}
	w.start, w.end = 0, len(held)
	return true
}

// room makes room for more of a request that is not complete, if the Service
// has some. A buffer from the pool may be larger than the request has use for.
func (w *request) room(svc *Service) bool {
	if w.space(svc) && w.hold(svc, len(w.in)) {
		return true
	}
	held := w.in[w.start:w.end]
	if len(held)+minRead > HeldFree {
		return false
	}
	w.giveBack()
	w.in = make([]byte, HeldFree)
	copy(w.in, held)
	w.start, w.end = 0, len(held)
	return true
}

// hold tells the Service of size bytes for a request that is not complete.
func (w *request) hold(svc *Service, size int) bool {
	n := int64(size) - w.held
	if size <= HeldFree || n <= 0 {
		return true
	}
	if !svc.Hold(n) {
		return false
	}
	w.held += n
	return true
}

// giveBack ends that: the request has been answered, or dropped.
func (w *request) giveBack() {
	if w.held > 0 {
		w.all.Add(-w.held)
		w.held = 0
	}
}

// forget drops all input, and a buffer that a large request has left behind.
func (w *request) forget() {
	w.giveBack()
	w.start, w.end, w.need = 0, 0, 0
	if len(w.in) > keepMost {
		w.replace(nil)
	}
}

// shrink moves what is left behind a large request to a buffer of usual size.
func (w *request) shrink() {
	w.giveBack()
	held := w.in[w.start:w.end]
	if len(w.in) <= keepMost || len(held) > keepMost/2 {
		return
	}
	in := make([]byte, max(bufferSize, len(held)+minRead))
	copy(in, held)
	w.replace(in)
	w.start, w.end = 0, len(held)
}

// replace changes the input buffer, and forgets the strings of the last
// request, which would keep the old one alive.
func (w *request) replace(in []byte) {
	w.in = in
	clear(w.env.Header[:cap(w.env.Header)])
	clear(w.env.Vars[:cap(w.env.Vars)])
	w.env = gateway.Environ{Header: w.env.Header[:0], Vars: w.env.Vars[:0]}
	w.input.Reset(nil)
}

// quit makes w fit for the pool.
func (w *request) quit() {
	w.forget()
	w.drop()
	if cap(w.out) > 2*keepMost {
		w.out = nil
	}
	w.head = gateway.Head{}
	w.env.Context, w.env.Wait, w.env.Watch = nil, nil, nil
}

// drop forgets all output.
func (w *request) drop() {
	w.out, w.sent = w.out[:0], 0
	w.big, w.rest, w.open = nil, nil, false
}

// piece puts a piece of the answer's body into the output.
func (w *request) piece(p []byte) {
	for len(p) > 0 {
		var take int
		w.out, take = w.enc.Open(w.out, len(p))
		if take == 0 {
			return
		}
		if take > copyMost {
			w.big, w.rest, w.open = p[:take], p[take:], true
			return
		}
		w.out = append(w.out, p[:take]...)
		w.out = w.enc.Close(w.out)
		p = p[take:]
	}
}

// took accounts for n bytes of output written.
func (w *request) took(n int) {
	if k := len(w.out) - w.sent; k > 0 {
		m := min(n, k)
		w.sent += m
		n -= m
	}
	w.big = w.big[min(n, len(w.big)):]
	if w.pending() {
		return
	}
	w.out, w.sent = w.out[:0], 0
	if w.open {
		w.open = false
		w.out = w.enc.Close(w.out)
		rest := w.rest
		w.big, w.rest = nil, nil
		w.piece(rest)
	}
}

// hostPort splits a into the strings that CGI has for addresses. A unix
// socket has none.
func hostPort(a net.Addr) (host, port string) {
	switch a := a.(type) {
	case *net.TCPAddr:
		return a.IP.String(), strconv.Itoa(a.Port)
	case nil, *net.UnixAddr:
		return "", ""
	default:
		host, port, _ := net.SplitHostPort(a.String())
		return host, port
	}
}

// serverOf makes up SERVER_NAME and SERVER_PORT, which must not be empty (PEP
// 3333), from what the client calls the server: for a unix socket.
func serverOf(host string) (name, port string) {
	name, port = host, "80"
	if i := strings.LastIndexByte(host, ':'); i > strings.LastIndexByte(host, ']') {
		name = host[:i]
		if i+1 < len(host) {
			port = host[i+1:]
		}
	}
	if name == "" {
		name = "localhost"
	}
	return name, port
}
