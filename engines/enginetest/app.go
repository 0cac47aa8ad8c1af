package enginetest

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/dynobench/dyno/protocol/gateway"
)

// App is the application that the suite serves. It can be watched from the
// same process and, where that is another one, by what it writes to
// env.Errors: "started" when a request to /wait or /hold has.
type App struct {
	Pulled  atomic.Int64  // bytes that the engine has asked bodies of /stream for
	Open    atomic.Int64  // bodies not closed
	Started atomic.Int64  // requests to /hold and /gate that have begun
	Ended   atomic.Int64  // requests to /hold whose Context has ended
	Here    atomic.Int64  // requests to /together that have begun
	Release chan struct{} // what requests to /hold and /gate wait for
}

// NewApp returns an App.
func NewApp() *App { return &App{Release: make(chan struct{})} }

var (
	plain = []gateway.Field{{Name: "Content-Type", Value: "text/plain"}}
	block = []byte(strings.Repeat("0123456789abcdef", 4096)) // 64 KiB
)

// Hello is the answer of /hello.
const Hello = "Hello, World!"

// Serve is the gateway.App:
//
//	/hello            Hello
//	/echo             the request's body
//	/where            path, query and a header field, to tell answers apart
//	/stream?n=&size=  n chunks of size bytes, up to 64 KiB, length unknown
//	/gate             a chunk, and after Release another one
//	/hold             an answer after Release, 503 if the Context ends before
//	/together?n=      an answer when n requests to it have begun
//	/wait?ms=         an answer after that time, by the wait hook
//	/yield?n=         n empty chunks, then an answer
//	/abort            breaks the answer off on purpose, before its first byte
//	/panic            panics before the answer, /panic-late after its first chunk
//	/flags            the flags that the engine has set
//
// Any other path is a 404 that repeats it.
func (a *App) Serve(env *gateway.Environ, start gateway.StartResponse) gateway.Body {
	answer := func(status int, b []byte) gateway.Body {
		if err := start(status, plain, nil); err != nil {
			return gateway.Fail(err)
		}
		return a.watch(gateway.Bytes(b))
	}
	text := func(status int, s string) gateway.Body { return answer(status, []byte(s)) }
	query, _ := url.ParseQuery(env.Query)
	number := func(key string) int { n, _ := strconv.Atoi(query.Get(key)); return n }
	switch env.Path {
	case "/hello":
		return text(200, Hello)
	case "/echo":
		body, err := io.ReadAll(env.Input)
		if err != nil {
			return gateway.Fail(err)
		}
		return answer(200, body)
	case "/where":
		return text(200, env.Path+"?"+env.Query+" "+env.Get("HTTP_X_TEST"))
	case "/stream":
		if err := start(200, plain, nil); err != nil {
			return gateway.Fail(err)
		}
		n, size := number("n"), number("size")
		return a.watch(gateway.Chunks(func(yield func([]byte, error) bool) {
			for range n {
				a.Pulled.Add(int64(size))
				if !yield(block[:size], nil) {
					return
				}
			}
		}))
	case "/gate":
		if err := start(200, plain, nil); err != nil {
			return gateway.Fail(err)
		}
		a.Started.Add(1)
		return a.watch(gateway.Chunks(func(yield func([]byte, error) bool) {
			if !yield([]byte("first "), nil) {
				return
			}
			if err := a.hold(env); err != nil {
				yield(nil, err)
				return
			}
			yield([]byte("second"), nil)
		}))
	case "/hold":
		a.Started.Add(1)
		if err := a.hold(env); err != nil {
			a.Ended.Add(1)
			return text(503, err.Error())
		}
		return text(200, "held")
	case "/together":
		// Looked at seldom, since there may be thousands that look.
		for a.Here.Add(1); a.Here.Load() < int64(number("n")); {
			if err := env.Wait.Sleep(env.Context, 250*time.Millisecond); err != nil {
				return text(503, err.Error())
			}
		}
		return text(200, "together")
	case "/wait":
		fmt.Fprintln(env.Errors, "started")
		if err := env.Wait.Sleep(env.Context, time.Duration(number("ms"))*time.Millisecond); err != nil {
			return text(503, err.Error())
		}
		return text(200, "waited")
	case "/yield":
		if err := start(200, plain, nil); err != nil {
			return gateway.Fail(err)
		}
		n := number("n")
		return a.watch(gateway.Chunks(func(yield func([]byte, error) bool) {
			for range n {
				if !yield(nil, nil) {
					return
				}
			}
			yield([]byte("yielded"), nil)
		}))
	case "/abort":
		panic(http.ErrAbortHandler)
	case "/panic":
		panic("on purpose")
	case "/panic-late":
		if err := start(200, plain, nil); err != nil {
			return gateway.Fail(err)
		}
		return a.watch(gateway.Chunks(func(yield func([]byte, error) bool) {
			if yield(block[:1000], nil) {
				panic("on purpose")
			}
		}))
	case "/flags":
		return text(200, fmt.Sprintf("%+v", env.Flags))
	}
	return text(404, env.Path)
}

// hold waits for Release by the engine's wait hook.
func (a *App) hold(env *gateway.Environ) error {
	for {
		select {
		case <-a.Release:
			return nil
		default:
		}
		if err := env.Wait.Sleep(env.Context, 2*time.Millisecond); err != nil {
			return context.Cause(env.Context)
		}
	}
}

// watch counts bodies that have not been closed.
func (a *App) watch(b gateway.Body) gateway.Body {
	a.Open.Add(1)
	if s, ok := b.(gateway.Sized); ok {
		return &sizedBody{watched{b, a}, s.Size()}
	}
	return &watched{b, a}
}

type watched struct {
	gateway.Body
	a *App
}

func (w *watched) Close() error {
	w.a.Open.Add(-1)
	return w.Body.Close()
}

type sizedBody struct {
	watched
	size int64
}

func (s *sizedBody) Size() int64 { return s.size }
