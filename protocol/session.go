// Package protocol turns bytes into calls of an app and back, without doing
// any I/O: a Session is one connection's talk. Engines move the bytes.
//
// What differs between wire protocols is a Codec (http1, later uwsgi and
// others); what is the same for all of them, limits, keep-alive, pipelining,
// gathering of bodies, 100-continue, deadlines, the calling of the app, is
// here and nowhere else.
package protocol

import (
	"context"
	"net"
	"time"

	"github.com/dynobench/dyno/protocol/gateway"
)

// Action is what a Session needs its engine to do next.
type Action uint8

const (
	// Read more bytes into Buffer and report them by Received, or the end of
	// the stream by EOF. Nothing is left to write.
	Read Action = iota
	// Run the app one step: call Run.
	Run
	// Write Output and report what was taken by Sent.
	Write
	// Close the connection; nothing is left to write.
	Close
)

// A Session is the server's end of one connection: bytes in, the app called,
// bytes out. It does no I/O and starts no goroutine, so that each engine can
// drive it in its own way; all of them in the same pattern:
//
//	s := service.NewSession(peer)
//	defer s.Release()
//	for {
//		switch s.Next() {
//		case protocol.Read:
//			n, err := conn.Read(s.Buffer())
//			s.Received(n)
//			if err != nil { s.EOF() }   // or s.Abort(err), s.Expire(now)
//		case protocol.Run:
//			s.Run()
//		case protocol.Write:
//			n, err := conn.Write(s.Output())
//			s.Sent(n)
//			if err != nil { s.Abort(err) }
//		case protocol.Close:
//			return
//		}
//	}
//
// A Session is used by one goroutine at a time; only Drain may be called from
// others at any time. Apart from the app's own, the steady state of a
// connection allocates nothing.
type Session struct{}

// Next tells what to do now. It has no effect: asked twice, it answers twice the same.
//
// Pipelined requests run one after the other, and their answers gather in
// Output up to a bound before Write is due. A chunk of a body that goes on
// is written before the next one is pulled (PEP 3333: a server does not
// delay a block).
func (s *Session) Next() Action { panic("to come") }

// Buffer is free space to read into, never empty. It is the Session's and valid until Received.
func (s *Session) Buffer() []byte { panic("to come") }

// Received says that n bytes have been put into Buffer.
func (s *Session) Received(n int) { panic("to come") }

// Feed copies what it can take of p, for engines whose bytes are already somewhere, and returns how
// much that was: less than len(p) only when a request waits to be run first.
func (s *Session) Feed(p []byte) int { panic("to come") }

// EOF says that the client will send no more. Requests that are whole are still answered.
func (s *Session) EOF() { panic("to come") }

// Abort says that the connection is lost: the request's Context ends with cause, the app's Body is closed,
// output is dropped and Next is Close.
func (s *Session) Abort(cause error) { panic("to come") }

// Run runs app code once: it starts the request, or pulls the next chunk. It never panics and never blocks
// but in the app.
func (s *Session) Run() { panic("to come") }

// Busy tells whether a request has begun to run and its answer is not yet completely in Output.
func (s *Session) Busy() bool { panic("to come") }

// Output is what is to be written: the Session's, valid until Sent.
func (s *Session) Output() []byte { panic("to come") }

// Sent says that the first n bytes of Output have been taken.
func (s *Session) Sent(n int) { panic("to come") }

// Deadline is when the client's patience with us, or ours with it, ends: for the whole of a request from its
// first byte, for the next request on an idle connection, for the progress of a write. Zero means never.
// While the app runs there is none.
func (s *Session) Deadline() time.Time { panic("to come") }

// Expire acts on a Deadline that has passed at now: 408 where a request had begun, otherwise a silent close.
// Before the deadline it does nothing.
func (s *Session) Expire(now time.Time) { panic("to come") }

// Drain asks for an end: a request in flight is finished and answered with Connection: close, an idle
// connection closes at once. The engine wakes itself up if it is blocked in a read.
func (s *Session) Drain() { panic("to come") }

// Idle tells whether the connection is between requests: nothing received, running or to be sent.
func (s *Session) Idle() bool { panic("to come") }

// Release closes what is open and gives the buffers back. The Session must not be used afterwards.
func (s *Session) Release() { panic("to come") }

// Peer is what an engine knows of a connection.
type Peer struct {
	Local, Remote net.Addr
	Wait          gateway.Waiter  // the engine's wait hook
	Context       context.Context // ends when the engine gives up on requests in flight; the parent of each request's
}
