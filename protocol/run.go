package protocol

import (
	"errors"
	"io"
	"time"

	"github.com/dynobench/dyno/protocol/gateway"
)

// This file is the life of a request within a Session: received, run,
// answered.

var (
	errTimeout = &Error{Status: 408, Reason: "the request took too long to come"}
	errFailed  = &Error{Status: 500, Reason: "the application failed"}

	errFull     = &Error{Status: 503, Reason: "the server holds as many bytes of requests as it may: try again later"}
	errOverload = &Error{Status: 503, Reason: "the server has more to do than it can: try again later"}
)

var plainText = []gateway.Field{{Name: "Content-Type", Value: "text/plain; charset=utf-8"}}

// tryLater has the least that Retry-After can say: clients of servers that
// shed load come back on their own terms, but not at once.
var tryLater = append([]gateway.Field{{Name: "Retry-After", Value: "1"}}, plainText...)

// requested is the request at hand, taken from the pool if it has none.
func (s *Session) requested() *request {
	if s.w == nil {
		s.w = s.svc.pool.Get().(*request)
		s.w.reset(&s.svc.Limits)
	}
	return s.w
}

// letGo gives the request at hand back to the pool.
func (s *Session) letGo() {
	if w := s.w; w != nil {
		s.w = nil
		w.quit()
		s.svc.pool.Put(w)
	}
}

// settle begins to wait for the next request when all output has been written,
// and lets go of it unless something of it has come.
func (s *Session) settle() {
	if s.w != nil && s.Idle() {
		s.since = s.wrote
		if !s.w.seen {
			s.letGo()
		}
	}
}

// parse looks at what has been received, unless a request is there already.
func (s *Session) parse() {
	w := s.w
	if s.phase != receiving || s.conn != open || w.start == w.end {
		return
	}
	if s.client == proxyDue && !s.unwrap() {
		return
	}
	o, err := w.parser.Parse(w.in[w.start:w.end])
	if len(o.Reply) > 0 {
		w.out = append(w.out, o.Reply...)
		s.wrote = time.Now()
	}
	switch {
	case err != nil:
		s.refuse(err)
		return
	case o.Ends:
		s.conn = closing
		s.talksOn()
		w.forget()
		return
	case o.State == Done:
		w.reqEnd = w.start + o.Size
		s.phase, s.state = ready, Done
		if s.client == firstDue {
			s.client = sending
		}
		if s.svc.Timed {
			w.came = time.Now()
		}
		return
	}
	w.end, w.need = w.start+o.Size, o.Need
	w.seen = true
	if o.Size > 0 && s.state != o.State {
		if s.client != firstDue || o.State != InHead {
			s.since = time.Now()
		}
		s.state = o.State
	}
	if !w.room(s.svc) {
		s.refuse(errFull)
	}
}

// refuse answers a request that does not reach the app.
func (s *Session) refuse(err error) {
	var e *Error
	if !errors.As(err, &e) {
		e = &Error{Status: 400, Reason: err.Error()}
	}
	s.svc.Log.Debug("request refused", "status", e.Status, "reason", e.Reason)
	kind := &s.svc.Counters.BadRequests
	header := plainText
	switch e {
	case errTimeout:
		kind = &s.svc.Counters.Timeouts
	case errFull:
		kind, header = &s.svc.Counters.Shed, tryLater
	}
	s.svc.Counters.failed(kind)
	s.reply(e, header, false)
	s.conn = closing
	s.talksOn()
	s.w.forget()
}

// answer puts an answer of the server's own into the output.
func (s *Session) answer(e *Error, keep bool) { s.reply(e, plainText, keep) }

func (s *Session) reply(e *Error, header []gateway.Field, keep bool) {
	w := s.w
	body := append([]byte(e.Reason), '\n')
	w.head = gateway.Head{Status: e.Status, Header: header, Length: int64(len(body))}
	s.putHead(keep)
	w.piece(body)
	w.out = w.enc.End(w.out)
}

// putHead puts the head into the output. It stands there so that it does
// not escape anew for each request.
func (s *Session) putHead(keep bool) {
	w := s.w
	s.wrote = time.Now()
	w.out, s.keep = w.enc.Head(w.out, &w.head, keep, s.wrote)
}

// wish tells whether the server would keep the connection after this answer.
func (s *Session) wish() bool {
	if s.w.reqEnd == s.w.end && (s.client == finished || s.svc.LastCall() > 0) {
		return false // requests that are here already are still answered
	}
	return !s.svc.NoKeepAlive && !s.draining.Load()
}

