package load

import (
	"container/heap"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/dynobench/dyno/bench/load/plan"
	"github.com/dynobench/dyno/bench/load/record"
	"github.com/dynobench/dyno/internal/testkit"
	"github.com/dynobench/dyno/results"
)

// A healthy server answers as drawn, each connection by itself, and does not
// change.
type healthy struct {
	name        string
	connections int
	rate        float64 // of Poisson arrivals; 0: closed loop
	window      time.Duration
	service     func(rng *rand.Rand) (class int, seconds float64)
}

func constantly(s float64) func(*rand.Rand) (int, float64) {
	return func(*rand.Rand) (int, float64) { return 0, s }
}

func exponentially(mean float64) func(*rand.Rand) (int, float64) {
	return func(rng *rand.Rand) (int, float64) { return 0, mean * rng.ExpFloat64() }
}

// lognormal has a heavy tail: with σ = 2 the p99 is a hundred times the median.
func lognormal(median, sigma float64) func(*rand.Rand) (int, float64) {
	return func(rng *rand.Rand) (int, float64) { return 0, median * math.Exp(sigma*rng.NormFloat64()) }
}

// twoClasses has one slow request in a hundred.
func twoClasses(fast, slow float64) func(*rand.Rand) (int, float64) {
	return func(rng *rand.Rand) (int, float64) {
		if rng.IntN(100) == 0 {
			return 1, slow
		}
		return 0, fast * (0.5 + rng.Float64())
	}
}

// unraced leaves a simulation, of one goroutine and a hundred million steps, to
// the tests without the race detector.
func unraced(t *testing.T) {
	if testkit.Race {
		t.Skip("takes ten times as long under the race detector; scripts/test.sh runs it without")
	}
}

type outcomes []record.Outcome

func (o outcomes) Len() int           { return len(o) }
func (o outcomes) Less(i, k int) bool { return o[i].Done < o[k].Done }
func (o outcomes) Swap(i, k int)      { o[i], o[k] = o[k], o[i] }
func (o *outcomes) Push(x any)        { *o = append(*o, x.(record.Outcome)) }
func (o *outcomes) Pop() any {
	last := (*o)[len(*o)-1]
	*o = (*o)[:len(*o)-1]
	return last
}

// simulate has the recorder and the gates see a run. Within stop nobody is
// answered: what would be, is at its end; a stop without an end is for good.
func simulate(h healthy, rng *rand.Rand, stop [2]time.Duration) *results.Load {
	const warm = int64(500 * time.Millisecond)
	c := plan.Config{Model: plan.Closed, Connections: h.connections, Pipeline: 1, Threads: 1, Duration: h.window, Generator: "native", Timeout: 10 * time.Second,
		Requests: []plan.Request{{Class: "a", Weight: 1}, {Class: "b", Weight: 1}}}
	if h.rate > 0 {
		c.Model, c.Rate, c.Arrivals = plan.Open, h.rate, plan.Poisson
	}
	w := record.NewWindow()
	start, end := warm, warm+int64(h.window)
	w.Start.Store(start)
	w.End.Store(end)
	r := record.NewRecorder(w, 2, h.connections)
	var under outcomes
	send := func(conn int, intended, at int64) {
		class, seconds := h.service(rng)
		o := record.Outcome{Class: class, Conn: conn, Intended: intended, Ready: at, Acted: at, Sent: at, Done: at + int64(seconds*1e9)}
		from, to := start+int64(stop[0]), start+int64(stop[1])
		if stop[0] > 0 && o.Done >= from && (stop[1] == 0 || o.Done < to) {
			if o.Done = to; stop[1] == 0 {
				o.Kind, o.Done = record.TimedOut, at+int64(c.Timeout)
			}
		}
		heap.Push(&under, o)
	}
	next, clock, free := int64(record.Never), int64(0), make([]int, 0, h.connections)
	var due []int64
	for i := range h.connections {
		if h.rate > 0 {
			free = append(free, i)
		} else {
			send(i, 0, 0)
		}
	}
	gap := func() int64 { return int64(rng.ExpFloat64() / h.rate * 1e9) }
	if h.rate > 0 {
		next = gap()
	}
	for {
		if next < end && (len(under) == 0 || next <= under[0].Done) {
			clock = next
			due = append(due, next)
			next += gap()
		} else if len(under) > 0 {
			o := heap.Pop(&under).(record.Outcome)
			clock = o.Done
			r.Run.Sent++
			r.Record(&o)
			if h.rate > 0 {
				free = append(free, o.Conn)
			} else if o.Done < end {
				send(o.Conn, o.Done, o.Done)
			}
		} else {
			break
		}
		for len(due) > 0 && len(free) > 0 {
			longest := free[0]
			free = free[1:]
			send(longest, due[0], clock)
			due = due[1:]
		}
	}
	l, err := summarise(&c, &record.Reading{Recorders: []*record.Recorder{r}, Start: start, End: end, Utilisation: 0.3})
	if err != nil {
		panic(err)
	}
	return l
}

