package catalog

import (
	"errors"
	"strings"
	"testing"

	"github.com/dynobench/dyno/engines"
)

func TestNew(t *testing.T) {
	for _, spec := range []string{
		"sync", "sync,keepalive=pinned", "prefork", "prefork:goroutine,processes=4", "prefork:threads,threads=3,socket=inherited",
		"threads,threads=64,queue=0", "pool,size=3,full=close", "goroutine,per=request", "eventloop,loops=2", "eventloop,loops=cpus",
		"nethttp", "fasthttp", "prefork:fasthttp", "null", "null,service=250us", "null,io=io_uring,loops=2",
	} {
		e, err := New(spec)
		if err != nil {
			t.Errorf("%s: %v", spec, err)
			continue
		}
		if s := e.Stats(); s.Requests != 0 || s.Busy != 0 {
			t.Errorf("%s: not fresh: %+v", spec, s)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	for spec, want := range map[string]string{
		"gorutine":                     `did you mean "goroutine"?`,
		"":                             "a name is missing",
		"threads,thread=3":             `unknown key "thread": did you mean "threads"? Known: full, queue, queue-target, threads`,
		"threads,threads=0":            "threads=0: must be between 1 and",
		"goroutine:sync":               "goroutine has no inner engine",
		"prefork:gorutine":             `unknown engine "gorutine"`,
		"prefork:prefork":              "cannot be multiplied",
		"prefork:null":                 "cannot be multiplied",
		"prefork:pool:sync":            "pool has no inner engine",
		"prefork:threads,processses=2": `did you mean "processes"? Known: affinity, full, processes, queue, queue-target, socket, threads`,
		"prefork,processes=0":          "processes=0",
		"prefork:pool,size=none":       "size=none: not an integer",
		"null,service=1":               "service=1: not a time such as 1ms",
		"null,service=-1ms":            "service=-1ms: must be between 0s and",
		"null,io=io_uring,service=1ms": "a service time needs io=epoll",
		"sync,keepalive=on":            `unknown value of keepalive "on"`,
	} {
		e, err := New(spec)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("New(%q): %v, want an error with %s", spec, err, want)
		}
		if e != nil {
			t.Errorf("New(%q) returned an engine with its error", spec)
		}
	}
}

func TestSpeaks(t *testing.T) {
	for _, spec := range []string{"sync", "prefork", "prefork:goroutine,processes=2", "eventloop"} {
		if err := errors.Join(Speaks(spec, "uwsgi"), Unwraps(spec)); err != nil {
			t.Error(err)
		}
	}
	for _, spec := range []string{"nethttp", "fasthttp", "null", "prefork:nethttp"} {
		if err := Speaks(spec, "http"); err != nil {
			t.Error(err)
		}
		if err := Speaks(spec, "scgi"); err == nil || !strings.Contains(err.Error(), spec+" speaks http only, not scgi; these speak it: sync, prefork") {
			t.Errorf("%s: %v", spec, err)
		}
		if err := Unwraps(spec); err == nil || !strings.Contains(err.Error(), spec+" does not take the PROXY protocol; these do: sync, prefork") {
			t.Errorf("%s: %v", spec, err)
		}
	}
}

func TestListIsComplete(t *testing.T) {
	for _, e := range List() {
		if e.Summary == "" || e.InFlight == "" || e.Kind == "" {
			t.Errorf("%s: not described: %+v", e.Name, e)
		}
		for _, k := range e.Knobs {
			if k.Key == "" || k.Default == "" || k.Doc == "" {
				t.Errorf("%s: knob not described: %+v", e.Name, k)
			}
			if _, err := New(e.Name + "," + k.Key + "=" + k.Default); err != nil {
				t.Errorf("%s: the default of %s must be a value that it takes: %v", e.Name, k.Key, err)
			}
		}
		if _, err := engines.Parse(e.Name); err != nil {
			t.Error(err)
		}
	}
}
