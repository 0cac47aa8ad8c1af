package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"os/exec"
	"slices"
	"syscall"
	"time"

	"github.com/dynobench/dyno/bench/capacity"
	"github.com/dynobench/dyno/bench/load/plan"
	"github.com/dynobench/dyno/results"
)

// The server of known capacity: one server of 1 ms, 1000 requests/s, and an
// objective that holds up to 80 % of that, so that the curve reaches 90 %. The
// service is long beside what loopback adds to a latency, which on a virtual
// machine is some hundreds of µs and less the busier it is, and short beside a
// window, in which chance has less to say for it: see docs/capacity.md.
const (
	searches      = 3
	disturbed     = 3 // searches that are repeated at most, since the host has spoiled them
	service       = time.Millisecond
	objectiveP99  = 12 * time.Millisecond
	highestLoad   = 0.9
	searchSeconds = 60
)

// capacityFigures searches the capacity of a server whose capacity and whose
// latency at every load are known: an M/D/1 queue.
func capacityFigures(dyno string, f *figures) error {
	limit := capacity.MD1Rate(service.Seconds(), 99, objectiveP99.Seconds())
	var off, curve, took []float64
	fmt.Printf("capacity, a server of %v: p99 < %v holds up to %.0f requests/s by theory\n", service, objectiveP99, limit)
	for seed := uint64(1); len(took) < searches && seed <= searches+disturbed; seed++ {
		c, err := searchKnown(dyno, seed)
		if err != nil {
			return err
		}
		if n, all := spoiledOf(c); 2*n > all {
			fmt.Printf("  does not count: the host has spoiled %d of %d windows\n", n, all)
			continue
		}
		took = append(took, c.DurationS)
		worst, floor, err := worstPoint(c)
		if err != nil {
			return err
		}
		fmt.Printf("  found %.0f requests/s in %.0f s", c.CapacityRPS, c.DurationS)
		if c.Interval != nil {
			fmt.Printf(", interval %.0f to %.0f", c.Interval.LowRPS, c.Interval.HighRPS)
		}
		fmt.Printf("; %d windows, floor %.0f µs\n", len(c.Probes), floor)
		if c.CapacityRPS > 0 {
			off = append(off, math.Abs(c.CapacityRPS/limit-1))
		}
		if !math.IsNaN(worst) {
			curve = append(curve, worst)
		}
	}
	f.say("capacity found: off by (share of the rate)", off, true, 0.05)
	for i := range took {
		took[i] /= searchSeconds
	}
	f.say("time of a search / 60 s", took, true, 1)
	f.say("latency up to 90 % load: off by (worst point)", curve, true, 0.10)
	return nil
}

// spoiledOf counts the windows that did not count, and all.
func spoiledOf(c *results.Capacity) (spoiled, all int) {
	for _, p := range c.Probes {
		if p.Verdict == results.VerdictSpoiled {
			spoiled++
		}
	}
	return spoiled, len(c.Probes)
}

// searchKnown runs one search, server and generator on CPUs of their own.
func searchKnown(dyno string, seed uint64) (*results.Capacity, error) {
	server := exec.Command("taskset", "-c", "0", dyno, "serve", "--json", "--engine", "null,service="+service.String(), "--listen", "127.0.0.1:0")
	out, err := server.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := server.Start(); err != nil {
		return nil, err
	}
	defer func() {
		server.Process.Signal(syscall.SIGTERM) //nolint:errcheck // it may have ended
		server.Wait()                          //nolint:errcheck // likewise
	}()
	line, err := bufio.NewReader(out).ReadBytes('\n')
	if err != nil {
		return nil, fmt.Errorf("dyno serve: %w", err)
	}
	var serving struct {
		URL string `json:"url"`
	}
	if err := json.Unmarshal(line, &serving); err != nil {
		return nil, fmt.Errorf("dyno serve: %w", err)
	}
	search := exec.Command("taskset", "-c", "1", dyno, "load", serving.URL+"/hello", "--json", "--capacity",
		"--slo", "p99<"+objectiveP99.String(), "--budget", fmt.Sprintf("%ds", searchSeconds), "--seed", fmt.Sprint(seed))
	search.Stderr = os.Stderr
	doc, err := search.Output()
	c := new(results.Capacity)
	if jsonErr := json.Unmarshal(doc, c); jsonErr != nil { // exit codes are about the verdict
		return nil, fmt.Errorf("%v: %w", search.Args, err)
	}
	return c, nil
}

// worstPoint returns how far the latency at a load up to highestLoad is off what
// the same arrivals, by the same seeds, come to in an ideal server, at the
// worst; NaN if there is no point. Comparing with the stationary queue instead
// would compare a minute's chance as well.
//
// The latency is the mean of the middle half of the requests. A stall of the
// host moves it as little as it does the median, which is no good at a load of
// a half: just half of the requests wait there, and it sits on the edge.
//
// What loopback and waking up add is no part of the queue: it is taken from the
// lowest load and added to the theory at every other.
func worstPoint(c *results.Capacity) (worst, floor float64, err error) {
	worst, floor = math.NaN(), math.NaN()
	for _, p := range c.Points { // by rate
		load := p.RateRPS * service.Seconds()
		if !p.Valid || load > highestLoad {
			continue
		}
		h, err := results.DecodeHistogram(p.Histogram)
		if err != nil {
			return worst, floor, err
		}
		sojourns := idealSojourns(c, p.RateRPS)
		slices.Sort(sojourns)
		if len(sojourns) == 0 || h.TotalCount() == 0 {
			continue
		}
		seen := middle(func(q float64) float64 { return float64(h.ValueAtQuantile(100*q)) / 1e3 })
		ideal := middle(func(q float64) float64 { return sojourns[int(q*float64(len(sojourns)))] })
		if math.IsNaN(floor) {
			floor = seen - ideal
			continue
		}
		long := middle(func(q float64) float64 { return capacity.MD1Percentile(load, 100*q) * service.Seconds() * 1e6 })
		fmt.Printf("    load %2.0f %%: %5.0f µs, theory %5.0f µs for these arrivals, %5.0f µs in the long run\n", 100*load, seen, ideal+floor, long+floor)
		if off := math.Abs(seen/(ideal+floor) - 1); !(off <= worst) {
			worst = off
		}
	}
	return worst, floor, nil
}

// middle is the mean of a distribution between its quartiles.
func middle(quantile func(float64) float64) float64 {
	const n = 100
	sum := 0.0
	for i := range n {
		sum += quantile(0.25 + 0.5*(float64(i)+0.5)/n)
	}
	return sum / n
}

// idealSojourns are the latencies in µs of an ideal server under the arrivals
// that the windows at a rate offered: Lindley's recursion, from the beginning
// of each warm-up on.
func idealSojourns(c *results.Capacity, rate float64) []float64 {
	var us []float64
	for _, p := range c.Probes {
		if p.RateRPS != rate || p.Verdict == results.VerdictSpoiled {
			continue
		}
		config := plan.Config{
			Rate: p.RateRPS, Arrivals: plan.Arrivals(c.Arrivals), Seed: p.Seed,
			Duration: time.Duration(p.DurationS * float64(time.Second)),
		}
		free := time.Duration(math.MinInt64)
		for due := range config.Due(time.Duration(p.WarmupS * float64(time.Second))) {
			free = max(due, free) + service
			if due >= 0 {
				us = append(us, float64(free-due)/1e3)
			}
		}
	}
	return us
}
