package load_test

import (
	"fmt"
	"math"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/dynobench/dyno/bench/doctor"
	"github.com/dynobench/dyno/bench/load"
	"github.com/dynobench/dyno/bench/load/plan"
	"github.com/dynobench/dyno/results"
)

// TestFreeze is the instrument's own test: the null server, in a process of its
// own, is stopped in the middle of a window, and the latencies have to be those
// that the schedule says. A generator that counted from when a request was
// sent would be wrong by the whole length of the freeze.
//
// A host that is busy with something else delays the stop, the thaw and the
// generator now and then; a wrong generator is wrong each time. Most of the tries
// decide.
func TestFreeze(t *testing.T) {
	const majority = 3 // of five
	for _, arrivals := range []plan.Arrivals{plan.Constant, plan.Poisson} {
		for _, generator := range []string{"native", "vegeta"} {
			t.Run(generator+"/"+string(arrivals), func(t *testing.T) {
				t.Parallel() // they sleep most of the time
				for right, wrong := 0, 0; right < majority; {
					err := freeze(t, generator, arrivals)
					if err == nil {
						right++
						continue
					}
					if wrong++; wrong == majority {
						t.Fatalf("the latencies are wrong in %d of %d tries, at last: %v", wrong, right+wrong, err)
					}
					t.Logf("try %d: %v", right+wrong, err)
				}
			})
		}
	}
}

// freeze tells what is wrong with the latencies of one run.
func freeze(t *testing.T, generator string, arrivals plan.Arrivals) error {
	const after, length = 500 * time.Millisecond, 500 * time.Millisecond
	url, server := load.StartServer(t, "null")
	c := plan.Config{
		URL: url, Generator: generator, Model: plan.Open, Arrivals: arrivals, Rate: 600, Seed: 7,
		Connections: 16, Duration: 2 * time.Second, Timeout: 10 * time.Second,
	}
	var stop, frozen time.Duration
	thawed := make(chan struct{})
	c.Phase = func(p plan.Phase) {
		if p != plan.MeasureStart {
			return
		}
		began := time.Now()
		go func() {
			defer close(thawed)
			time.Sleep(after)
			server.Signal(syscall.SIGSTOP) //nolint:errcheck // the latencies would show
			stop = time.Since(began)
			time.Sleep(length)
			frozen = time.Since(began) - stop
			server.Signal(syscall.SIGCONT) //nolint:errcheck // likewise
		}()
	}
	l, err := load.Run(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	<-thawed

	due := slices.Collect(c.Due(0))
	unsent := l.Errors.Unsent
	if n := l.Requests + l.Errors.Total(); n != int64(len(due)) || l.Errors.Total() > unsent {
		t.Errorf("%d requests accounted for with errors %+v, %d were due", n, l.Errors, len(due))
	}
	if unsent > 0 {
		return fmt.Errorf("%d requests were still waiting at the window's end", unsent)
	}
	h, err := results.DecodeHistogram(l.Histogram)
	if err != nil {
		t.Fatal(err)
	}
	want := doctor.Waits(due, stop, frozen, 0)
	slices.Sort(want)
	for _, q := range []float64{0.5, 0.9, 0.95, 0.99, 1} {
		got := time.Duration(h.ValueAtQuantile(100 * q))
		exact := want[int(math.Ceil(q*float64(len(want))))-1]
		// What the backlog takes to be answered comes on top: with vegeta, or on a
		// busy host, tens of milliseconds. Latencies from when requests were sent
		// would be off by all of length.
		slack := exact*3/100 + length/10
		if (got - exact).Abs() > slack {
			return fmt.Errorf("quantile %v is %v and has to be %v, give or take %v (stopped for %v after %v)", q, got, exact, slack, frozen, stop)
		}
	}
	return nil
}