// Run runs app code once: it starts the request, or pulls the next chunk. It never
// panics and never blocks but in the app. Unless Next says Run, it does nothing.
func (s *Session) Run() {
	if s.Next() != Run {
		return
	}
	w := s.w
	if s.phase == ready {
		s.begin()
	}
	if s.phase == ending { // the last piece has been written from where the app has it
		s.finish()
		return
	}
	chunk, err := w.x.Next()
	switch {
	case err == nil && len(chunk) == 0: // the app yields
		if w.pending() {
			s.wrote = time.Now() // there is an interim answer
		}
		return
	case err == nil, err == io.EOF:
	case errors.Is(err, gateway.ErrTooLong):
		s.log(err)
	default:
		s.fail(err)
		return
	}
	if s.phase == running {
		w.head = w.x.Head()
		s.putHead(s.wish())
		s.phase = answering
	} else {
		s.wrote = time.Now()
	}
	w.piece(chunk)
	switch {
	case err == nil:
	case len(w.big) > 0:
		s.phase = ending
	default:
		s.finish()
	}
}

// begin calls the app.
func (s *Session) begin() {
	w := s.w
	s.phase = running
	if s.addresses == nil {
		a := new(addresses)
		a.local = s.peer.Local
		a.serverName, a.serverPort = hostPort(s.peer.Local)
		a.remoteAddr, a.remotePort = hostPort(s.peer.Remote)
		s.addresses = a
	}
	env := &w.env
	*env = gateway.Environ{
		Scheme:     "http",
		ServerName: s.addresses.serverName,
		ServerPort: s.addresses.serverPort,
		RemoteAddr: s.addresses.remoteAddr,
		RemotePort: s.addresses.remotePort,
		Header:     env.Header[:0],
		Vars:       env.Vars[:0],
		Input:      &w.input,
		Errors:     s.svc.ErrorLog(),
		Flags:      s.svc.Flags,
		LocalAddr:  s.addresses.local,
		Context:    &s.ctx,
		Wait:       s.peer.Wait,
		Watch:      s.peer.Watch,
	}
	body := w.parser.Describe(env, w.in[w.start:w.reqEnd:w.reqEnd])
	env.ContentLength = int64(len(body))
	if env.ServerName == "" || env.ServerPort == "" {
		env.ServerName, env.ServerPort = serverOf(env.Host)
	}
	w.input.Reset(body)
	if w.ext != nil && w.ext.Extended() {
		env.Extras = w.extras
	}
	w.x.Begin(s.svc.App, env)
}

// finish ends an answer that is complete.
func (s *Session) finish() {
	w := s.w
	if trailer := w.x.Trailer(); len(trailer) > 0 {
		w.out = w.ext.EndWith(w.out, trailer)
	} else {
		w.out = w.enc.End(w.out)
	}
	s.closeBody()
	s.answered()
}

// fail ends an answer that the app has broken off.
func (s *Session) fail(err error) {
	aborted := gateway.Aborted(err)
	if !aborted {
		s.log(err)
	}
	s.svc.Counters.failed(&s.svc.Counters.AppFailed)
	s.closeBody()
	begun := s.phase >= answering
	if !begun && !aborted {
		s.answer(errFailed, s.wish())
		s.answered()
		return
	}
	// The client must not take what it has got for the whole: no end, a cut.
	s.phase, s.conn, s.broken = receiving, closing, begun
	if !begun && s.w.end > s.w.reqEnd {
		s.talksOn()
	}
	s.w.forget()
}

func (s *Session) closeBody() {
	if err := s.w.x.Close(); err != nil {
		s.log(err)
	}
}

func (s *Session) log(err error) {
	env := &s.w.env
	s.svc.Log.Error("application failed", "method", env.Method, "path", env.Path, "error", err)
}

func (s *Session) answered() {
	s.svc.Counters.Requests.Add(1)
	if s.svc.Timed { // wrote is when the last of the answer came
		s.svc.Counters.Latency.add(s.wrote.Sub(s.w.came))
	}
	s.next()
}

// next turns to the next request.
func (s *Session) next() {
	w := s.w
	s.phase = receiving
	if !s.keep {
		s.conn = closing
		if w.end > w.reqEnd {
			s.talksOn()
		}
		w.forget()
		return
	}
	w.start = w.reqEnd
	if w.start == w.end {
		w.forget()
	} else {
		w.shrink()
	}
	w.reset(&s.svc.Limits)
	s.parse()
	s.checkEOF()
}
