package load

import (
	"context"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/dynobench/dyno/bench/load/loadtest"
	"github.com/dynobench/dyno/bench/load/plan"
	"github.com/dynobench/dyno/results"
)

// stopping answers until a request, and then waits for the pause, or for ever.
func stopping(t *testing.T, after int64, pause time.Duration) *loadtest.Responder {
	ended := make(chan struct{})
	r := loadtest.Respond(t, "tcp", func(r *loadtest.Responder) {
		r.Answer = func(w io.Writer, n int64, head []byte) bool {
			if n == after {
				r.Frozen.RUnlock()
				r.Frozen.Lock() // everybody waits
				select {
				case <-ended:
				case <-time.After(pause):
				}
				r.Frozen.Unlock()
				r.Frozen.RLock()
			}
			return loadtest.Reply(loadtest.Hello)(w, n, head)
		}
	})
	t.Cleanup(func() { close(ended) }) // before the responder is waited for
	return r
}

// A server that answers nobody, or nobody any more, or stands still for a while:
// no generator and no model lets it pass.
func TestStoppedServer(t *testing.T) {
	for name, test := range map[string]struct {
		after int64
		pause time.Duration
		code  string
	}{
		"hung":     {1, time.Hour, results.CodeNoAnswers},
		"freezes":  {40, time.Hour, results.CodeNoAnswers},
		"a moment": {40, 700 * time.Millisecond, results.CodeStalled},
	} {
		t.Run(name, func(t *testing.T) {
			eachGenerator(t, func(t *testing.T, generator string) {
				for _, model := range []plan.Model{plan.Closed, plan.Open} {
					r := stopping(t, test.after, test.pause)
					c := loadtest.Short(r)
					c.Generator, c.Model, c.Duration, c.Timeout = generator, model, 1200*time.Millisecond, 2*time.Second
					if model == plan.Open {
						c.Rate = 200
					}
					l := mustRun(t, c)
					if l.Valid || !has(l, test.code) {
						t.Errorf("%s: valid %v, %d answers, %+v, %+v", model, l.Valid, l.Requests, l.Errors, l.Warnings)
					}
				}
			})
		})
	}
}

// What is under way when a run is interrupted is cut and no error, in the warm-up
// and in the window as while the last answers are waited for.
func TestInterruptedCuts(t *testing.T) {
	const warming plan.Phase = "warm-up"
	eachGenerator(t, func(t *testing.T, generator string) {
		for _, at := range []plan.Phase{warming, plan.MeasureStart, plan.MeasureEnd} {
			r := stopping(t, 1, time.Hour)
			c := loadtest.Short(r)
			c.Generator, c.Timeout = generator, time.Hour
			ctx, interrupt := context.WithCancel(t.Context())
			var once sync.Once
			reach := func(p plan.Phase) {
				if p == at { // a request of each connection is under way
					once.Do(func() { time.AfterFunc(20*time.Millisecond, interrupt) })
				}
			}
			c.Phase = reach
			if at == warming {
				c.Warmup, c.Progress = time.Hour, func(plan.Progress) { reach(warming) }
				c.Phase = func(plan.Phase) { time.Sleep(50 * time.Millisecond) } // reading a host's meters takes a while
			}
			l, err := Run(ctx, c)
			if err != nil {
				t.Fatal(err)
			}
			consistent(t, l)
			if !l.Interrupted || l.Errors != (results.Errors{}) || l.Cut > int64(c.Connections) ||
				l.WholeRun.Sent != l.WholeRun.Cut+l.WholeRun.Answered || l.WholeRun.Answered >= int64(c.Connections) || // some may be answered before all wait
				at == warming && l.WholeRun.Cut == 0 || at == plan.MeasureEnd && l.Cut == 0 {
				t.Errorf("at %s: interrupted %v, %d cut, %+v, %+v", at, l.Interrupted, l.Cut, l.WholeRun, l.Errors)
			}
		}
	})
}