var healthyServers = []healthy{
	{"1 connection, constant", 1, 0, 2 * time.Second, constantly(2e-3)},
	{"1 connection, exponential", 1, 0, 2 * time.Second, exponentially(7e-3)},
	{"1 connection, heavy tail", 1, 0, 2 * time.Second, lognormal(5e-3, 1)},
	{"2 connections, heavy tail", 2, 0, 2 * time.Second, lognormal(5e-3, 1)},
	{"4 connections, very heavy tail", 4, 0, 3 * time.Second, lognormal(5e-3, 2)},
	{"64 connections, heavy tail", 64, 0, 1 * time.Second, lognormal(20e-3, 1)},
	{"4 connections, one slow in a hundred", 4, 0, 3 * time.Second, twoClasses(2e-3, 0.3)},
	{"64 connections of 0.7 s", 64, 0, 3 * time.Second, constantly(0.7)},
	{"8 connections, exponential of 0.2 s", 8, 0, 5 * time.Second, exponentially(0.2)},
	{"10/s", 64, 10, 5 * time.Second, exponentially(10e-3)},
	{"10/s, heavy tail", 64, 10, 5 * time.Second, lognormal(10e-3, 1)},
	{"30/s, very heavy tail", 64, 30, 5 * time.Second, lognormal(5e-3, 2)},
	{"100/s", 64, 100, 5 * time.Second, exponentially(1e-3)},
	{"100/s for 10 s", 64, 100, 10 * time.Second, constantly(1e-3)},
	{"1000/s", 64, 1000, 2 * time.Second, exponentially(3e-3)},
	{"100/s, one slow in a hundred", 64, 100, 5 * time.Second, twoClasses(2e-3, 0.5)},
}

// No gate sounds for a healthy server more than once in a hundred runs. edges and
// too-few-samples are no alarms: they say what a window holds.
func TestFalseAlarms(t *testing.T) {
	unraced(t)
	const runs = 300
	const most = 8 // of a rate of 1 % there are more once in 300 tries
	for _, h := range healthyServers {
		rng := rand.New(rand.NewPCG(11, 12))
		alarms := map[string]int{}
		for range runs {
			for _, w := range simulate(h, rng, [2]time.Duration{}).Warnings {
				alarms[w.Code]++
			}
		}
		delete(alarms, results.CodeEdges)
		delete(alarms, results.CodeTooFew)
		t.Logf("%s: %v in %d runs", h.name, alarms, runs)
		for code, n := range alarms {
			if n > most {
				t.Errorf("%s: %s in %d of %d runs", h.name, code, n, runs)
			}
		}
	}
}

// A server that stops is found out, in the closed loop and in the open one.
func TestStopsAreSeen(t *testing.T) {
	unraced(t)
	for _, h := range []healthy{
		{"64 connections", 64, 0, 3 * time.Second, exponentially(3e-3)},
		{"4 connections, heavy tail", 4, 0, 3 * time.Second, lognormal(2e-3, 1)},
		{"1 connection", 1, 0, 3 * time.Second, exponentially(1e-3)},
		{"64 connections, one slow in a hundred", 64, 0, 3 * time.Second, twoClasses(1e-3, 0.01)},
		{"1000/s", 64, 1000, 3 * time.Second, exponentially(3e-3)},
		{"50/s", 8, 50, 3 * time.Second, exponentially(3e-3)},
	} {
		for _, c := range []struct {
			from, to time.Duration
			code     string
		}{
			{time.Second, 1800 * time.Millisecond, results.CodeStalled},
			{1100 * time.Millisecond, 1500 * time.Millisecond, results.CodeStalled},
			{time.Second, 0, results.CodeNoAnswers},
			{2900 * time.Millisecond, 0, results.CodeNoAnswers},
			{time.Millisecond, 0, results.CodeNoAnswers},
		} {
			const runs = 12
			rng, seen := rand.New(rand.NewPCG(13, 14)), 0
			for range runs {
				l := simulate(h, rng, [2]time.Duration{c.from, c.to})
				if !l.Valid && has(l, c.code) {
					seen++
				}
			}
			if seen < runs {
				t.Errorf("%s, stopped from %v to %v: %s in %d of %d runs", h.name, c.from, c.to, c.code, seen, runs)
			}
		}
	}
}

// What is credited to the window is the rate, whatever its length beside what a
// request takes.
func TestEdgesHaveNoBias(t *testing.T) {
	unraced(t)
	for _, service := range []func(*rand.Rand) (int, float64){constantly(0.7), exponentially(0.7), twoClasses(0.4, 1.9)} {
		for _, window := range []time.Duration{300 * time.Millisecond, time.Second, 2500 * time.Millisecond} {
			const runs = 400
			rng := rand.New(rand.NewPCG(15, 16))
			mean, sum := 0.0, 0.0
			for range 20000 {
				_, s := service(rng)
				mean += s / 20000
			}
			for range runs {
				sum += simulate(healthy{"", 8, 0, window, service}, rng, [2]time.Duration{}).ThroughputRPS / runs
			}
			// The simulated warm-up of half a second is no steady state: constant
			// times are exact anyhow, the others nearly.
			if want := 8 / mean; math.Abs(sum/want-1) > 0.12 {
				t.Errorf("%s: %.3f/s in windows of %v, expected %.3f", fmt.Sprint(mean), sum, window, want)
			}
		}
	}
}
