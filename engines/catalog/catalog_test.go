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
		"prefork:prefork":              "cannot multiply",
		"prefork:null":                 "cannot multiply",
		"prefork:pool:sync":            "pool has no inner engine",
		"prefork:threads,processses=2": `did you mean "processes"? Known: affinity, full, processes, queue, queue-target, socket, threads`,
		"prefork,processes=0":          "processes=0",
		"prefork:pool,size=none":       "size=none: not a whole number",
		"null,service=1":               "service=1: not a duration",
		"null,service=-1ms":            "service=-1ms: negative",
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
			if e.Kind == Calibration {
				continue
			}
			isSwept(t, e.Name, k)
			for _, cpus := range []int{1, 2, 64} {
				for _, v := range k.Try(k.Default, cpus) {
					if _, err := New(e.Name + "," + k.Key + "=" + v); err != nil {
						t.Errorf("%s: what a sweep of %s tries on %d CPUs must be a value that it takes: %v", e.Name, k.Key, cpus, err)
					}
				}
			}
		}
		if _, err := engines.Parse(e.Name); err != nil {
			t.Error(err)
		}
	}
}

// isSwept holds a setting to having either values that a sweep tries or a reason
// why there are none: dyno tune and docs/tuning-results.md rest on it.
func isSwept(t *testing.T, engine string, k engines.Knob) {
	t.Helper()
	if (len(k.Sweep) == 0) == (k.Fixed == "") {
		t.Errorf("%s: %s needs values to try (Sweep) or a reason why none (Fixed), and not both", engine, k.Key)
	}
	if len(k.Sweep) > 0 && len(k.Try(k.Default, 1)) == 0 && len(k.Try(k.Default, 8)) == 0 {
		t.Errorf("%s: a sweep of %s would try nothing but its default", engine, k.Key)
	}
}

func TestKnobs(t *testing.T) {
	for _, k := range Variables {
		isSwept(t, "every engine", k)
	}
	for spec, want := range map[string]string{
		"goroutine":                     "per slots full queue-target GOGC GOMAXPROCS",
		"threads":                       "threads queue full queue-target GOGC",
		"prefork":                       "processes socket affinity keepalive full queue-target GOGC GOMAXPROCS",
		"prefork:goroutine,per=request": "processes socket affinity per slots full queue-target GOGC GOMAXPROCS",
		"prefork:threads,processes=2":   "processes socket affinity threads queue full queue-target GOGC",
		"nethttp":                       "GOGC GOMAXPROCS",
	} {
		s, err := engines.Parse(spec)
		if err != nil {
			t.Fatal(err)
		}
		settings, variables, err := Knobs(s)
		got := keys(settings)
		for _, v := range variables {
			if v.Fixed == "" {
				got = append(got, v.Key)
			}
		}
		if err != nil || strings.Join(got, " ") != want {
			t.Errorf("Knobs(%s) = %v, %v; want %s", spec, got, err, want)
		}
	}
	for _, spec := range []engines.Spec{{Name: "gorutine"}, {Name: "prefork", Inner: "gorutine"}} {
		if _, _, err := Knobs(spec); err == nil || !strings.Contains(err.Error(), "goroutine") {
			t.Errorf("Knobs(%s): %v, want an error that names goroutine", spec, err)
		}
	}
}

// TestZeroAndNothing gives every setting of every engine 0, what is negative and
// what is empty: all are refused but the zeros that the setting's text explains.
func TestZeroAndNothing(t *testing.T) {
	zero := map[string]bool{"queue": true, "slots": true, "queue-target": true, "service": true}
	seen := 0
	for _, e := range List() {
		for _, k := range e.Knobs {
			seen++
			for _, v := range []string{"0", "0s", "-1", "-1s", "-0", "", "+1", "1e1", "0x1"} {
				_, err := New(e.Name + "," + k.Key + "=" + v)
				numeral := v == "0" || v == "0s" && (k.Key == "queue-target" || k.Key == "service")
				if takes := zero[k.Key] && numeral; (err == nil) != takes {
					t.Errorf("%s,%s=%s: %v", e.Name, k.Key, v, err)
				}
			}
		}
	}
	if seen < 20 {
		t.Errorf("only %d settings", seen)
	}
}
