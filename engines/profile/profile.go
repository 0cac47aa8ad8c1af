// Package profile serves the profiles of a process over HTTP, under the paths
// of net/http/pprof, so that go tool pprof and go tool trace read them.
//
// It is not net/http/pprof, which puts itself on http.DefaultServeMux as soon
// as it is linked: an app that serves that mux would show its profiles to the
// world. It also samples locks and blocking only while somebody asks, so that
// a server that could be profiled costs no more than one that could not.
package profile

import (
	"fmt"
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

// taking is held by who samples: the runtime can do each thing once.
var taking sync.Mutex

// Handler answers GETs below /debug/pprof/: profile (of the CPU) and trace, for
// ?seconds=; mutex and block, sampled for ?seconds= and with all that was
// sampled before in the life of the process; goroutine, heap, allocs and
// threadcreate as they are, heap after a collection with ?gc=1. ?debug=1 makes
// the latter text. While one of the former is taken another is refused (409).
func Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /debug/pprof/{$}", index)
	mux.HandleFunc("GET /debug/pprof/profile", func(w http.ResponseWriter, r *http.Request) {
		during(w, r, profileSeconds, func() error { return pprof.StartCPUProfile(w) }, pprof.StopCPUProfile)
	})
	mux.HandleFunc("GET /debug/pprof/trace", func(w http.ResponseWriter, r *http.Request) {
		during(w, r, traceSeconds, func() error { return trace.Start(w) }, trace.Stop)
	})
	mux.HandleFunc("GET /debug/pprof/mutex", func(w http.ResponseWriter, r *http.Request) {
		var before int
		during(w, r, 0, func() error {
			before = runtime.SetMutexProfileFraction(-1)
			if before == 0 { // the app has its own way otherwise
				runtime.SetMutexProfileFraction(mutexFraction)
			}
			return nil
		}, func() {
			runtime.SetMutexProfileFraction(before)
			write(w, r, "mutex")
		})
	})
	mux.HandleFunc("GET /debug/pprof/block", func(w http.ResponseWriter, r *http.Request) {
		during(w, r, 0, func() error { runtime.SetBlockProfileRate(blockRateNS); return nil }, func() {
			runtime.SetBlockProfileRate(0)
			write(w, r, "block")
		})
	})
	mux.HandleFunc("GET /debug/pprof/{name}", func(w http.ResponseWriter, r *http.Request) {
		if r.PathValue("name") == "heap" && r.FormValue("gc") != "" {
			runtime.GC()
		}
		write(w, r, r.PathValue("name"))
	})
	return mux
}

// during samples for as long as r asks, or until the client goes away.
func during(w http.ResponseWriter, r *http.Request, seconds float64, start func() error, stop func()) {
	if text := r.FormValue("seconds"); text != "" {
		var err error
		if seconds, err = strconv.ParseFloat(text, 64); err != nil || !(seconds > 0 && seconds < 1e6) {
			http.Error(w, fmt.Sprintf("seconds=%q is not a number of seconds above 0", text), http.StatusBadRequest)
			return
		}
	}
	if !taking.TryLock() {
		http.Error(w, "another profile or trace is being taken: ask again when it is done", http.StatusConflict)
		return
	}
	defer taking.Unlock()
	w.Header().Set("Content-Type", "application/octet-stream")
	if err := start(); err != nil { // the app takes one itself
		http.Error(w, err.Error(), http.StatusConflict)
		return
	}
	timer := time.NewTimer(time.Duration(seconds * float64(time.Second)))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-r.Context().Done():
	}
	stop()
}

// write answers with a profile of the runtime's, or of the app's own.
func write(w http.ResponseWriter, r *http.Request, name string) {
	p := pprof.Lookup(name)
	if p == nil {
		http.Error(w, fmt.Sprintf("there is no profile %q; /debug/pprof/ lists all", name), http.StatusNotFound)
		return
	}
	debug, _ := strconv.Atoi(r.FormValue("debug"))
	kind := "application/octet-stream"
	if debug > 0 {
		kind = "text/plain; charset=utf-8"
	}
	w.Header().Set("Content-Type", kind)
	p.WriteTo(w, debug) //nolint:errcheck // the client has gone
}

func index(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	fmt.Fprintf(w, "go tool pprof http://…/debug/pprof/NAME, go tool trace FILE for trace\n\nprofile?seconds=%d\ntrace?seconds=%d\n", profileSeconds, traceSeconds)
	for _, p := range pprof.Profiles() {
		fmt.Fprintln(w, p.Name())
	}
}
