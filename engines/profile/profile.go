// Package profile serves the profiles of a process over HTTP, under the paths
// of net/http/pprof, so that go tool pprof and go tool trace read them.
//
// It is not net/http/pprof, which puts itself on http.DefaultServeMux as soon
// as it is linked: an app that serves that mux would show its profiles to the
// world. It also samples locks and blocking only while somebody asks, so that
// a server that could be profiled costs no more than one that could not.
package profile

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"runtime/pprof"
	"runtime/trace"
	"strconv"
	"sync"
	"time"
)

// What is sampled of contention while somebody asks: one in so many waits for a
// lock, and one wait on average for so many nanoseconds spent waiting.
const (
	mutexFraction = 10
	blockRateNS   = 10_000
)

// Default lengths of a profile and of a trace, in seconds, net/http/pprof's.
const (
	profileSeconds = 30
	traceSeconds   = 1
)

// Each is held by who samples that: the runtime can do each thing once.
var takingCPU, takingTrace, takingMutex, takingBlock sync.Mutex

// Handler answers GETs below /debug/pprof/: profile (of the CPU) and trace, for
// ?seconds=; mutex and block, sampled for ?seconds= and with all that was
// sampled before in the life of the process; goroutine, heap, allocs and
// threadcreate as they are, heap after a collection with ?gc=1. ?debug=1 makes
// the latter text. While one of the former is taken a second one of the same kind
// is refused (409). All but a trace, which can be large and is sent as it grows, are
// taken first and sent then: who does not read holds up nobody.
func Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /debug/pprof/{$}", index)
	mux.HandleFunc("GET /debug/pprof/profile", func(w http.ResponseWriter, r *http.Request) {
		var to bytes.Buffer
		if during(w, r, &takingCPU, profileSeconds, func() error { return pprof.StartCPUProfile(&to) }, pprof.StopCPUProfile) {
			w.Write(to.Bytes()) //nolint:errcheck // the client has gone
		}
	})
	mux.HandleFunc("GET /debug/pprof/trace", func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithCancel(r.Context())
		defer cancel()
		during(w, r.WithContext(ctx), &takingTrace, traceSeconds, func() error { return trace.Start(&untilFailed{w, cancel}) }, trace.Stop)
	})
	mux.HandleFunc("GET /debug/pprof/mutex", func(w http.ResponseWriter, r *http.Request) {
		var before int
		var to bytes.Buffer
		if during(w, r, &takingMutex, 0, func() error {
			before = runtime.SetMutexProfileFraction(-1)
			if before == 0 { // the app has its own way otherwise
				runtime.SetMutexProfileFraction(mutexFraction)
			}
			return nil
		}, func() {
			runtime.SetMutexProfileFraction(before)
			render(&to, r, "mutex")
		}) {
			send(w, r, &to)
		}
	})
	mux.HandleFunc("GET /debug/pprof/block", func(w http.ResponseWriter, r *http.Request) {
		var to bytes.Buffer
		if during(w, r, &takingBlock, 0, func() error { runtime.SetBlockProfileRate(blockRateNS); return nil }, func() {
			runtime.SetBlockProfileRate(0)
			render(&to, r, "block")
		}) {
			send(w, r, &to)
		}
	})
	mux.HandleFunc("GET /debug/pprof/{name}", func(w http.ResponseWriter, r *http.Request) {
		if r.PathValue("name") == "heap" && r.FormValue("gc") != "" {
			runtime.GC()
		}
		var to bytes.Buffer
		if !render(&to, r, r.PathValue("name")) {
			http.Error(w, fmt.Sprintf("there is no profile %q; /debug/pprof/ lists all", r.PathValue("name")), http.StatusNotFound)
			return
		}
		send(w, r, &to)
	})
	return mux
}

// untilFailed has sampling end when nobody reads it any more.
type untilFailed struct {
	w      io.Writer
	failed func()
}

func (u *untilFailed) Write(p []byte) (int, error) {
	n, err := u.w.Write(p)
	if err != nil {
		u.failed()
	}
	return n, err
}

// during samples for as long as r asks, or until the client goes away, with taking
// held, and tells whether it has.
func during(w http.ResponseWriter, r *http.Request, taking *sync.Mutex, seconds float64, start func() error, stop func()) bool {
	if text := r.FormValue("seconds"); text != "" {
		var err error
		if seconds, err = strconv.ParseFloat(text, 64); err != nil || !(seconds > 0 && seconds < 1e6) {
			http.Error(w, fmt.Sprintf("seconds=%q is not a number of seconds above 0", text), http.StatusBadRequest)
			return false
		}
	}
	if !taking.TryLock() {
		http.Error(w, "another one is being taken: ask again when it is done", http.StatusConflict)
		return false
	}
	defer taking.Unlock()
	w.Header().Set("Content-Type", "application/octet-stream")
	if err := start(); err != nil { // the app takes one itself
		http.Error(w, err.Error(), http.StatusConflict)
		return false
	}
	timer := time.NewTimer(time.Duration(seconds * float64(time.Second)))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-r.Context().Done():
	}
	stop()
	return true
}

// debug is the form that r asks for, 0 for pprof's own.
func debug(r *http.Request) int {
	n, _ := strconv.Atoi(r.FormValue("debug"))
	return n
}

// render puts a profile of the runtime's, or of the app's own, into to, and tells
// whether there is one of that name.
func render(to *bytes.Buffer, r *http.Request, name string) bool {
	p := pprof.Lookup(name)
	if p == nil {
		return false
	}
	p.WriteTo(to, debug(r)) //nolint:errcheck // into memory
	return true
}

// send answers with a profile.
func send(w http.ResponseWriter, r *http.Request, from *bytes.Buffer) {
	kind := "application/octet-stream"
	if debug(r) > 0 {
		kind = "text/plain; charset=utf-8"
	}
	w.Header().Set("Content-Type", kind)
	w.Write(from.Bytes()) //nolint:errcheck // the client has gone
}

func index(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	fmt.Fprintf(w, "go tool pprof http://…/debug/pprof/NAME, go tool trace FILE for trace\n\nprofile?seconds=%d\ntrace?seconds=%d\n", profileSeconds, traceSeconds)
	for _, p := range pprof.Profiles() {
		fmt.Fprintln(w, p.Name())
	}
}
