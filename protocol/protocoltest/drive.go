// Package protocoltest holds what every codec must keep. Run tests a codec
// with a client's encoder and decoder beside it; Load reads a corpus of
// streams as files, and Check holds a codec against one of them. Each stream
// is fed whole, byte by byte, cut at every point, and together with what
// follows it: the outcome must not depend on that.
package protocoltest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"time"

	"github.com/dynobench/dyno/protocol"
	"github.com/dynobench/dyno/protocol/gateway"
)

// Request is a request as a client means it and as an app sees it.
type Request struct {
	Method string
	Target string // as sent
	Path   string // decoded
	Query  string
	Host   string
	Proto  string
	Header []gateway.Field
	Body   string
}

// Field returns the values of all fields of that name, in whatever case.
func (r *Request) Field(name string) (values []string) {
	for _, f := range r.Header {
		if strings.EqualFold(f.Name, name) {
			values = append(values, f.Value)
		}
	}
	return values
}

// fromEnviron copies what will be overwritten.
func fromEnviron(env *gateway.Environ, body []byte) Request {
	r := Request{
		Method: strings.Clone(env.Method),
		Target: strings.Clone(env.RequestURI),
		Path:   strings.Clone(env.Path),
		Query:  strings.Clone(env.Query),
		Host:   strings.Clone(env.Host),
		Proto:  strings.Clone(env.Proto),
		Body:   string(body),
	}
	for _, f := range env.Header {
		r.Header = append(r.Header, gateway.Field{Name: strings.Clone(f.Name), Value: strings.Clone(f.Value)})
	}
	return r
}

// Found is what a Parser has found in a stream.
type Found struct {
	Requests []Request
	Refused  *protocol.Error // what ended the stream, if not its end
	Partial  bool            // the stream ends within a request
	Ends     bool            // the codec has ended the connection without a refusal
	Replies  int             // interim answers
}

// Parse feeds a codec's Parser with a stream in pieces. The bytes move before
// each call and are overwritten afterwards, so that a Parser that keeps them
// is found out. An error is a breach of the Parser's contract.
func Parse(codec protocol.Codec, limits *protocol.Limits, pieces ...[]byte) (Found, error) {
	var found Found
	p, _ := codec.New()
	p.Reset(limits)
	var held []byte
	for _, piece := range pieces {
		held = append(held, piece...)
		for len(held) > 0 {
			data := append([]byte(nil), held...)
			o, err := p.Parse(data)
			if len(o.Reply) > 0 {
				found.Replies++
			}
			if err != nil {
				if !errors.As(err, &found.Refused) {
					return found, fmt.Errorf("Parse returns %T, want *protocol.Error: %w", err, err)
				}
				return found, nil
			}
			if o.Size < 0 || o.Size > len(data) {
				return found, fmt.Errorf("Parse returns size %d of %d", o.Size, len(data))
			}
			if o.Ends {
				found.Ends = true
				return found, nil
			}
			if o.State != protocol.Done {
				held = append(held[:0], data[:o.Size]...)
				break
			}
			var env gateway.Environ
			body := p.Describe(&env, data[:o.Size:o.Size])
			found.Requests = append(found.Requests, fromEnviron(&env, body))
			held = append(held[:0], data[o.Size:]...)
			for i := range data {
				data[i] = 0xdb
			}
			p.Reset(limits)
		}
	}
	found.Partial = len(held) > 0
	return found, nil
}

// Served is what a Session has done with a stream.
type Served struct {
	Output []byte
	Closed bool // before the client's end
	Linger bool
	Broken bool // an engine resets the connection
}

// Serve feeds a Session with a stream in pieces, as an engine does, and
// then the end of it.
func Serve(svc *protocol.Service, pieces ...[]byte) Served {
	var served Served
	s := svc.NewSession(protocol.Peer{
		Local:  &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 80},
		Remote: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1234},
		Wait:   noWait{},
	})
	defer s.Release()
	for _, piece := range pieces {
		for len(piece) > 0 && !served.Closed {
			piece = piece[s.Feed(piece):]
			served.drive(s)
		}
	}
	if !served.Closed {
		s.EOF()
		closed := served.drive(s)
		served.Closed = false
		if !closed {
			served.Output = append(served.Output, "(not closed after the client's end)"...)
		}
	}
	return served
}

// noWait is the wait hook of a driver on which nobody waits.
type noWait struct{}

func (noWait) Sleep(context.Context, time.Duration) error { return gateway.ErrWaitTimeout }
func (noWait) Readable(context.Context, int, time.Duration) error {
	return gateway.ErrWaitTimeout
}
func (noWait) Writable(context.Context, int, time.Duration) error {
	return gateway.ErrWaitTimeout
}

// drive does what s asks for until it wants to read.
func (v *Served) drive(s *protocol.Session) bool {
	for {
		switch s.Next() {
		case protocol.Run:
			s.Run()
		case protocol.Write:
			out := s.Output()
			v.Output = append(v.Output, out...)
			s.Sent(len(out))
		case protocol.Close:
			v.Closed, v.Linger, v.Broken = true, s.Linger(), s.Broken()
			return true
		case protocol.Read:
			return false
		}
	}
}

// Service returns a Service without log around app.
func Service(codec protocol.Codec, limits protocol.Limits, app gateway.App) *protocol.Service {
	svc := protocol.NewService(app, codec)
	svc.Log = slog.New(slog.DiscardHandler)
	svc.Limits = limits
	return svc
}

// recorder is an app that keeps what it sees and answers with it. It states
// its own Date, so that equal requests have equal answers.
type recorder struct{ seen []Request }

func (r *recorder) app(env *gateway.Environ, start gateway.StartResponse) gateway.Body {
	body, err := io.ReadAll(env.Input)
	if err != nil || env.ContentLength != int64(len(body)) {
		panic(fmt.Sprintf("Input: %d of %d bytes, %v", len(body), env.ContentLength, err))
	}
	q := fromEnviron(env, body)
	r.seen = append(r.seen, q)
	start(200, []gateway.Field{{Name: "Date", Value: "Thu, 01 Jan 1970 00:00:00 GMT"}}, nil)
	return gateway.Bytes(fmt.Appendf(nil, "%d %s %s %d\n", len(r.seen), q.Method, q.Target, len(q.Body)))
}

// Splits calls f with the stream in the ways in which it may come. Every
// point to cut at is tried in streams of up to 2,000 bytes.
func Splits(stream []byte, f func(name string, pieces ...[]byte)) {
	f("whole", stream)
	single := make([][]byte, len(stream))
	for i := range stream {
		single[i] = stream[i : i+1]
	}
	if len(stream) <= 20_000 {
		f("byte by byte", single...)
	}
	step := 1
	if len(stream) > 2_000 {
		step = len(stream)/50 + 1
	}
	for i := 1; i < len(stream); i += step {
		f(fmt.Sprintf("cut at %d", i), stream[:i], stream[i:])
	}
}
